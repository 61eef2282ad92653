"""Training the tiny network, and what its runs say afterwards; also a process of its own, for tests that kill it.

As a process: stops when it has saved its state at an epoch and step, says so, and waits for a line. Arguments: the
store, the run directory, the epoch and the step.
"""

import csv
import hashlib
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from making import tiny_recipe, tiny_spec

from alexnet.data.store import Store
from alexnet.errors import AlexNetError
from alexnet.model.spec import Spec
from alexnet.training.events import Event, Saved, StepEnd
from alexnet.training.recipe import Recipe
from alexnet.training.run import Run
from alexnet.training.train import Runtime, train
from alexnet.weights.checkpoint import load_checkpoint
from alexnet.weights.model_dir import load_model

RUNTIME = Runtime(device="cpu", dtype="fp32", threads=1)
RECIPE = tiny_recipe(schedule="cosine", warmup=0.5)
TIMES = {"rate", "waiting", "seconds"}


def begin(
    recipe: Recipe = RECIPE,
    *,
    store: Store,
    out: Path,
    spec: Spec | None = None,
    runtime: Runtime = RUNTIME,
    **options: Any,
) -> Run:
    """The finished run of training the tiny network."""
    return train(store, spec or tiny_spec(), recipe, out, runtime=runtime, **options)


def metrics(run: Run) -> list[dict[str, str]]:
    """The rows of metrics.csv without the times."""
    with open(run.path / "metrics.csv", newline="") as file:
        return [{name: value for name, value in row.items() if name not in TIMES} for row in csv.DictReader(file)]


def events(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]


def weights(run: Run) -> dict[str, torch.Tensor]:
    """Those of the finished model."""
    return dict(load_model(run.model).net.state_dict())


def difference(one: Run, other: Run) -> set[str]:
    """What two finished runs differ in, times aside."""
    found = {"metrics"} if metrics(one) != metrics(other) else set()
    progress = [load_checkpoint(run.last)["progress"] for run in (one, other)]
    windows = [{name: value for name, value in each.items() if name.startswith("window")} for each in progress]
    found |= {"windows"} if windows[0] != windows[1] or not windows[0]["window_seen"] else set()
    for kind in ("weights", "velocity"):
        mine, theirs = (load_checkpoint(run.last)[kind] for run in (one, other))
        if any(not torch.equal(mine[name], theirs[name]) for name in mine.keys() | theirs.keys()):
            found.add(kind)
    digests = [hashlib.sha256((run.model / "model.safetensors").read_bytes()).digest() for run in (one, other)]
    return found | ({"model"} if digests[0] != digests[1] else set())


def stop_at(number: int, *, epoch: int, step: int) -> Callable[[Event], None]:
    """A listener that sends this process a signal."""

    def listen(event: Event) -> None:
        if isinstance(event, StepEnd) and (event.epoch, event.step) == (epoch, step):
            signal.raise_signal(number)

    return listen


def main(store: str, out: str, epoch: str, step: str) -> int:
    """The exit status of the command line."""

    def listen(event: Event) -> None:
        if isinstance(event, Saved) and (event.epoch, event.step) == (int(epoch), int(step)):
            sys.stdout.write("here\n")
            sys.stdout.flush()
            sys.stdin.readline()

    every_step = Runtime(device="cpu", dtype="fp32", threads=1, save_every=0.0)
    try:
        begin(store=Store.open(store), out=Path(out), runtime=every_step, listener=listen)
    except AlexNetError as error:
        sys.stdout.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
