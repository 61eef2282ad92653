"""What the records of an experiment say: for each pair of arms an effect with its intervals, failures counted."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from alexnet.errors import DataError
from alexnet.experiments.design import EPOCHS, GAP, TEN, TEST, TRAINING, Experiment, Pair
from alexnet.experiments.order import tasks
from alexnet.experiments.records import RecordJson, Task, read_record, recipe_digest, spec_digest
from alexnet.experiments.statistics import (
    LEAST,
    Bound,
    Estimate,
    bootstrap,
    censored_ratio,
    crossing,
    holm,
    p_value,
    student,
)

CHANCE = 0.98  # share of the error of a network that knows nothing from which on a run counts as failed
TOLD = 0.05  # the adjusted p up to which an effect is told from 0


@dataclass(frozen=True)
class Effect:
    """What a pair's technique changes, in points of error, over the seeds that both arms have run with.

    `without_failed` leaves out the seeds in which a run of either arm failed: diverged, or at chance in the end. A run
    that diverged counts as one at chance. `drawn` is the interval of the bootstrap over seeds and photographs.
    """

    pair: Pair
    estimate: Estimate
    drawn: tuple[float, float] | None
    failed: int
    without_failed: Estimate | None
    p: float  # adjusted for the pairs of the experiment

    @property
    def sign(self) -> int:
        """1 or -1 where the effect can be told from 0 by both intervals and beside the others, else 0."""
        inside = self.drawn is not None and self.drawn[0] <= 0 <= self.drawn[1]
        return 0 if inside or self.p > TOLD else self.estimate.sign


@dataclass(frozen=True)
class Speed:
    """How many times faster a pair's technique comes down to a level of training error."""

    pair: Pair
    level: float
    present: tuple[float | None, ...]  # epochs, by seed; None where it had not come there
    absent: tuple[float | None, ...]
    bound: Bound | None
    p: float

    @property
    def sign(self) -> int:
        """1 where it is told to be faster, -1 where slower, else 0."""
        if self.bound is None or self.bound.side == "unknown" or self.p > TOLD:
            return 0
        low, high = self.bound.ratio.low, self.bound.ratio.high
        if low is None or high is None:
            return 0
        return int(low > 1 and self.bound.side != "at most") - int(high < 1 and self.bound.side != "at least")


@dataclass(frozen=True)
class Findings:
    """All that the records of an experiment say."""

    row: Experiment
    results: Mapping[tuple[str, int], RecordJson]
    searches: Mapping[tuple[str, float], RecordJson]
    effects: tuple[Effect, ...]
    speeds: tuple[Speed, ...]

    @property
    def seeds(self) -> list[int]:
        """The seeds with which all arms have been run."""
        arms = [arm.name for arm in self.row.all_arms]
        return [seed for seed in self.row.seeds if all((arm, seed) in self.results for arm in arms)]


def findings(row: Experiment, folder: Path) -> Findings:
    """What the records in a folder say about an experiment.

    Raises DataError for records of quick trials, of other recipes than the table's, and for some that do not belong
    together: of another store, another type of numbers, another version.
    """

    def look(task: Task) -> RecordJson | None:
        return read_record(folder / task.file)

    results, searches = {}, {}
    for task in tasks(row, look):
        if (record := look(task)) is None:
            continue
        _check(folder / task.file, task, record)
        if task.search:
            assert task.rate is not None
            searches[task.arm, task.rate] = record
        else:
            results[task.arm, task.seed] = record
    _check_together(row, [*results.values(), *searches.values()])
    if row.outcome == EPOCHS:
        return Findings(row, results, searches, (), _speeds(row, results))
    return Findings(row, results, searches, _effects(row, results), ())


def _check(path: Path, task: Task, record: RecordJson) -> None:
    if record["quick"]:
        raise DataError(f"{path} is of a trial on built-in pictures, which says nothing; take it away.")
    found = record["identity"]
    told = {"recipe": found["recipe"], "spec": found["spec"]}
    for key, wanted in (("recipe", recipe_digest(task.recipe)), ("spec", spec_digest(task, record["classes"]))):
        if told[key] != wanted:
            raise DataError(f"{path} is of another {key} than the table's; take it away, and the run is made again.")


def _check_together(row: Experiment, records: Sequence[RecordJson]) -> None:
    for key in ("data", "dtype", "code"):
        found = sorted({str(record["identity"][key]) for record in records})
        if len(found) > 1:
            raise DataError(
                f"The records of {row.name} do not compare: their {key} is {found[0][:20]!r} and {found[1][:20]!r}."
            )


