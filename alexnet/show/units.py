"""What moves a unit: the photographs, and in them the part that it sees, to which each map answers most strongly."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.data.augment import fixed_views, view_means
from alexnet.data.loader import view_batch
from alexnet.errors import ConfigError
from alexnet.evaluation.predictor import VIEWS_PER_STAGES, Predictor
from alexnet.model.field import seen_by
from alexnet.model.spec import Spec
from alexnet.show.deconv import projected
from alexnet.show.photographs import Photograph
from alexnet.weights.model_dir import Model


@dataclass(frozen=True)
class Seen:
    """A photograph's part (H, W, 3) that a map's strongest place sees, `box` in pixels of the prepared photograph.

    `pattern`, of the same shape, is what the unit answered to there, from -1 to 1; None where it was not asked for.
    """

    name: str
    value: float
    box: tuple[int, int, int, int]  # left, top, right, bottom
    part: NDArray[np.uint8]
    pattern: NDArray[np.float32] | None = None


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
    predictor: Predictor,
    photographs: Iterable[Photograph],
    stage: str,
    which: Sequence[int],
    of: str,
    *,
    n: int = 9,
    deconv: Model | None = None,
) -> Units:
    """The `n` photographs that move each of the units `which` of a stage most, by the largest value of its map.

    Photographs go through one by one batch, and no more of them are kept than are shown. `deconv`, the model that the
    predictor is of, adds what each unit answered to in them. Raises ConfigError for units that the stage does not have.
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
        (unit, tuple(_cut(each, spec, stage, unit, corner, deconv) for each in best[unit] if each.value > 0))
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


def _cut(moved: _Moved, spec: Spec, stage: str, unit: int, corner: tuple[int, int], deconv: Model | None) -> Seen:
    seen = seen_by(spec, stage, *moved.place)
    left, top, right, bottom = (edge + corner[number % 2] for number, edge in enumerate(seen))
    square = moved.photograph.square
    pattern = None
    if deconv is not None:
        whole = _pattern(deconv, square, stage, unit, moved.place)[seen[1] : seen[3], seen[0] : seen[2]]
        pattern = whole / (np.abs(whole).max() or 1.0)
    return Seen(moved.photograph.name, moved.value, (left, top, right, bottom), square[top:bottom, left:right], pattern)


def _pattern(
    model: Model, square: NDArray[np.uint8], stage: str, unit: int, place: tuple[int, int]
) -> NDArray[np.float32]:
    """What a unit answered to in the centre of a photograph, (H, W, 3) in RGB order."""
    spec, preparation = model.net.spec, model.preparation
    views = fixed_views(spec.input_size, preparation.side, 1)
    means = view_means(model.statistics, spec.input_size, views, preparation)
    x = view_batch([square], views, means, preparation=preparation)
    found: NDArray[np.float32] = projected(model.net, x, stage, unit, place).permute(1, 2, 0).numpy()
    return found[..., ::-1] if preparation.channels == "BGR" else found
