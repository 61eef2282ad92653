from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experimenting import ROW, of_times, on_record, record, row

from alexnet.errors import DataError
from alexnet.experiments.design import EPOCHS, GAP, TEN, TRAINING, Arm, Search, Stop
from alexnet.experiments.findings import Effect, Speed, failed, findings, outcome, time_to
from alexnet.experiments.records import Task, digest, write_record
from alexnet.experiments.statistics import Bound, Estimate, student

TIMED = row(outcome=EPOCHS, levels=(0.25, 0.5), stop=Stop(0.25, 8.0), seeds=(0, 1, 2))
THREE = row(seeds=(0, 1, 2))


def test_an_effect_is_with_minus_without_in_points(tmp_path: Path) -> None:
    on_record(tmp_path, THREE, {"base": [0.30, 0.29, 0.31], "mirror=false": [0.35, 0.36, 0.37]})
    (effect,) = findings(THREE, tmp_path).effects
    wanted = student([-5.0, -7.0, -6.0])
    assert (effect.estimate.mean, effect.estimate.low, effect.estimate.high) == pytest.approx(
        (wanted.mean, wanted.low, wanted.high)
    )
    assert effect.sign == -1 and effect.failed == 0 and effect.without_failed is None
    assert effect.drawn is not None and effect.drawn[0] < -6 < effect.drawn[1] < 0


def test_what_is_not_there_is_not_counted(tmp_path: Path) -> None:
    assert findings(THREE, tmp_path).effects == ()
    on_record(tmp_path, THREE, {"base": [0.30, 0.29, 0.31], "mirror=false": [0.35]})
    found = findings(THREE, tmp_path)
    assert found.effects[0].estimate.n == 1 and found.effects[0].drawn is None and found.effects[0].sign == 0
    assert found.seeds == [0] and len(found.results) == 4


def test_the_wider_interval_decides(tmp_path: Path) -> None:
    # three seeds agree to a tenth of a point, but on 200 photographs that is chance
    on_record(tmp_path, THREE, {"base": [0.30, 0.30, 0.30], "mirror=false": [0.305, 0.305, 0.31]})
    (effect,) = findings(THREE, tmp_path).effects
    shuffled = np.random.default_rng(0)
    for seed in THREE.seeds:
        task = Task(THREE, "mirror=false", seed)
        made = record(task, test=0.31)
        digits = "".join(shuffled.permutation(list(made["ranks"])))
        write_record(tmp_path / task.file, {**made, "ranks": digits})
    (effect,) = findings(THREE, tmp_path).effects
    assert effect.estimate.sign == -1
    assert effect.drawn is not None and effect.drawn[0] < 0 < effect.drawn[1]
    assert effect.sign == 0


def test_an_interval_that_ends_at_0_does_not_exclude_it() -> None:
    told = Effect(THREE.pairs[0], student([-1.0, -1.1, -1.2]), (-2.0, -0.1), 0, None, 0.01)
    assert [replace(told, drawn=(-2.0, high)).sign for high in (-0.1, 0.0)] == [-1, 0]
    turned = replace(told, estimate=student([1.0, 1.1, 1.2]))
    assert [replace(turned, drawn=(low, 2.0)).sign for low in (0.1, 0.0)] == [1, 0]


def test_several_pairs_are_adjusted_for(tmp_path: Path) -> None:
    pairs = tuple(replace(THREE.pairs[0], title=f"{number}") for number in range(5))
    many = replace(THREE, pairs=pairs)
    on_record(tmp_path, many, {"base": [0.30, 0.29, 0.31], "mirror=false": [0.33, 0.34, 0.34]})
    one, five = findings(THREE, tmp_path).effects[0], findings(many, tmp_path).effects[0]
    assert five.p == pytest.approx(5 * one.p) and one.sign == -1 and five.sign == 0


def test_a_failed_run_is_counted_and_given_with_and_without(tmp_path: Path) -> None:
    on_record(tmp_path, THREE, {"base": [0.30, 0.30, 0.90], "mirror=false": [0.31, 0.31, 0.31]})
    task = Task(THREE, "mirror=false", 1)
    gone = record(task, ended="diverged", test=0.0, train=0.0)
    write_record(tmp_path / task.file, {**gone, "test": None, "train": None, "ranks": ""})
    found = findings(THREE, tmp_path)
    (effect,) = found.effects
    assert effect.failed == 2 and effect.drawn is None
    assert effect.estimate.mean == pytest.approx((-1 + (30 - 90) + (90 - 31)) / 3)
    assert effect.without_failed is not None and effect.without_failed.mean == pytest.approx(-1.0)
    assert [failed(found.results["base", seed]) for seed in (0, 1, 2)] == [False, False, True]


def test_outcomes_are_what_they_say() -> None:
    made = record(Task(THREE, "base", 0), train=0.1, test=0.3)
    assert outcome(THREE, made) == pytest.approx(30.0)
    assert outcome(replace(THREE, outcome=TRAINING), made) == pytest.approx(10.0)
    assert outcome(replace(THREE, outcome=GAP), made) == pytest.approx(20.0)


