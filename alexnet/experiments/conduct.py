"""One run of an experiment: trained or taken up again, measured on the test photographs once, written down."""

import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from alexnet.data.store import Store
from alexnet.errors import DataError, WeightsError
from alexnet.evaluation.evaluate import evaluate
from alexnet.evaluation.features import model_digest
from alexnet.evaluation.outcomes import outcomes
from alexnet.experiments.records import (
    Ending,
    ErrorsJson,
    RecordJson,
    Task,
    as_json,
    check_same,
    digest,
    digits,
    identity,
    read_record,
    write_record,
)
from alexnet.model.device import Placement, place
from alexnet.training.events import Event, Listener, WindowEnd, silent
from alexnet.training.plan import training_plan
from alexnet.training.run import Run
from alexnet.training.train import Runtime, resume, train
from alexnet.training.watch import Diverged
from alexnet.training.windows import read_windows
from alexnet.weights.files import write_text
from alexnet.weights.model_dir import Model, load_model

PLACES = 5  # decimal places of errors inside an epoch


@dataclass(frozen=True)
class Places:
    """Where records, run directories and the store are; whether the runs are only a trial of the machinery."""

    records: Path
    work: Path
    store: Path
    quick: bool = False

    def record(self, task: Task) -> Path:
        """Where the record of a run belongs."""
        return self.records / task.file

    def run(self, task: Task) -> Path:
        """Where the run directory is while the run is under way; a finished one stays, for its model."""
        return (self.work / task.file).with_suffix("")


def open_store(places: Places, task: Task) -> Store:
    """The store. Raises DataError when its photographs are of another side than the bench asks for."""
    store, bench = Store.open(places.store), task.experiment.bench
    if store.preparation.side != bench.side:
        raise DataError(
            f"{store.path} has photographs of {store.preparation.side} pixels, and {task.experiment.name} takes "
            f"{bench.side}: make a store with {bench.prepare}"
        )
    return store


def recorded(task: Task, places: Places, store: Store, placement: Placement) -> RecordJson | None:
    """The record of the run, if it is there. Raises DataError when the one in its place is of another run."""
    path = places.record(task)
    record = read_record(path)
    if record is not None:
        check_same(path, record, identity(task, store, placement.dtype_name), task.recipe)
    return record


class Enough(Exception):
    """A run that is there for its curve has come to its level, or to its cap; `how` says to which."""

    def __init__(self, how: Literal["level", "cap"]) -> None:
        super().__init__(how)
        self.how = how


def watching(task: Task, images: int, listener: Listener) -> Listener:
    """A listener that hands events on, and raises `Enough` when the window that is over shows enough of the task."""

    def tell(event: Event) -> None:
        listener(event)
        if isinstance(event, WindowEnd):
            if task.level is not None and event.error <= task.level:
                raise Enough("level")
            if task.epochs is not None and event.photographs >= task.epochs * images:
                raise Enough("cap")

    return tell


