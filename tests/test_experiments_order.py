from dataclasses import replace
from typing import Any

import pytest
from experimenting import ROW, row

from alexnet.experiments.design import ALIKE, APART, TOGETHER, Arm, Search
from alexnet.experiments.order import MOST_RATES, best_rate, rates_tried, tasks
from alexnet.experiments.records import Task

SEARCHED = row(
    arms=(Arm("a", {"mirror": "false"}, (0.01, 0.02, 0.04)), Arm("b", {"lr": "1"}, (0.01, 0.02))), search=Search(1.0)
)


def told(found: dict[tuple[str, float], float]) -> Any:
    """A look at records of search runs, by arm and rate; an infinite error is a run that diverged."""

    def look(task: Task) -> Any:
        error = found.get((task.arm, task.rate or 0.0)) if task.search else None
        if error is None:
            return None
        diverged = error == float("inf")
        return {"ended": "diverged" if diverged else "cap", "windows": [(0.2, 0.9), (0.4, 0.0 if diverged else error)]}

    return look


def test_all_arms_of_a_seed_come_before_the_next_seed() -> None:
    files = [task.file for task in tasks(ROW, lambda task: None)]
    assert files == [
        "base/colours-32-0.json",
        "small/mirror=false-0.json",
        "base/colours-32-1.json",
        "small/mirror=false-1.json",
    ]
    assert [task.seed for task in tasks(ROW, lambda task: None, [4])] == [4, 4]


def test_rates_are_searched_with_a_seed_of_their_own_before_any_result() -> None:
    files = [task.file for task in tasks(SEARCHED, lambda task: None)]
    assert files == [
        "small/a-rate0.01-100.json",
        "small/a-rate0.02-100.json",
        "small/a-rate0.04-100.json",
        "small/b-rate0.01-100.json",
        "small/b-rate0.02-100.json",
    ]


def test_a_grid_goes_on_in_steps_of_two_until_its_best_is_inside() -> None:
    arm = SEARCHED.arms[0]
    known = {("a", 0.01): 0.5, ("a", 0.02): 0.4, ("a", 0.04): 0.3}
    assert list(rates_tried(SEARCHED, arm, told(known))) == [0.01, 0.02, 0.04, 0.08]
    assert best_rate(SEARCHED, arm, told(known)) is None
    known |= {("a", 0.08): float("inf")}
    assert best_rate(SEARCHED, arm, told(known)) == 0.04
    down = {("a", 0.01): 0.3, ("a", 0.02): 0.4, ("a", 0.04): 0.5}
    assert list(rates_tried(SEARCHED, arm, told(down))) == [0.005, 0.01, 0.02, 0.04]
    inside = {("a", 0.01): 0.5, ("a", 0.02): 0.3, ("a", 0.04): 0.5}
    assert best_rate(SEARCHED, arm, told(inside)) == 0.02


def test_a_run_that_ended_before_its_first_window_has_found_nothing() -> None:
    none = lambda task: {"ended": "cap", "windows": []}  # noqa: E731
    assert set(rates_tried(SEARCHED, SEARCHED.arms[0], none).values()) == {float("inf")}  # type: ignore[arg-type]


def test_a_grid_on_which_nothing_learns_ends() -> None:
    same = lambda task: {"ended": "cap", "windows": [(0.4, 0.9)]}  # noqa: E731
    grid = rates_tried(SEARCHED, SEARCHED.arms[0], same)  # type: ignore[arg-type]
    assert len(grid) == MOST_RATES


def test_results_are_run_at_the_best_rate_of_each_arm() -> None:
    known = {("a", 0.01): 0.8, ("a", 0.02): 0.7, ("a", 0.04): float("inf")}
    known |= {("b", 0.005): 0.6, ("b", 0.01): 0.5, ("b", 0.02): 0.6}
    wanted = [task for task in tasks(SEARCHED, told(known)) if not task.search]
    # the base has no grid, and learns at the bench's rate
    assert [(task.arm, task.rate) for task in wanted[:3]] == [("base", None), ("a", 0.02), ("b", 0.01)]
    assert wanted[1].recipe.lr == 0.02 and wanted[0].recipe.lr == 0.01


def test_an_arm_without_a_base_is_not_run_for_nothing() -> None:
    pair = replace(ROW.pairs[0], present="a", absent="b")
    without = row(pairs=(pair,), arms=(Arm("a", {}), Arm("b", {"mirror": "false"})))
    assert [task.file for task in tasks(without, lambda task: None, [0])] == ["small/a-0.json", "small/b-0.json"]
    with pytest.raises(AssertionError):
        rates_tried(without, without.arms[0], lambda task: None)


def test_a_look_comes_after_the_runs_whose_networks_it_takes() -> None:
    looks = row(name="joined", of="small", outcome=TOGETHER, arms=(), pairs=(replace(ROW.pairs[0], absent="base"),))
    assert [task.file for task in tasks(looks, lambda task: None)] == [
        "base/colours-32-0.json",
        "base/colours-32-1.json",
    ]
    done = {"base/colours-32-0.json"}

    def look(task: Task) -> Any:
        return {} if task.file in done else None

    first = ["base/colours-32-0.json", "joined/base-0.json", "base/colours-32-1.json"]
    assert [task.file for task in tasks(looks, look)] == first
    done.add("base/colours-32-1.json")
    assert [task.file for task in tasks(looks, look)] == [*first, "joined/base-1.json"]
    # an ensemble takes those before its own; other looks take their own alone
    assert [task.file for task in tasks(looks, look, [1])] == [first[0], first[2], "joined/base-1.json"]
    near = replace(looks, outcome=ALIKE)
    assert [task.file for task in tasks(near, look, [1])] == [first[2], "joined/base-1.json"]


def test_a_look_at_an_arm_takes_the_run_of_its_row() -> None:
    looks = row(name="apart", of="other", outcome=APART)
    (need,) = Task(looks, "mirror=false", 0).needs
    assert (need.file, need.name) == ("other/mirror=false-0.json", "other: mirror=false, seed 0")
    assert need.recipe == Task(ROW, "mirror=false", 0).recipe and not need.needs
