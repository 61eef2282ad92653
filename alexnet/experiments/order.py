"""Which runs an experiment asks for, and which is next: searches first, then all arms of one seed after another."""

import math
from collections.abc import Callable, Iterator, Sequence

from alexnet.experiments.design import Arm, Experiment
from alexnet.experiments.records import RecordJson, Task

STEP = 2.0  # between two rates of a grid
MOST_RATES = 12  # tried for an arm

Lookup = Callable[[Task], RecordJson | None]


def rates_tried(row: Experiment, arm: Arm, look: Lookup) -> dict[float, float | None]:
    """The training error of the last window at each rate of an arm's grid, in order; None where it was not run yet.

    A rate at which the loss was not finite has an infinite error. The grid goes on in steps of two where the best rate
    would be the first or the last.
    """
    assert row.search
    grid = {rate: _found(row, arm, rate, look) for rate in arm.rates}
    while len(grid) < MOST_RATES and all(error is not None for error in grid.values()):
        rates = sorted(grid)
        best = min(rates, key=lambda rate: (grid[rate] if grid[rate] is not None else math.inf, rate))
        if best not in (rates[0], rates[-1]):
            break
        beyond = best / STEP if best == rates[0] else best * STEP
        grid[beyond] = _found(row, arm, beyond, look)
    return dict(sorted(grid.items()))


def best_rate(row: Experiment, arm: Arm, look: Lookup) -> float | None:
    """The rate with the lowest training error, never the first or last of its grid; None while it is searched for."""
    grid = rates_tried(row, arm, look)
    if any(error is None for error in grid.values()):
        return None
    return min(grid, key=lambda rate: (grid[rate], rate))


def tasks(row: Experiment, look: Lookup, seeds: Sequence[int] | None = None) -> Iterator[Task]:
    """All runs that are known so far to be needed, in the order in which they should be made, done ones included.

    While an arm's rate is searched for, its runs for the result are not among them: nor are those of the other arms,
    so that whole seeds come together. A look at networks comes when they are on record; before it come their runs.
    """
    searched = {arm.name: rates_tried(row, arm, look) for arm in row.all_arms if arm.rates}
    for name, grid in searched.items():
        assert row.search
        yield from (Task(row, name, row.search.seed, rate, search=True) for rate in grid)
    if any(error is None for grid in searched.values() for error in grid.values()):
        return
    told: set[str] = set()
    for seed in row.seeds if seeds is None else seeds:
        for arm in row.all_arms:
            task = Task(row, arm.name, seed, best_rate(row, arm, look) if arm.rates else None)
            yield from (need for need in task.needs if need.file not in told)
            told |= {need.file for need in task.needs}
            if all(look(need) is not None for need in task.needs):
                yield task


def tasks_together(rows: Sequence[Experiment], look: Lookup, seeds: Sequence[int] | None = None) -> list[Task]:
    """The `tasks` of several experiments: searches, then seed after seed; what they share is there once."""
    found: dict[str, Task] = {}
    for row in rows:
        for task in tasks(row, look, seeds):
            found.setdefault(task.file, task)
    return sorted(found.values(), key=lambda task: (not task.search, task.seed))


def _found(row: Experiment, arm: Arm, rate: float, look: Lookup) -> float | None:
    assert row.search
    record = look(Task(row, arm.name, row.search.seed, rate, search=True))
    if record is None:
        return None
    if record["ended"] == "diverged" or not record["windows"]:
        return math.inf
    return record["windows"][-1][1]
