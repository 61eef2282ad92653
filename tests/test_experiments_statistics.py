import math
from itertools import combinations

import numpy as np
import pytest

from alexnet.experiments.statistics import (
    Estimate,
    bootstrap,
    by_division,
    censored_ratio,
    crossing,
    fisher,
    holm,
    p_value,
    ratio,
    student,
    student_quantile,
    student_share,
)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 7, 8, 19, 60])
def test_student_is_scipys(freedom: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    for t in (0.0, 0.3, 1.0, 2.776, 12.7, 80.0):
        assert student_share(t, freedom) == pytest.approx(2 * stats.t.cdf(t, freedom) - 1, abs=1e-12)
    for level in (0.5, 0.95, 0.99):
        assert student_quantile(level, freedom) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), rel=1e-9)


def test_the_interval_of_five_seeds_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = [-0.64, -0.28, 0.1, -0.9, -0.4]
    found = student(values)
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.sd == pytest.approx(np.std(values, ddof=1)) and found.n == 5
    assert p_value(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    for n in (3, 5):
        draws = [student(rng.normal(0.7, 1.3, n).tolist()) for _ in range(2000)]
        covered = sum(one.low <= 0.7 <= one.high for one in draws if one.low is not None and one.high is not None)
        assert 0.93 <= covered / 2000 <= 0.97


def test_few_seeds_have_no_interval() -> None:
    for values in ([1.0], [1.0, 1.2]):
        found = student(values)
        assert (found.low, found.high, found.sign, found.n) == (None, None, 0, len(values))
        assert p_value(values) == 1.0
    with pytest.raises(ValueError, match="no seed"):
        student([])


def test_the_sign_is_that_of_an_interval_without_0() -> None:
    assert [student(values).sign for values in ([1.0, 1.1, 1.2], [-1.0, -1.1, -1.2], [-1.0, 0.0, 1.0])] == [1, -1, 0]
    assert [Estimate(1.0, low, 2.0, 3, 0.4).sign for low in (0.0, 0.1)] == [0, 1], "an end at 0 does not exclude it"
    assert [Estimate(-1.0, -2.0, high, 3, 0.4).sign for high in (0.0, -0.1)] == [0, -1]
    assert p_value([0.0, 0.0, 0.0]) == 1.0 and p_value([2.0, 2.0, 2.0]) == 0.0


def test_ratios_are_geometric() -> None:
    found = ratio([2.0, 8.0, 4.0], [1.0, 1.0, 1.0])
    logs = student([math.log(2), math.log(8), math.log(4)])
    assert logs.low is not None and logs.high is not None
    assert found.mean == pytest.approx(4.0)
    assert (found.low, found.high) == pytest.approx((math.exp(logs.low), math.exp(logs.high)))
    turned = ratio([1.0, 1.0, 1.0], [2.0, 8.0, 4.0])
    assert turned.mean == pytest.approx(0.25) and turned.low == pytest.approx(1 / found.high)


def test_times_that_never_came_make_a_bound() -> None:
    exact = censored_ratio([8.0, 10.0], [4.0, 5.0], (20.0, 20.0))
    assert exact.side == "exact" and exact.ratio.mean == pytest.approx(2.0)
    above = censored_ratio([None, 10.0], [4.0, 5.0], (20.0, 30.0))
    assert (above.side, above.missing_above) == ("at least", 1) and above.ratio.mean == pytest.approx(math.sqrt(10.0))
    below = censored_ratio([8.0, 10.0], [None, 5.0], (20.0, 16.0))
    assert (below.side, below.missing_below) == ("at most", 1) and below.ratio.mean == pytest.approx(1.0)
    assert censored_ratio([None, 10.0], [None, 5.0], (20.0, 20.0)).side == "unknown"


def plain_bootstrap(differences: np.ndarray, draws: int, seed: int) -> tuple[float, float]:
    """The twin: seeds and photographs drawn one by one."""
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(draws):
        rows = rng.integers(0, len(differences), len(differences))
        columns = rng.integers(0, differences.shape[1], differences.shape[1])
        means.append(differences[rows][:, columns].mean())
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def test_the_bootstrap_is_that_of_seeds_and_photographs_one_by_one() -> None:
    rng = np.random.default_rng(1)
    wrong = rng.random((2, 5, 400)) < np.array([0.3, 0.4])[:, None, None]
    differences = wrong[0].astype(np.int8) - wrong[1].astype(np.int8)
    assert bootstrap(differences) == pytest.approx(plain_bootstrap(differences, 10_000, 3), abs=0.004)


def test_a_bootstrap_of_what_never_varies_has_no_width() -> None:
    assert bootstrap(np.ones((3, 50), np.int8)) == (1.0, 1.0)
    assert bootstrap(np.zeros((3, 50), np.int8)) == (0.0, 0.0)
    one_seed = bootstrap(np.array([[1, 0, 0, 0]], np.int8))
    assert one_seed[0] == 0.0 < one_seed[1]
    differences = np.array([[1, 0, -1, 0]] * 3, np.int8)
    assert bootstrap(differences) == bootstrap(differences)


def test_holm_is_the_textbooks() -> None:
    # four hypotheses: 4 · 0.005, 3 · 0.01, and then 2 · 0.03, which holds 0.04 up
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(found) == ["a", "b", "c", "d"]
    assert holm({"a": 0.7, "b": 0.6}) == {"a": 1.0, "b": 1.0}


def test_a_curve_crosses_between_its_points() -> None:
    curve = [(0.2, 0.9), (0.4, 0.5), (0.6, 0.3)]
    assert crossing(curve, 0.4) == pytest.approx(0.5)
    assert crossing(curve, 0.5) == pytest.approx(0.4)
    assert crossing(curve, 0.95) == 0.2
    assert crossing(curve, 0.3) == 0.6, "down to it, not below it"
    assert crossing(curve, 0.1) is None and crossing([], 0.5) is None


def test_divisions_into_halves_are_counted() -> None:
    # of the six divisions of four values two are as far apart as this one
    assert by_division([1.0, 1.0, 0.0, 0.0]) == pytest.approx(1 / 3, abs=0.02)
    assert by_division([0.2] * 8) == 1.0
    values = np.random.default_rng(1).normal(size=8) + np.repeat([1.0, 0.0], 4)
    apart = [
        abs(values[list(half)].sum() - (values.sum() - values[list(half)].sum())) for half in combinations(range(8), 4)
    ]
    exact = np.mean(np.array(apart) >= apart[0] - 1e-12)
    assert by_division(values.tolist()) == pytest.approx(exact, abs=0.02)
    far = [0.0] * 48 + [1.0] * 48
    assert by_division(far) == pytest.approx(1 / 10_001), "never 0"


def test_divisions_of_noise_are_as_often_far_apart_as_they_say() -> None:
    rng = np.random.default_rng(0)
    found = [by_division(rng.normal(size=20).tolist(), draws=200) for _ in range(1000)]
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.02)


def test_fisher_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    for p in ([0.3], [0.004, 0.55, 0.69, 0.51, 0.45], [1.0, 1.0], [1e-4] * 5):
        assert fisher(p) == pytest.approx(stats.combine_pvalues(p).pvalue, rel=1e-9)
