"""The training error inside an epoch, window by window, and when a run that is there for its curve has shown enough."""

import json
from pathlib import Path
from typing import Literal

from alexnet.training.events import Event, StepEnd
from alexnet.weights.files import write_text

WINDOW = 10_000  # photographs


class Enough(Exception):
    """The run has come to its level, or to its cap; `how` says to which."""

    def __init__(self, how: Literal["level", "cap"]) -> None:
        super().__init__(how)
        self.how = how


class Windows:
    """A listener that adds the training errors up by windows of `WINDOW` photographs; the last of an epoch is shorter.

    What it has seen lies in a file, so that a run that was stopped goes on inside its window: the sums of an epoch are
    the same whenever it was stopped. Raises `Enough` when a window's error is at most `level`, or after `epochs`.
    """

    def __init__(
        self, path: Path, images: int, batch: int, level: float | None = None, epochs: float | None = None
    ) -> None:
        self._path, self._images, self._batch, self._level, self._epochs = path, images, batch, level, epochs
        # at the ends of windows: (epoch, photographs of it so far) → wrong answers so far
        self._sums: dict[tuple[int, int], int] = {}
        if path.exists():
            self._sums = {(epoch, seen): wrong for epoch, seen, wrong in json.loads(path.read_text(encoding="utf-8"))}

    def __call__(self, event: Event) -> None:
        """Takes note of a step."""
        if not isinstance(event, StepEnd):
            return
        seen = min(self._images, event.step * self._batch)
        before = max((at for epoch, at in self._sums if epoch == event.epoch and at < seen), default=0)
        if seen // WINDOW == before // WINDOW and event.step < event.steps:
            return
        self._sums[event.epoch, seen] = round(event.error * seen)
        rows = [[epoch, at, wrong] for (epoch, at), wrong in sorted(self._sums.items())]
        write_text(self._path, json.dumps(rows) + "\n")
        here = event.epoch - 1 + seen / self._images
        error = next(value for place, value in self.errors() if place == here)
        if self._level is not None and error <= self._level:
            raise Enough("level")
        if self._epochs is not None and here >= self._epochs - 1e-9:
            raise Enough("cap")

    def errors(self) -> list[tuple[float, float]]:
        """(epochs gone by at its end, training error in it) of every window, in order."""
        found, last = [], (0, 0, 0)
        for (epoch, seen), wrong in sorted(self._sums.items()):
            before, was_wrong = (last[1], last[2]) if last[0] == epoch else (0, 0)
            found.append((epoch - 1 + seen / self._images, (wrong - was_wrong) / (seen - before)))
            last = epoch, seen, wrong
        return found
