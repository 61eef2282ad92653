"""What moves a unit: the photographs, and in them the part that it sees, to which each map answers most strongly."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.data.augment import fixed_views
from alexnet.errors import ConfigError
from alexnet.evaluation.predictor import VIEWS_PER_STAGES, Predictor
from alexnet.model.field import seen_by
from alexnet.show.photographs import Photograph


@dataclass(frozen=True)
class Seen:
    """A photograph's part (H, W, 3) that a map's strongest place sees, `box` in pixels of the prepared photograph."""

    name: str
    value: float
    box: tuple[int, int, int, int]  # left, top, right, bottom
    part: NDArray[np.uint8]


@dataclass(frozen=True)
class Units:
    """Units of a stage with the parts of photographs that move them most, strongest first; empty where none does."""

    model: str
    stage: str
    of: str
    images: int
    units: tuple[tuple[int, tuple[Seen, ...]], ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types, without pixels."""
        told = [
            {
                "unit": unit,
                "photographs": [{"image": each.name, "value": each.value, "box": list(each.box)} for each in seen],
            }
            for unit, seen in self.units
        ]
        return {"model": self.model, "stage": self.stage, "of": self.of, "images": self.images, "units": told}


def units(
    predictor: Predictor, photographs: Iterable[Photograph], stage: str, which: Sequence[int], of: str, *, n: int = 9
) -> Units:
    """The `n` photographs that move each of the units `which` of a stage most, by the largest value of its map.

    Photographs go through one by one batch, and no more of them are kept than are shown. Raises ConfigError for units
    that the stage does not have.
    """
    spec = predictor.description.spec
    best: dict[int, list[_Moved]] = {unit: [] for unit in which}
    count = 0
    photographs = iter(photographs)
    while batch := list(islice(photographs, VIEWS_PER_STAGES)):
        (stages,) = predictor.stages_of([each.square for each in batch], [stage])
        values = stages[stage] if stages[stage].ndim == 4 else stages[stage][..., None, None]
        for unit in which:
            if not 0 <= unit < values.shape[1]:
                raise ConfigError(f"{stage} of {spec.name!r} has units 0 to {values.shape[1] - 1}, not {unit}.")
            moved = [_strongest(plane, photograph) for plane, photograph in zip(values[:, unit], batch, strict=True)]
            # of equal ones the earlier photograph first: sorting is stable
            best[unit] = sorted([*best[unit], *moved], key=lambda each: -each.value)[:n]
        count += len(batch)
    views = fixed_views(spec.input_size, predictor.description.preparation.side, 1)
    corner = int(views.left[0]), int(views.top[0])
    found = tuple(
        (unit, tuple(_cut(each, seen_by(spec, stage, *each.place), corner) for each in best[unit] if each.value > 0))
        for unit in which
    )
    return Units(spec.name, stage, of, count, found)


@dataclass(frozen=True)
class _Moved:
    """A photograph with the largest value of a map and where in the map it stands."""

    value: float
    place: tuple[int, int]
    photograph: Photograph


def _strongest(plane: NDArray[np.float32], photograph: Photograph) -> _Moved:
    row, column = divmod(int(plane.argmax()), plane.shape[1])
    return _Moved(float(plane[row, column]), (row, column), photograph)


def _cut(moved: _Moved, box: tuple[int, int, int, int], corner: tuple[int, int]) -> Seen:
    left, top, right, bottom = (edge + corner[number % 2] for number, edge in enumerate(box))
    part = moved.photograph.square[top:bottom, left:right]
    return Seen(moved.photograph.name, moved.value, (left, top, right, bottom), part)
