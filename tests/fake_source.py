"""A source made up in memory, for tests of what is done with sources; worker processes can import it."""

import errno
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet.data.images import resized
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.source import Category, Example, Prepared
from alexnet.errors import ImageError


@dataclass(frozen=True)
class FakeSource:
    """`count` photographs of coloured noise, dealt out to the classes in turn; what `refused` numbers is refused."""

    count: int = 80
    classes: int = 3
    refused: Sequence[int] = ()
    splits: Sequence[str | None] = (None,)  # dealt out in turn
    same_as: dict[int, int] = field(default_factory=dict)  # photographs with another's pixels
    brighter: dict[int, int] = field(default_factory=dict)  # with another's, black made 1
    default_split: dict[str, float] = field(default_factory=lambda: {"test": 0.25})
    identity: str = "made up"
    name: str = "fake"
    gate: Path | None = None  # photographs from the 33rd on are read once this file is there
    killed_at: int | None = None  # the photograph whose worker dies
    away: Path | None = None  # holds files called by the numbers of photographs that cannot be read now
    diary: Path | None = None  # where the processes that read leave their numbers

    @property
    def categories(self) -> tuple[Category, ...]:
        return tuple(Category(f"n{label:04d}", f"thing {label}") for label in range(self.classes))

    @property
    def examples(self) -> tuple[Example, ...]:
        return tuple(
            Example(
                f"n{number % self.classes:04d}/{number}.jpg",
                number % self.classes,
                self.splits[number % len(self.splits)],
            )
            for number in range(self.count)
        )

    def load(self, example: Example, preparation: Preparation = DEFAULT) -> Prepared:
        number = int(example.path.partition("/")[2].removesuffix(".jpg"))
        if self.diary is not None:
            (self.diary / str(os.getpid())).touch()
        if number == self.killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        while self.gate is not None and number >= 32 and not self.gate.exists():
            time.sleep(0.01)
        if self.away is not None and (self.away / str(number)).exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if number in self.refused:
            raise ImageError(f"it is number {number}")
        treatments = ("turned upright",) if number % 7 == 0 else ()
        number = self.same_as.get(number, number)
        pixels = self.pixels(self.brighter.get(number, number))
        pixels = resized(np.maximum(pixels, 1) if number in self.brighter else pixels, preparation)
        return Prepared(pixels, treatments, (300 + number, 280))

    @staticmethod
    def pixels(number: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng(number)
        tiles = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        return tiles.repeat(8, axis=0).repeat(8, axis=1)


class WithoutTorch(FakeSource):
    """A source that refuses everything in a process that has loaded torch."""

    def load(self, example: Example, preparation: Preparation = DEFAULT) -> Prepared:
        if "torch" in sys.modules:
            raise ImageError("torch was imported")
        return super().load(example, preparation)
