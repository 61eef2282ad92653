"""An experiment in miniature, on the store of six colours; child processes can import it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from alexnet.data.store import Store
from alexnet.experiments.conduct import Places
from alexnet.experiments.design import BASE, TEST, Arm, Bench, Claim, Experiment, Pair
from alexnet.training.train import Runtime

RUNTIME = Runtime(device="cpu", dtype="fp32", threads=1)
BENCH = Bench(
    name="colours-64",
    data="Colours",
    prepare="alexnet prepare colours",
    side=256,
    input_size=64,
    settings={
        "model": "original2012",
        "epochs": "2",
        "batch_size": "16",
        "lr": "0.01",
        "schedule": "cosine",
        "norm": "false",
        "holdout": "0",
    },
    epoch_seconds=1.0,
)
ROW = Experiment(
    name="small",
    claim=Claim("It helps.", "1", -1.0),
    bench=BENCH,
    arms=(Arm("mirror=false", {"mirror": "false"}),),
    pairs=(Pair("mirrors", "mirrors", BASE, "mirror=false", -1.0),),
    outcome=TEST,
    seeds=(0, 1),
    expectation="Nothing.",
    smallest=1.0,
)


def row(**changes: Any) -> Experiment:
    return replace(ROW, **changes)


def places(store: Store, folder: Path) -> Places:
    return Places(folder / "records", folder / "work", store.path)
