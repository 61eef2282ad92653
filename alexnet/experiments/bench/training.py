"""The real training loop from a store, in turns with the bare step."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch

from alexnet.experiments.bench.photographs import store_of
from alexnet.experiments.bench.step import BareStep, memory_of
from alexnet.experiments.bench.timing import Measurement, Rounds, Work, rate_of
from alexnet.model.device import Placement
from alexnet.model.spec import Spec
from alexnet.training.events import Event, StepEnd
from alexnet.training.recipe import Recipe
from alexnet.training.train import Runtime, train

SKIPPED = 4  # steps at the start of a round: batches that the loader had ready, threads that wake up
LEAST = 6  # steps measured in a round


class _Enough(Exception):
    """All rounds are measured."""


@dataclass
class Alternation:
    """A listener of `train` that times the loop's steps and, between its rounds, runs the bare step.

    A round is `SKIPPED` steps of the loop and then `LEAST` or more, until `seconds` are over; it lies within an epoch,
    so that neither validation nor the first batch of an epoch is in it.
    """

    rounds: Rounds
    batch_size: int
    make_bare_step: Callable[[], Work]
    device: torch.device
    peak_memory: int = 0  # of the loop, before there was a bare step
    bare: list[float] = field(default_factory=list)  # images/s, one a round
    loop: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)  # share of a round's time
    _bare_step: Work | None = None
    _steps: int = 0  # of the round under way

    def __call__(self, event: Event) -> None:
        """Raises `_Enough` after the last round."""
        if not isinstance(event, StepEnd):
            return
        now, waited = perf_counter(), _waited(event, self.batch_size)
        self._steps = 1 if event.step == 1 else self._steps + 1
        if self._steps == SKIPPED:
            self._began, self._waited = now, waited
        measured = self._steps - SKIPPED
        if measured < LEAST or (now - self._began < self.rounds.seconds and event.step < event.steps):
            return
        elapsed = now - self._began
        self.loop.append(measured * self.batch_size / elapsed)
        self.waiting.append((waited - self._waited) / elapsed)
        if self._bare_step is None:
            self.peak_memory = memory_of(self.device)
            self._bare_step = self.make_bare_step()
        rate_of(self._bare_step, 0)  # as the loop, it is not timed from a standing start
        self.bare.append(rate_of(self._bare_step, self.rounds.seconds))
        if len(self.loop) == self.rounds.rounds:
            raise _Enough
        self._steps = 0


def _waited(event: StepEnd, batch_size: int) -> float:
    """The seconds of this epoch that went by waiting for data."""
    return event.waiting * event.step * batch_size / event.rate


def bench_train(
    spec: Spec, batch_size: int, placement: Placement, rounds: Rounds, *, data: Path | None = None, **_: Any
) -> list[Measurement]:
    """The loop of `alexnet train`, logging included, and the bare step, in turns.

    Validation and checkpoints (one in two minutes, otherwise) are left out of both.
    """
    recipe = Recipe(name="bench", epochs=10**6, batch_size=batch_size, lr=1e-4, schedule="constant", holdout=0.0)
    runtime = Runtime(
        device=str(placement.device), dtype=placement.dtype_name, threads=torch.get_num_threads(), save_every=1e9
    )
    needed = (SKIPPED + LEAST) * batch_size
    if data is None:
        needed = max(needed, spec.classes)
    with TemporaryDirectory(prefix="alexnet-bench-") as folder, store_of(data, needed, classes=spec.classes) as store:
        spec = replace(spec, classes=len(store.classes))
        listener = Alternation(rounds, batch_size, partial(BareStep, spec, batch_size, placement), placement.device)
        with suppress(_Enough):
            train(store, spec, recipe, Path(folder) / "run", runtime=runtime, listener=listener)
    dtype = placement.dtype_name
    ratios = [loop / alone for loop, alone in zip(listener.loop, listener.bare, strict=True)]
    facts = {"of_bare_step": median(ratios), "waiting": median(listener.waiting)}
    return [
        Measurement("training loop", "images/s", listener.loop, batch_size, dtype, listener.peak_memory, facts),
        Measurement("bare step", "images/s", listener.bare, batch_size, dtype),
    ]
