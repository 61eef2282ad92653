"""What a source of photographs is: classes, a determined list of examples, and pixels on demand."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alexnet.data.preparation import DEFAULT, Preparation

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Category:
    """One class of a data set: the `key` that labels are matched by (a wnid, a folder name), and a readable `name`."""

    key: str
    name: str


class Named(Protocol):
    """A class of a data set, or what stands for one."""

    @property
    def key(self) -> str:
        """No other class has it."""

    @property
    def name(self) -> str:
        """Several may have it: ImageNet has two classes "crane"."""


def told_apart(classes: Sequence[Named]) -> tuple[str, ...]:
    """The names of classes, with its key behind each that several have: "crane (n02012849)"."""
    times = Counter(each.name for each in classes)
    return tuple(each.name if times[each.name] == 1 else f"{each.name} ({each.key})" for each in classes)


@dataclass(frozen=True)
class Example:
    """One photograph before it is read.

    `path` identifies it inside its source, with forward slashes, and never changes between runs or machines; `label`
    indexes the source's categories; `split` is "train", "val" or "test" where the source itself says so, else None.
    Examples of one `group` (photographs of one subject) are kept in one split.
    """

    path: str
    label: int
    split: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Prepared:
    """A photograph ready to be stored.

    `pixels` is uint8 RGB of shape (side, side, 3); `treatments` says in words what was done beyond resizing and
    cropping ("converted from CMYK", "turned upright (EXIF orientation 6)"), empty for an ordinary photograph.
    `size` is the original's width and height in pixels, upright; (0, 0) where there was no original. `orientation` is
    the EXIF orientation that it was turned by; 1 where there was nothing to turn.
    """

    pixels: NDArray[np.uint8]
    treatments: tuple[str, ...] = field(default=())
    size: tuple[int, int] = field(default=(0, 0))
    orientation: int = 1


class Source(Protocol):
    """A data set as published. Must survive pickling: worker processes each get a copy."""

    @property
    def name(self) -> str:
        """The source's name in the table of sources ("folder", "flowers17")."""

    @property
    def categories(self) -> tuple[Category, ...]:
        """The classes in label order."""

    @property
    def examples(self) -> tuple[Example, ...]:
        """Every photograph, in an order that depends on the data set alone (never on the file system's order)."""

    @property
    def identity(self) -> str:
        """A digest that changes when the data set does: the paths, labels, splits and sizes in bytes of its files."""

    @property
    def default_split(self) -> dict[str, float]:
        """The shares held out of each class when the source gives no split, e.g. {"test": 0.2}; the rest is train."""

    def load(self, example: Example, preparation: Preparation = DEFAULT) -> Prepared:
        """The example's photograph, resized as the preparation says.

        Raises ImageError with the reason when it cannot be used, OSError when its file cannot be read.
        """
