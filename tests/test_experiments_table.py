"""Every row of the table of experiments can be run, and says what has to be decided before it is."""

import json
import re

import pytest

from alexnet.errors import ConfigError
from alexnet.experiments.design import ALIKE, BASE, EPOCHS, OUTCOMES, TEN, TOGETHER, Arm, Experiment
from alexnet.experiments.looking import LOOKS
from alexnet.experiments.records import Task
from alexnet.experiments.table import EXPERIMENTS, experiment, rows_called
from alexnet.model.account import account
from alexnet.model.options import OPTIONS, with_options

ROWS = pytest.mark.parametrize("row", EXPERIMENTS.values(), ids=list(EXPERIMENTS))


WITHIN = (TEN, ALIKE, TOGETHER)  # compared within a run


def built(row: Experiment, arm: Arm) -> str:
    """Network and recipe of an arm, as text that is equal for equal runs."""
    recipe = row.recipe(arm, 0)
    spec = with_options(row.network(arm, 10), **recipe.network_options)
    assert account(spec).total("macs") > 0
    # names do not make a difference
    layers = [{"kind": layer.kind, **vars(layer)} for layer in spec.layers]
    others = {name: value for name, value in recipe.to_json().items() if name not in {*OPTIONS, "model"}}
    return json.dumps([layers, spec.input_size, others], default=str)


@ROWS
def test_every_arm_builds_and_differs_from_the_others(row: Experiment) -> None:
    made = [built(row, arm) for arm in row.all_arms]
    assert len(set(made)) == len(made) >= (1 if row.outcome in WITHIN else 2)
    names = [arm.name for arm in row.all_arms]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[\w.=-]+", name) for name in names), "they name files"


@ROWS
def test_every_arm_is_compared_with_another(row: Experiment) -> None:
    compared = {name for pair in row.pairs for name in (pair.present, pair.absent)}
    assert compared == {arm.name for arm in row.all_arms}
    assert all((pair.present != pair.absent) == (row.outcome not in WITHIN) for pair in row.pairs)
    assert all(pair.title and pair.technique for pair in row.pairs)


@ROWS
def test_what_must_be_decided_before_is_there(row: Experiment) -> None:
    assert row.outcome in OUTCOMES and row.expectation.endswith(".") and row.smallest > 0
    assert (
        row.claim.text
        and bool(row.claim.section) != bool(row.claim.source)
        and row.bench.note
        and row.bench.prepare.startswith("alexnet prepare ")
    )
    assert row.seconds() > 60 and row.seconds(1.0) == row.bench.epoch_seconds
    assert bool(row.levels) == (row.outcome == EPOCHS)
    assert len(set(row.seeds)) == len(row.seeds) >= 3
    if row.search:
        assert row.search.seed not in row.seeds and row.search.seed >= 100, "a rate is searched on other seeds"
    for arm in row.arms:
        ratios = [high / low for low, high in zip(arm.rates, arm.rates[1:], strict=False)]
        assert ratios == pytest.approx([2.0] * len(ratios)), "in steps of two"
        assert bool(arm.rates) == bool(row.search) and len(arm.rates) != 1
    if row.stop:
        assert row.outcome == EPOCHS and row.stop.level == min(row.levels)
        assert row.stop.epochs <= float(row.bench.settings["epochs"])


def test_a_seed_and_a_rate_are_the_runs_own() -> None:
    row = experiment("lrn")
    recipe = row.recipe(row.arm("norm=false"), 3, 0.02)
    assert (recipe.seed, recipe.lr, recipe.norm) == (3, 0.02, False)
    assert row.recipe(row.arm(BASE), 3).norm is None


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'lrn'"):
        experiment("lnr")
    with pytest.raises(ConfigError, match="'norm=false'"):
        experiment("lrn").arm("norm=fals")


def test_a_bench_stands_for_its_rows_and_a_row_comes_once() -> None:
    names = [row.name for row in rows_called(["overlap", "imagenet20-64", "relu"])]
    on_it = [row.name for row in EXPERIMENTS.values() if row.bench.name == "imagenet20-64"]
    assert names == ["overlap", *(name for name in on_it if name != "overlap"), "relu"] and len(on_it) > 10


@ROWS
def test_a_look_is_at_runs_of_another_row(row: Experiment) -> None:
    if not row.of:
        assert row.outcome not in LOOKS
        return
    other = EXPERIMENTS[row.of]
    assert row.outcome in LOOKS and not other.of and not row.stop and not row.search
    for arm in row.all_arms:
        *_, need = Task(row, arm.name, row.seeds[0]).needs
        theirs = Task(other, arm.name, row.seeds[0])
        assert (need.file, need.recipe) == (theirs.file, theirs.recipe)
    assert set(row.seeds) <= set(other.seeds)
    assert all(1 <= pair.networks <= len(row.seeds) for pair in row.pairs)
    assert any(pair.networks > 1 for pair in row.pairs) == (row.outcome == TOGETHER)
