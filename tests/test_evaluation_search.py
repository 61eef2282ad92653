import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import alexnet.evaluation.search as search
from alexnet.errors import ConfigError
from alexnet.evaluation.search import METRICS, distances, near_copies, nearest


def brute(rows: NDArray, query: NDArray, k: int, metric: str) -> tuple[NDArray, NDArray]:
    """The definition."""
    true = distances(rows, query, metric)
    order = np.lexsort((np.arange(len(rows)), true))[:k]
    return order, true[order]


def check(rows: NDArray, queries: NDArray, k: int) -> None:
    for metric in METRICS:
        found, measured = nearest(rows, queries, k, metric)
        for number, query in enumerate(queries):
            order, true = brute(rows, query, k, metric)
            assert found[number].tolist() == order.tolist()
            assert measured[number].tolist() == true.tolist()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 60),
    width=st.integers(1, 40),
    k=st.integers(1, 70),
    distinct=st.integers(1, 60),
    spread=st.sampled_from([0.0, 1e-6, 1e-3, 1.0]),
)
def test_the_nearest_are_those_of_brute_force(
    seed: int, rows: int, width: int, k: int, distinct: int, spread: float
) -> None:
    random = np.random.default_rng(seed)
    base = 30 * random.standard_normal((distinct, width))
    made = base[random.integers(0, distinct, rows)] + spread * random.standard_normal((rows, width))
    made[random.random(rows) < 0.1] = 0
    check(made.astype(np.float32), made[: min(3, rows)].astype(np.float32), k)


@pytest.mark.parametrize("block", [4096, 1 << 16])
def test_blocks_change_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    rows = random.standard_normal((500, 24)).astype(np.float32)
    monkeypatch.setattr(search, "BLOCK_BYTES", block)
    check(rows, rows[[3, 400]], 7)
    check(rows.astype(np.float16), rows[[3, 400]].astype(np.float16), 7)


def near_copies_of_a_photograph() -> NDArray:
    """Long vectors that differ by less than the rounding error of |x|² + |q|² - 2x·q in fp32."""
    random = np.random.default_rng(0)
    one = np.maximum(random.standard_normal(4096) * 30, 0).astype(np.float32)
    rows = np.repeat(one[None], 40, 0)
    for number in range(40):
        rows[number, number] += np.float32(0.001 * (40 - number))
    return rows


def test_near_copies_are_in_their_true_order_where_the_usual_expansion_is_not() -> None:
    rows = near_copies_of_a_photograph()
    query = rows[7]
    usual = (rows * rows).sum(1) + (query * query).sum() - 2 * rows @ query
    order, true = brute(rows, query, 40, "euclidean")
    assert np.argsort(usual, kind="stable").tolist() != order.tolist()  # the case is one
    assert abs(usual - true.argsort()).max() > 0
    check(rows, rows[[7]], 40)


def test_a_copy_has_distance_0_and_another_row_has_not() -> None:
    rows = near_copies_of_a_photograph()
    rows[20] = rows[7]
    for metric in METRICS:
        found, measured = nearest(rows, rows[[7]], 3, metric)
        assert found[0, :2].tolist() == [7, 20]
        assert measured[0, :2].tolist() == [0, 0]
        assert measured[0, 2] > 0


def test_all_pairs_below_a_distance_are_found_once() -> None:
    random = np.random.default_rng(1)
    rows = random.standard_normal((60, 12)).astype(np.float32)
    rows[40] = rows[3]
    rows[50] = rows[3] * np.float32(1.001)
    for metric, below in (("euclidean", 2.5), ("cosine", 0.3), ("cosine", 1e-12)):
        expected = []
        for one in range(60):
            true = distances(rows, rows[one], metric)
            expected += [(true[other], one, other) for other in range(one + 1, 60) if true[other] < below]
        found = [(pair.distance, pair.first, pair.second) for pair in near_copies(rows, below, metric)]
        assert found == sorted(expected)


def test_maps_are_rows_too() -> None:
    rows = np.random.default_rng(2).standard_normal((9, 4, 3, 3)).astype(np.float32)
    found, _ = nearest(rows, rows[4].reshape(1, -1), 2)
    assert found[0, 0] == 4


def test_no_rows_have_no_neighbours() -> None:
    found, measured = nearest(np.empty((0, 5), np.float32), np.zeros((2, 5), np.float32), 3)
    assert found.shape == measured.shape == (2, 0)
    assert near_copies(np.empty((0, 5), np.float32), 1.0) == []


def test_what_does_not_fit_is_refused() -> None:
    rows = np.zeros((3, 5), np.float32)
    with pytest.raises(ConfigError, match="rows of 5 values"):
        nearest(rows, np.zeros((1, 4), np.float32))
    with pytest.raises(ConfigError, match="Unknown metric 'cosin'; did you mean 'cosine'"):
        nearest(rows, rows, metric="cosin")
