"""An experiment in small, on the built-in pictures: whether the machinery works here, and nothing about the claim."""

from dataclasses import replace
from pathlib import Path

from alexnet.data.preparation import Preparation
from alexnet.data.prepare import prepare
from alexnet.data.sources.shapes import Shapes
from alexnet.data.store import Store
from alexnet.experiments.design import Experiment

PER_CLASS = {"train": 20, "test": 5}
SEEDS = (0, 1)


def in_small(row: Experiment) -> Experiment:
    """The experiment with the arms of its first pair, and one more beside a base; two seeds, two epochs.

    No rate is searched for: an arm learns at the middle of its grid. Ensembles are of two networks.
    """
    first = row.pairs[0]
    others = [arm for arm in row.arms if arm.name not in (first.present, first.absent)][: 1 if row.has_base else 0]
    kept = [arm for arm in row.arms if arm.name in (first.present, first.absent)] + others
    arms = tuple(
        replace(arm, rates=(), settings={**arm.settings, "lr": str(arm.rates[len(arm.rates) // 2])})
        if arm.rates
        else arm
        for arm in kept
    )
    names = {arm.name for arm in arms}
    pairs = tuple(
        replace(pair, networks=min(pair.networks, len(SEEDS)))
        for pair in row.pairs
        if {pair.present, pair.absent} - {"base"} <= names
    )
    settings = {**row.bench.settings, "epochs": "2", "batch_size": "50", "warmup": "0"}
    bench = replace(row.bench, name=f"{row.bench.name}-trial", data="the built-in pictures", settings=settings)
    stop = replace(row.stop, epochs=2.0) if row.stop else None
    return replace(row, bench=bench, arms=arms, pairs=pairs, seeds=SEEDS, stop=stop, search=None)


def pictures(row: Experiment, path: Path) -> Store:
    """A store of built-in pictures of the side that the experiment takes."""
    return prepare(Shapes(per_class=PER_CLASS), path, preparation=Preparation(side=row.bench.side), workers=1)
