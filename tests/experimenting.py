"""An experiment in miniature, on the store of six colours; child processes can import it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from alexnet.data.store import Store
from alexnet.experiments.conduct import Places
from alexnet.experiments.design import BASE, TEST, Arm, Bench, Claim, Experiment, Pair
from alexnet.experiments.records import IdentityJson, RecordJson, Task, digest, recipe_digest, spec_digest, write_record
from alexnet.training.train import Runtime

RUNTIME = Runtime(device="cpu", dtype="fp32", threads=1)
BENCH = Bench(
    name="colours-32",
    data="Colours",
    prepare="alexnet prepare colours colours.store",
    side=256,
    input_size=32,
    settings={
        "model": "cifar_four",
        "epochs": "2",
        "batch_size": "16",
        "lr": "0.01",
        "schedule": "cosine",
        "holdout": "0",
    },
    epoch_seconds=1.0,
    note="It is small.",
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


def record(task: Task, *, train: float = 0.1, test: float = 0.3, images: int = 200, **changes: Any) -> RecordJson:
    """A record as a run would leave it, with errors that are counts of `images` photographs."""
    wrong = round(test * images)
    named: IdentityJson = {
        "spec": spec_digest(task, 10),
        "recipe": recipe_digest(task.recipe),
        "data": "1" * 64,
        "stop": "",
        "dtype": "fp32",
        "code": "alexnet 0",
    }
    made: RecordJson = {
        "format": 1,
        "experiment": task.experiment.name,
        "arm": task.arm,
        "seed": task.seed,
        "search": task.search,
        "quick": False,
        "network": "net",
        "classes": 10,
        "recipe": task.recipe.to_json(),
        "identity": named,
        "fingerprint": digest(named),
        "ended": "finished",
        "epochs": 2.0,
        "windows": [[1.0, 0.5], [2.0, train]],  # type: ignore[list-item]
        "train": {"images": images, "top1_error": train, "top5_error": 0.0, "loss": 1.0},
        "test": {"images": images, "top1_error": wrong / images, "top5_error": 0.0, "loss": 1.0},
        "ranks": "1" * wrong + "0" * (images - wrong),
        "seconds": 3600.0,
        "cpu_seconds": 1800.0,
        "pieces": 1,
        "environment": {"processor": "a slow one"},
        "commit": None,
    }
    return {**made, **changes}  # type: ignore[typeddict-item]


def looked(folder: Path, row: Experiment, found: dict[str, list[dict[str, Any] | None]], **changes: Any) -> Path:
    """A folder with records of looks at networks, by arm, a seed each; None stands for a network that diverged."""
    for arm, values in found.items():
        for seed, value in enumerate(values):
            task = Task(row, arm, seed)
            for need in task.needs:
                write_record(folder / need.file, record(need))
            made = record(task, **{"ended": "finished" if value else "diverged", **changes})
            empty = {"test": None, "train": None} if value is None else value
            write_record(folder / task.file, {**made, "ranks": "", **empty})  # type: ignore[typeddict-item]
    return folder


def on_record(folder: Path, row: Experiment, errors: dict[str, list[float]]) -> Path:
    """A folder with records of the test errors of arms, a seed each."""
    for arm, values in errors.items():
        for seed, value in enumerate(values):
            task = Task(row, arm, seed)
            write_record(folder / task.file, record(task, test=value))
    return folder


def of_times(folder: Path, row: Experiment, times: dict[str, list[float | None]], rate: float | None = None) -> Path:
    """A folder with records of curves that come down from 90 % to the first level after so many epochs, or never."""
    assert row.stop
    for arm, values in times.items():
        for seed, time in enumerate(values):
            cap, level = row.stop.epochs, row.levels[0]
            # the middles of the windows are what counts
            windows = [[0.2, 0.9], [2 * (time or cap) - 0.2, level if time else 0.8]]
            task = Task(row, arm, seed, rate)
            made = record(task, windows=windows, train=0.0, ended="level" if time else "cap", epochs=time or cap)
            write_record(folder / task.file, {**made, "test": None, "ranks": ""})
    return folder
