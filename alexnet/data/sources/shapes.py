"""The built-in data set: ten classes of everyday things, drawn by a seeded generator as if photographed.

Thing, colours, materials, surface, clutter, light and camera are all drawn independently of one another, so that
nothing but the thing's shape tells its class.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from alexnet.data.images import resized
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.source import SPLITS, Category, Example, Prepared
from alexnet.data.sources.painting import SIDE, Field, Part, Scene, Window, material, photograph, surface
from alexnet.data.sources.things import THINGS
from alexnet.errors import ConfigError, unknown

# Raised whenever the same arguments would give other pictures: it is part of the data set's identity.
REVISION = 1

PER_CLASS = {"train": 150, "val": 25, "test": 50}


@dataclass(frozen=True)
class Shapes:
    """The built-in source: for each split, `per_class` pictures of each class, functions of `seed` and path."""

    per_class: Mapping[str, int] = field(default_factory=lambda: dict(PER_CLASS))
    seed: int = 2012

    def __post_init__(self) -> None:
        for split, count in self.per_class.items():
            if split not in SPLITS:
                raise unknown("split", split, SPLITS)
            if count < 0:
                raise ConfigError(
                    f"The source 'shapes' was asked for {count} pictures of each class for {split!r}; "
                    "give a count of 0 or more."
                )

    @property
    def name(self) -> str:
        """The source's name in the table of sources."""
        return "shapes"

    @property
    def categories(self) -> tuple[Category, ...]:
        """The ten classes, alphabetically."""
        return tuple(Category(thing, thing) for thing in THINGS)

    @cached_property
    def examples(self) -> tuple[Example, ...]:
        """Every picture: split by split, class by class."""
        return tuple(
            Example(f"{split}/{thing}/{number:05d}", label, split)
            for split in SPLITS
            for label, thing in enumerate(THINGS)
            for number in range(self.per_class.get(split, 0))
        )

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # the list is made again where asked

    @property
    def identity(self) -> str:
        """A digest that changes with the generator's revision, the seed and the counts."""
        counts = [self.per_class.get(split, 0) for split in SPLITS]
        return hashlib.sha256(f"shapes {REVISION} {self.seed} {counts}".encode()).hexdigest()

    @property
    def default_split(self) -> dict[str, float]:
        """Empty: every example names its split."""
        return {}

    def load(self, example: Example, preparation: Preparation = DEFAULT) -> Prepared:
        """The example's picture, a function of the seed and its path alone; drawn at 256×256."""
        digest = hashlib.sha256(f"{self.seed}/{example.path}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest))
        return Prepared(resized(picture(rng, list(THINGS)[example.label]), preparation))


def picture(rng: Generator, thing: str) -> NDArray[np.uint8]:
    """A picture of the `thing` among clutter: uint8 RGB of shape (256, 256, 3)."""
    scene, ground = surface(rng)
    for _ in range(int(rng.integers(3))):
        _clutter(rng, scene)
    main = material(rng, unlike=(ground,), by=0.3)
    second = material(rng, unlike=(main.colour, ground))
    third = material(rng, unlike=(second.colour,))
    size = SIDE / 2 * rng.uniform(0.8, 1.0)
    slack = SIDE / 2 - 0.92 * size  # at most about a tenth of it lies outside the picture
    centre = (SIDE / 2 + rng.uniform(-slack, slack), SIDE / 2 + rng.uniform(-slack, slack))
    window, x, y = _points(rng, centre, size, math.radians(rng.uniform(-15, 15)))
    scene.lay(rng, THINGS[thing](rng, x, y), [main, second, third], window, x, y, 1 / size)
    if rng.random() < 0.3:
        _clutter(rng, scene)
    return photograph(rng, scene)


def _points(rng: Generator, centre: tuple[float, float], size: float, turn: float) -> tuple[Window, Field, Field]:
    """The window around a thing of radius `size` pixels, and the window's points in the thing's units.

    The thing is turned, mirrored half of the time, and seen a little askew.
    """
    reach = 1.15 * size
    left, top = (max(0, int(c - reach)) for c in centre)
    right, bottom = (min(SIDE, int(c + reach) + 1) for c in centre)
    across = (np.arange(left, right, dtype=np.float32) - centre[0]) / size
    up = ((centre[1] - np.arange(top, bottom, dtype=np.float32)) / size)[:, None]
    stretch = math.exp(rng.normal(0, 0.08))
    mirror = 1 if rng.random() < 0.5 else -1
    x = (across * math.cos(turn) + up * math.sin(turn)) * (mirror * stretch)
    y = (up * math.cos(turn) - across * math.sin(turn)) / stretch
    depth = 1 + rng.uniform(-0.12, 0.12) * x + rng.uniform(-0.12, 0.12) * y
    return (slice(top, bottom), slice(left, right)), x / depth, y / depth


def _clutter(rng: Generator, scene: Scene) -> None:
    """Lays a thing of no class: a pebble, a stick, a scrap of card or a bead."""
    size = SIDE / 2 * rng.uniform(0.06, 0.2)
    centre = (rng.uniform(0, SIDE), rng.uniform(0, SIDE))
    window, x, y = _points(rng, centre, size, rng.uniform(0, math.tau))
    kind = rng.integers(4)
    if kind == 0:  # pebble
        angle, outline = np.arctan2(y, x), np.sqrt(x * x + y * y) - 0.8
        for lobes in (2, 3, 4):
            outline += rng.uniform(-0.12, 0.12) * np.cos(angle * lobes + rng.uniform(0, math.tau))
        part = Part(outline, edge=0.6)
    elif kind == 1:  # stick
        bent = y + rng.uniform(-0.3, 0.3) * x * x
        part = Part(np.maximum(np.abs(bent) - rng.uniform(0.06, 0.2), np.abs(x) - 1))
    elif kind == 2:  # scrap
        sides = int(rng.integers(3, 6))
        outline = np.full_like(x, -1)
        for side in range(sides):
            facing = math.tau * (side + rng.uniform(-0.25, 0.25)) / sides
            edge = x * math.cos(facing) + y * math.sin(facing) - rng.uniform(0.4, 0.8)
            np.maximum(outline, edge, out=outline)
        part = Part(outline, edge=0.04, lift=0.03)
    else:  # bead
        part = Part(np.sqrt(x * x + y * y) - rng.uniform(0.3, 0.6), edge=0.3)
    scene.lay(rng, [part], [material(rng)], window, x, y, 1 / size)