def test_ten_crops_are_compared_with_one_within_a_run(tmp_path: Path) -> None:
    pair = replace(THREE.pairs[0], present="base", absent="base")
    ten = replace(THREE, outcome=TEN, arms=(), pairs=(pair,))
    for seed, (centre, averaged) in enumerate(((0.30, 0.29), (0.31, 0.295), (0.30, 0.28))):
        task = Task(ten, "base", seed)
        made, other = record(task, test=centre), record(task, test=averaged)
        write_record(tmp_path / task.file, {**made, "ten_crop": other["test"], "ten_crop_ranks": other["ranks"]})
    (effect,) = findings(ten, tmp_path).effects
    assert effect.estimate.mean == pytest.approx(-1.5) and effect.estimate.n == 3
    assert effect.drawn is not None and effect.drawn[0] < -1.5 < effect.drawn[1]


def test_times_are_read_from_the_middles_of_windows() -> None:
    made = record(Task(TIMED, "base", 0), windows=[[1.0, 0.5], [2.0, 0.3], [3.0, 0.1]])
    assert time_to(made, 0.5) == 0.5 and time_to(made, 0.2) == pytest.approx(2.0) and time_to(made, 0.05) is None


def test_a_speed_is_without_over_with(tmp_path: Path) -> None:
    of_times(tmp_path, TIMED, {"base": [2.0, 2.0, 2.0], "mirror=false": [4.0, 5.0, 4.5]})
    first, second = findings(TIMED, tmp_path).speeds
    assert (first.level, second.level) == (0.25, 0.5)
    assert first.bound is not None and first.bound.side == "exact"
    assert first.bound.ratio.mean == pytest.approx((2.0 * 2.5 * 2.25) ** (1 / 3)) and first.sign == 1


def test_a_speed_of_runs_that_never_came_there_is_a_bound(tmp_path: Path) -> None:
    of_times(tmp_path, TIMED, {"base": [2.0, 2.0, 2.1], "mirror=false": [None, 7.0, None]})
    first, _ = findings(TIMED, tmp_path).speeds
    assert first.bound is not None and (first.bound.side, first.bound.missing_above) == ("at least", 2)
    assert first.absent == (None, pytest.approx(7.0), None) and first.sign == 1
    of_times(tmp_path, TIMED, {"base": [None, 2.0, 2.1]})
    assert findings(TIMED, tmp_path).speeds[0].sign == 0
    assert findings(TIMED, tmp_path / "none").speeds[0].bound is None


def test_what_a_bound_leaves_open_is_not_told() -> None:
    faster, slower = Estimate(2.0, 1.5, 2.7, 3, 0.1), Estimate(0.5, 0.4, 0.7, 3, 0.1)

    def sign(ratio: Estimate, above: int, below: int) -> int:
        return Speed(TIMED.pairs[0], 0.25, (), (), Bound(ratio, above, below), 0.01).sign

    sides = (0, 0), (1, 0), (0, 1), (1, 1)  # exact, at least, at most, unknown
    assert [sign(faster, *missing) for missing in sides] == [1, 1, 0, 0]
    assert [sign(slower, *missing) for missing in sides] == [-1, 0, -1, 0]


@pytest.mark.parametrize(("key", "value"), [("data", "2" * 64), ("dtype", "bf16"), ("code", "alexnet 1")])
def test_records_that_differ_in_what_all_must_share_are_refused(tmp_path: Path, key: str, value: str) -> None:
    on_record(tmp_path, THREE, {"base": [0.3], "mirror=false": [0.3]})
    task = Task(THREE, "mirror=false", 0)
    made = record(task)
    named: Any = {**made["identity"], key: value}
    write_record(tmp_path / task.file, {**made, "identity": named, "fingerprint": digest(named)})
    with pytest.raises(DataError, match=f"do not compare: their {key} is"):
        findings(THREE, tmp_path)


def test_records_of_something_else_are_refused(tmp_path: Path) -> None:
    task = Task(THREE, "base", 0)
    write_record(tmp_path / task.file, record(task, quick=True))
    with pytest.raises(DataError, match="of a trial"):
        findings(THREE, tmp_path)
    other = replace(
        task, experiment=row(arms=(), bench=replace(THREE.bench, settings={"lr": "1", "model": "cifar_four"}))
    )
    write_record(tmp_path / task.file, record(other))
    with pytest.raises(DataError, match="of another recipe than the table's"):
        findings(THREE, tmp_path)
    deeper = replace(task, experiment=row(bench=replace(THREE.bench, input_size=48)))
    write_record(tmp_path / task.file, {**record(task), "identity": record(deeper)["identity"]})
    with pytest.raises(DataError, match="was changed"):
        findings(THREE, tmp_path)
    write_record(tmp_path / task.file, record(deeper))
    with pytest.raises(DataError, match="of another spec than the table's"):
        findings(THREE, tmp_path)
    on_record(tmp_path, THREE, {"base": [0.3, 0.3]})
    made = record(task)
    named = {**made["identity"], "data": "2" * 64}
    write_record(tmp_path / task.file, {**made, "identity": named, "fingerprint": digest(named)})  # type: ignore[typeddict-item]
    with pytest.raises(DataError, match="do not compare: their data is '111"):
        findings(THREE, tmp_path)


def test_searches_are_apart_from_results(tmp_path: Path) -> None:
    pair = replace(ROW.pairs[0], present="a", absent="b")
    arms = (Arm("a", {}, (0.01, 0.02)), Arm("b", {"mirror": "false"}, (0.01, 0.02)))
    searched = replace(TIMED, arms=arms, pairs=(pair,), search=Search(1.0))
    task = Task(searched, "a", 100, 0.01, search=True)
    write_record(tmp_path / task.file, record(task))
    found = findings(searched, tmp_path)
    assert list(found.searches) == [("a", 0.01)] and not found.results
