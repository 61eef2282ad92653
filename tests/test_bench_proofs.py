"""The proofs' own parts: verdicts, numbers from names, what is kept, the record that documents quote."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from zlib import crc32

import numpy as np
import prove
import pytest
from proofs import asking
from proofs.golden import picks, summary
from proofs.seeded import BIAS, uniform, weights
from proofs.tables import cells, markdown
from proofs.verdict import Proof, Row, alike, apart, holds

RECORD = json.loads(prove.RECORD.read_text(encoding="utf-8"))
ONES = np.ones((2, 3))


@pytest.mark.parametrize(
    ("error", "passes"),
    [(0.0, True), (0.9e-3, True), (1.1e-3, False), (-1.1e-3, False), (np.nan, False), (np.inf, False)],
)
def test_what_differs_by_more_than_its_tolerance_fails(error: float, passes: bool) -> None:
    ours = 4 * ONES
    ours[1, 2] += 4 * error
    row = alike("x", ours, 4 * ONES, 1e-3)
    assert row.passes is passes
    if np.isfinite(error):
        assert row.absolute == pytest.approx(4 * abs(error))
        assert row.relative == pytest.approx(abs(error))
        assert (row.scale, row.shape) == (4.0, (2, 3))


def test_what_cannot_be_compared_fails() -> None:
    assert not alike("another shape", np.ones(6), ONES, 1.0).passes
    assert not alike("nothing but zeros", 0 * ONES, 0 * ONES, 1.0).passes
    assert not alike("theirs is not finite", ONES, np.nan * ONES, 1.0).passes
    assert not alike("nothing", [], [], 1.0).passes
    assert not apart("nothing", [], [], 1.0).passes
    assert alike("zeros, of 255 levels", 0 * ONES, 0 * ONES, 1.0, scale=255.0).passes


def test_controls_pass_when_they_differ_by_far() -> None:
    assert apart("x", ONES, 2 * ONES, 1e-3).passes
    assert not apart("x", ONES, ONES + 5e-3, 1e-3).passes
    assert not apart("x", ONES, np.nan * ONES, 1e-3).passes


def test_a_proof_needs_rows_and_all_of_them() -> None:
    good, bad, control = alike("a", ONES, ONES * 1.001, 0.01), holds("b", False), apart("c", ONES, 2 * ONES, 0.01)
    assert not Proof("p", "w", "t", []).passes
    assert not Proof("p", "w", "t", [good, bad]).passes
    proof = Proof("p", "w", "t", [good, control])
    assert proof.passes
    assert proof.worst == pytest.approx(0.001, rel=1e-2), "controls are not counted"


def test_tables_tell_failures_and_controls_apart() -> None:
    def last(row: Row) -> str:
        return cells(asdict(row))[-1]

    assert last(alike("x", ONES, ONES, 1e-3)) == "agrees"
    assert last(alike("x", ONES, 2 * ONES, 1e-3)) == "FAILS"
    assert last(apart("x", ONES, 2 * ONES, 1e-3)) == "differs, as it must"
    assert last(apart("x", ONES, ONES, 1e-3)) == "FAILS"


def philox(key: int, counter: int) -> list[int]:
    """Four words of Philox 4x64-10, from its definition (Salmon et al. 2011)."""
    mask, words, keys = 2**64 - 1, [counter, 0, 0, 0], [key, 0]
    for number in range(10):
        if number:
            keys = [keys[0] + 0x9E3779B97F4A7C15 & mask, keys[1] + 0xBB67AE8584CAA73B & mask]
        first, second = 0xD2E7470EE14C6C93 * words[0], 0xCA5A826395121157 * words[2]
        words = [
            (second >> 64) ^ words[1] ^ keys[0],
            second & mask,
            (first >> 64) ^ words[3] ^ keys[1],
            first & mask,
        ]
    return words


def test_numbers_follow_from_their_name_alone() -> None:
    """Against the generator's definition: golden files hold on every machine, with every NumPy."""
    stream = np.array([word for counter in (1, 2) for word in philox(crc32(b"conv1.weight"), counter)], "<u8")
    expected = stream.view("<i4").astype(np.float64) / 2**31 * 0.25
    found = uniform("conv1.weight", (3, 5), 0.25)
    assert (found.dtype, found.shape) == (np.float32, (3, 5))
    np.testing.assert_array_equal(found.ravel(), expected[:15].astype(np.float32))


def test_weights_keep_the_size_of_maps_and_no_two_are_alike() -> None:
    made = weights({"fc6.weight": (400, 600), "fc6.bias": (400,), "fc7.weight": (400, 600)})
    assert made["fc6.weight"].std() == pytest.approx(np.sqrt(2 / 600), rel=0.01)  # He et al. 2015; 240,000 numbers
    assert np.abs(made["fc6.bias"]).max() == pytest.approx(BIAS, rel=0.02)
    assert not np.array_equal(made["fc6.weight"], made["fc7.weight"])


def test_a_summary_keeps_shape_size_sums_and_places() -> None:
    assert list(picks(100))[:2] == [0, 7] and picks(100)[-1] == 99
    assert list(picks(3)) == [0, 1, 2]
    found = summary(np.array([[1.0, -3.0], [2.0, 0.5]], np.float32))
    assert found == {"shape": [2, 2], "largest": 3.0, "sums": [0.5, 14.25], "picked": [1.0, -3.0, 2.0, 0.5]}


def test_without_the_environment_it_is_said_what_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PYTHON", tmp_path / "python")
    with pytest.raises(SystemExit, match=r"^There is no .*python, .*`make proofs` makes it"):
        asking.ask("runtimes.py", tmp_path, {})


def test_the_record_holds_and_its_tables_are_made_from_it() -> None:
    assert RECORD["passes"]
    assert all(proof["passes"] for proof in RECORD["proofs"])
    assert all(row["passes"] for proof in RECORD["proofs"] for row in proof["rows"])
    assert prove.RECORD.with_suffix(".md").read_text(encoding="utf-8") == markdown(RECORD)
    assert not re.search(r"[\" =:]/\w+/", json.dumps(RECORD)), "no paths of a machine"


def test_every_comparison_has_a_control() -> None:
    for proof in RECORD["proofs"]:
        assert any(row["control"] for row in proof["rows"]), proof["title"]
        assert sum(not row["control"] for row in proof["rows"]) >= 3, proof["title"]