def failed(record: RecordJson) -> bool:
    """Whether a run diverged, or was at chance in the end."""
    if record["ended"] == "diverged":
        return True
    return record["test"] is not None and record["test"]["top1_error"] >= CHANCE * (1 - 1 / record["classes"])


def outcome(row: Experiment, record: RecordJson) -> float:
    """The outcome of a run in per cent; that of a network at chance where it diverged."""
    test, train, ten = record["test"], record["train"], record.get("ten_crop")
    if test is None or train is None:
        return 0.0 if row.outcome == GAP else 100 * (1 - 1 / record["classes"])
    values = {
        TEST: test["top1_error"],
        TRAINING: train["top1_error"],
        GAP: test["top1_error"] - train["top1_error"],
        TEN: ten["top1_error"] if ten else test["top1_error"],
    }
    return 100 * values[row.outcome]


def difference(row: Experiment, present: RecordJson, absent: RecordJson) -> float:
    """What the technique changes in a pair of runs, in points; of ten crops, in one run."""
    if row.outcome != TEN:
        return outcome(row, present) - outcome(row, absent)
    test = present["test"]
    return outcome(row, present) - 100 * test["top1_error"] if test else 0.0


def curve(record: RecordJson) -> list[tuple[float, float]]:
    """The training error in the middle of each window, by epochs gone by."""
    ends = [0.0, *(end for end, _ in record["windows"])]
    return [((ends[number] + end) / 2, error) for number, (end, error) in enumerate(record["windows"])]


def time_to(record: RecordJson, level: float) -> float | None:
    """Epochs until the training error was down to a level; None where it had not come there in the end."""
    return crossing(curve(record), level)


def _common(row: Experiment, pair: Pair, results: Mapping[tuple[str, int], RecordJson]) -> list[int]:
    return [seed for seed in row.seeds if {(pair.present, seed), (pair.absent, seed)} <= set(results)]


def _effects(row: Experiment, results: Mapping[tuple[str, int], RecordJson]) -> tuple[Effect, ...]:
    found: list[Effect] = []
    for pair in row.pairs:
        if not (seeds := _common(row, pair, results)):
            continue
        runs = [(results[pair.present, seed], results[pair.absent, seed]) for seed in seeds]
        values = [difference(row, present, absent) for present, absent in runs]
        well = [value for value, both in zip(values, runs, strict=True) if not any(map(failed, both))]
        count = sum(map(failed, (record for both in runs for record in (both[:1] if row.outcome == TEN else both))))
        without = student(well) if count and well else None
        found.append(Effect(pair, student(values), _drawn(row, runs), count, without, p_value(values)))
    adjusted = holm({each.pair.title: each.p for each in found})
    return tuple(replace(each, p=adjusted[each.pair.title]) for each in found)


def _drawn(row: Experiment, runs: Sequence[tuple[RecordJson, RecordJson]]) -> tuple[float, float] | None:
    """The bootstrap's interval in points; None for other outcomes than the test error, too few seeds, failed runs."""
    if row.outcome not in (TEST, TEN) or len(runs) < LEAST:
        return None
    ten = row.outcome == TEN
    told = [(one.get("ten_crop_ranks", "") if ten else one["ranks"], other["ranks"]) for one, other in runs]
    if not all(one and other for one, other in told):
        return None
    wrong = np.array([[[digit != "0" for digit in ranks] for ranks in both] for both in told], np.int8)
    low, high = bootstrap(wrong[:, 0] - wrong[:, 1])
    return 100 * low, 100 * high


def _speeds(row: Experiment, results: Mapping[tuple[str, int], RecordJson]) -> tuple[Speed, ...]:
    found: list[Speed] = []
    cap = row.cap
    for level in row.levels:
        of_level: list[Speed] = []
        for pair in row.pairs:
            seeds = _common(row, pair, results)
            present = tuple(time_to(results[pair.present, seed], level) for seed in seeds)
            absent = tuple(time_to(results[pair.absent, seed], level) for seed in seeds)
            bound = censored_ratio(absent, present, (cap, cap)) if seeds else None
            # a time is never 0
            logs = [math.log((slow or cap) / (fast or cap)) for slow, fast in zip(absent, present, strict=True)]
            of_level.append(Speed(pair, level, present, absent, bound, p_value(logs) if logs else 1.0))
        adjusted = holm({each.pair.title: each.p for each in of_level})
        found += [replace(each, p=adjusted[each.pair.title]) for each in of_level]
    return tuple(found)
