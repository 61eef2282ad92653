"""What the records of an experiment say: for each pair of arms an effect with its intervals, failures counted."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet.errors import DataError
from alexnet.experiments.design import (
    ALIKE,
    APART,
    BASE,
    EPOCHS,
    GAP,
    TEN,
    TEST,
    TOGETHER,
    TRAINING,
    UNTOLD,
    Experiment,
    Pair,
)
from alexnet.experiments.looks import NEAREST, alike, halves, wrong
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
    that diverged counts as one at chance; in a look at networks, as 0. `drawn` is the interval of the bootstrap over
    seeds and photographs. `over` says what was drawn in thought: seeds, or for ensembles the photographs alone.
    """

    pair: Pair
    estimate: Estimate
    drawn: tuple[float, float] | None
    failed: int
    without_failed: Estimate | None
    p: float  # adjusted for the pairs of the experiment
    over: str = "seeds"

    @property
    def sign(self) -> int:
        """1 or -1 where the effect can be told from 0 by both intervals and beside the others, else 0."""
        inside = self.drawn is not None and self.drawn[0] <= 0 <= self.drawn[1]
        return 0 if inside or self.p > TOLD else self.estimate.sign

    @property
    def as_expected(self) -> bool | None:
        """Whether it came out as was expected; None where nothing was, or there is no interval yet."""
        return None if self.estimate.low is None else _as_expected(self.pair, self.estimate.mean, self.sign)


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

    @property
    def as_expected(self) -> bool | None:
        """Whether it came out as was expected; None where nothing was, no interval is there yet, or a bound alone."""
        if self.bound is None or self.bound.side != "exact" or self.bound.ratio.low is None:
            return None
        return _as_expected(self.pair, self.bound.ratio.mean, self.sign)


@dataclass(frozen=True)
class Findings:
    """All that the records of an experiment say."""

    row: Experiment
    results: Mapping[tuple[str, int], RecordJson]
    searches: Mapping[tuple[str, float], RecordJson]
    effects: tuple[Effect, ...]
    speeds: tuple[Speed, ...]
    again: Mapping[tuple[str, int], RecordJson]  # runs of which a look saw another network, trained again

    @property
    def seeds(self) -> list[int]:
        """The seeds with which all arms have been run."""
        arms = [arm.name for arm in self.row.all_arms]
        return [seed for seed in self.row.seeds if all((arm, seed) in self.results for arm in arms)]

    @property
    def expectations(self) -> list[bool]:
        """Of each pair of which something was expected, whether it came out so."""
        first = [each for each in self.speeds if each.level == self.row.levels[0]]
        told = [*(each.as_expected for each in self.effects), *(each.as_expected for each in first)]
        return [met for met in told if met is not None]


def _as_expected(pair: Pair, mean: float, sign: int) -> bool | None:
    if pair.expected is None or pair.expected == UNTOLD:
        return None if pair.expected is None else sign == 0
    low, high = pair.expected
    return low <= mean <= high


def findings(row: Experiment, folder: Path) -> Findings:
    """What the records in a folder say about an experiment.

    Raises DataError for records of quick trials, of other recipes than the table's, and for some that do not belong
    together: of another store, another type of numbers, another version.
    """

    def look(task: Task) -> RecordJson | None:
        return read_record(folder / task.file)

    results, searches, again = {}, {}, {}
    for task in tasks(row, look):
        if (record := look(task)) is None or task.experiment.name != row.name:  # a run whose network is looked at
            continue
        _check(folder / task.file, task, record)
        if task.search:
            assert task.rate is not None
            searches[task.arm, task.rate] = record
        else:
            results[task.arm, task.seed] = record
            run = look(task.needs[-1]) if task.needs else None
            if run is not None and run.get("model") != record.get("model"):
                again[task.arm, task.seed] = run
    _check_together(row, [*results.values(), *searches.values()])
    if row.outcome == EPOCHS:
        return Findings(row, results, searches, (), _speeds(row, results), again)
    return Findings(row, results, searches, _effects(row, results), (), again)


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
    """The outcome of a run in per cent, or of a look; that of a network at chance where it diverged."""
    if row.outcome == APART:
        return 100 * found.apart if (found := halves(record)) else 0.0
    if row.outcome == ALIKE:
        return 0.0 if (hidden := alike(record, "fc7")) is None else 100 / NEAREST * float(hidden.mean())
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
    """What the technique changes in a pair of runs, in points; of ten crops and neighbours, in one run."""
    if row.outcome == ALIKE:
        pixels = alike(present, "pixels")
        return 0.0 if pixels is None else outcome(row, present) - 100 / NEAREST * float(pixels.mean())
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
        if row.outcome == TOGETHER:
            found += _ensembles(row, pair, results)
            continue
        if not (seeds := _common(row, pair, results)):
            continue
        runs = [(results[pair.present, seed], results[pair.absent, seed]) for seed in seeds]
        values = [difference(row, present, absent) for present, absent in runs]
        well = [value for value, both in zip(values, runs, strict=True) if not any(map(failed, both))]
        once = pair.present == pair.absent
        count = sum(map(failed, (record for both in runs for record in (both[:1] if once else both))))
        without = student(well) if count and well else None
        found.append(Effect(pair, student(values), _drawn(row, runs), count, without, p_value(values)))
    adjusted = holm({each.pair.title: each.p for each in found})
    return tuple(replace(each, p=adjusted[each.pair.title]) for each in found)


def in_order(row: Experiment, results: Mapping[tuple[str, int], RecordJson]) -> list[RecordJson]:
    """The looks at the base's networks of the first seeds, up to the first that is not on record."""
    return [results[BASE, seed] for seed in takewhile(lambda seed: (BASE, seed) in results, row.seeds)]


def _ensembles(row: Experiment, pair: Pair, results: Mapping[tuple[str, int], RecordJson]) -> Iterator[Effect]:
    """What joining networks changes, over the photographs: there are too few sets of networks to draw them anew."""
    records = in_order(row, results)
    joined, alone = wrong(records, pair.networks), wrong(records, 1)
    if joined is None or alone is None:
        return
    values = (100 * (joined - alone)).tolist()
    networks = sum(record["ended"] != "diverged" for record in records)
    estimate = replace(student(values), n=networks)
    yield Effect(pair, estimate, None, sum(map(failed, records)), None, p_value(values), "photographs")


def _drawn(row: Experiment, runs: Sequence[tuple[RecordJson, RecordJson]]) -> tuple[float, float] | None:
    """The bootstrap's interval in points; None for an outcome that no photograph has, too few seeds, failed runs."""
    each = [_by_photograph(row, one, other) for one, other in runs] if len(runs) >= LEAST else []
    known = [differences for differences in each if differences is not None]
    if not known or len(known) < len(each):
        return None
    low, high = bootstrap(np.stack(known))
    return 100 * low, 100 * high


def _by_photograph(row: Experiment, one: RecordJson, other: RecordJson) -> NDArray[np.float64] | None:
    """What differs between two runs photograph by photograph (N,), -1 to 1; None where that cannot be told."""
    if row.outcome == ALIKE:
        hidden, pixels = alike(one, "fc7"), alike(one, "pixels")
        return None if hidden is None or pixels is None else (hidden - pixels) / NEAREST
    told = one.get("ten_crop_ranks", "") if row.outcome == TEN else one["ranks"]
    if row.outcome not in (TEST, TEN) or not told or not other["ranks"]:
        return None
    first, second = (np.array([digit != "0" for digit in ranks], float) for ranks in (told, other["ranks"]))
    return np.asarray(first - second)


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