def conduct(task: Task, places: Places, runtime: Runtime, listener: Listener = silent) -> RecordJson | None:
    """The record of the run, written when it is over; None when the runtime's minutes were over first.

    A run that was stopped goes on from its checkpoint, bit for bit on a CPU with as many threads. One whose loss or
    answers are not finite has a record as well. Raises Interrupted after Ctrl-C, and what `train` raises.
    """
    store = open_store(places, task)
    placement = place(runtime.device, runtime.dtype)
    if (there := recorded(task, places, store, placement)) is not None:
        return there
    began, processor = time.monotonic(), time.process_time()
    run, recipe = Run(places.run(task)), task.recipe
    plan = training_plan(task.network(len(store.classes)), recipe, store)
    run.path.parent.mkdir(parents=True, exist_ok=True)
    tell = watching(task, len(plan.train), listener)
    ended: Ending = "finished"
    try:
        try:
            if run.last.exists():
                resume(run.path, runtime=runtime, data=store.path, listener=tell)
            else:
                shutil.rmtree(run.path, ignore_errors=True)  # of a run that was killed before its first checkpoint
                spec = task.network(len(store.classes))
                train(store, spec, recipe, run.path, runtime=runtime, listener=tell)
        except Enough as reason:
            ended = reason.how
        except Diverged:
            ended = "diverged"
        else:
            if not (run.path / "summary.json").exists():
                return None
    finally:
        pieces = _spent(run, time.monotonic() - began, time.process_time() - processor)
    measured, came_out = _Measured(), ""
    if ended == "finished":
        model = load_model(run.model)
        try:
            measured, came_out = _measured(model, store, placement), model_digest(run.model)
        except WeightsError:  # its last steps led to numbers that are not finite
            ended = "diverged"
    environment = json.loads((run.path / "environment.json").read_text(encoding="utf-8"))
    command = environment.pop("command")
    named = identity(task, store, placement.dtype_name)
    trained = float(recipe.epochs) if (run.path / "summary.json").exists() else 0.0
    windows = [(each.photographs / len(plan.train), each.error) for each in read_windows(run.path)]
    record: RecordJson = {
        "format": 1,
        "experiment": "base" if task.is_base else task.experiment.name,
        "arm": task.arm,
        "seed": task.seed,
        "search": task.search,
        "quick": places.quick,
        "network": plan.spec.name,
        "classes": plan.spec.classes,
        "recipe": recipe.to_json(),
        "identity": named,
        "fingerprint": digest(named),
        "ended": ended,
        "epochs": round(windows[-1][0], PLACES) if ended != "finished" and windows else trained,
        "windows": [(round(place, PLACES), round(error, PLACES)) for place, error in windows],
        "train": measured.train,
        "test": measured.test,
        "ranks": measured.ranks,
        "ten_crop": measured.ten_crop,
        "ten_crop_ranks": measured.ten_crop_ranks if task.is_base else "",  # what `TEN` compares, of a base alone
        "model": came_out,
        "seconds": round(pieces["seconds"], 1),
        "cpu_seconds": round(pieces["cpu_seconds"], 1),
        "pieces": pieces["pieces"],
        "environment": environment | {"command": without_places(command)},
        "commit": commit(),
    }
    write_record(places.record(task), record)
    return read_record(places.record(task))


@dataclass(frozen=True)
class _Measured:
    """What the finished model makes of the photographs; nothing where there is none."""

    train: ErrorsJson | None = None
    test: ErrorsJson | None = None
    ranks: str = ""
    ten_crop: ErrorsJson | None = None
    ten_crop_ranks: str = ""


def _measured(model: Model, store: Store, placement: Placement) -> _Measured:
    seen = evaluate(model, store, split="train", placement=placement)
    test = outcomes(model, store, split="test", placement=placement)
    return _Measured(
        as_json(seen),
        as_json(test.tallies[1]),
        digits(test.ranks[1]),
        as_json(test.tallies[10]),
        digits(test.ranks[10]),
    )


def _spent(run: Run, seconds: float, processor: float) -> dict[str, Any]:
    """What the run has taken so far, this piece included; kept beside the run, since it may go on."""
    path = run.path.with_suffix(f"{run.path.suffix}.spent.json")
    spent = {"seconds": 0.0, "cpu_seconds": 0.0, "pieces": 0}
    if path.exists():
        spent = json.loads(path.read_text(encoding="utf-8"))
    spent["seconds"] += seconds
    spent["cpu_seconds"] += processor
    spent["pieces"] += 1
    write_text(path, json.dumps(spent) + "\n")
    return spent


def without_places(command: Sequence[str]) -> str:
    """The command, an absolute path cut to its name: where a machine keeps things says nothing."""
    return " ".join(Path(word).name if word.startswith("/") else word for word in command)


def commit() -> str | None:
    """The commit of the code, where it lies in a clone."""
    try:
        found = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return found.stdout.strip() or None
