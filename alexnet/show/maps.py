"""What the stages of a network make of one photograph: the maps that answer most strongly."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.data.augment import VIEWS
from alexnet.data.inputs import ImageInput
from alexnet.errors import ConfigError, unknown
from alexnet.evaluation.predictor import Predictor
from alexnet.model.spec import Activation, Conv, Linear, Local, Spec

CENTRE = "centre"


@dataclass(frozen=True)
class StageMaps:
    """The strongest maps of one stage, strongest first.

    `shape` is the stage's, (C, H, W) or (units,); `order` (T,) are the maps shown, `values` (T, H, W) their numbers,
    `maxima` (C,) the largest number of every map and `silent` how many are 0 everywhere. Units are maps of one place.
    """

    name: str
    shape: tuple[int, ...]
    order: NDArray[np.int64]
    values: NDArray[np.float32]
    maxima: NDArray[np.float32]
    silent: int
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        listed = {name: getattr(self, name).tolist() for name in ("order", "values", "maxima")}
        return {**vars(self), "shape": list(self.shape), **listed}


@dataclass(frozen=True)
class Maps:
    """One photograph in a network: the view (H, W, 3) that it was shown, its stages, and which of `VIEWS` it is."""

    model: str
    image: str
    crop: NDArray[np.uint8]
    stages: tuple[StageMaps, ...]
    view: str = CENTRE

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types, without the view's pixels."""
        told = {"model": self.model, "image": self.image, "view": self.view}
        return {**told, "stages": [stage.to_json() for stage in self.stages]}


def usual_stages(spec: Spec) -> tuple[str, ...]:
    """The activation after each layer of kernels; that layer itself where none follows it."""
    found: list[str] = []
    waiting = False
    for layer in spec.layers:
        if isinstance(layer, Conv | Local | Linear):
            waiting = not isinstance(layer, Linear)
            found += [layer.name] if waiting else []
        elif isinstance(layer, Activation) and waiting:
            found[-1] = layer.name
            waiting = False
    return tuple(found)


def maps(
    predictor: Predictor,
    image: ImageInput,
    name: str,
    stages: Sequence[str] = (),
    *,
    top: int | None = 12,
    view: str = CENTRE,
) -> Maps:
    """The `top` strongest maps of the stages for one `view` of an image; None for all maps, in their own order.

    Strength is the largest value. Without `stages` they are `usual_stages`. Raises ConfigError for an unknown stage or
    view, ImageError for an image that cannot be used.
    """
    if top is not None and top < 1:
        raise ConfigError(f"At least one map must be shown, not {top}.")
    if view not in VIEWS:
        raise unknown("view", view, VIEWS)
    names = tuple(stages) or usual_stages(predictor.description.spec)
    crops, number = (1, 0) if view == CENTRE else (len(VIEWS), VIEWS.index(view))
    seen = predictor.views(image, crops)
    found = predictor.stages(seen.square, names, crops)
    rows = {stage: values[0] if crops == 1 else values[0, number] for stage, values in found.items()}
    told = tuple(_strongest(stage, rows[stage], top) for stage in names)
    return Maps(predictor.description.spec.name, name, seen.crops[number], told, view)


def _strongest(name: str, values: NDArray[np.float32], top: int | None) -> StageMaps:
    planes = values if values.ndim == 3 else values[:, None, None]
    maxima = planes.max((1, 2))
    order = np.argsort(-maxima, kind="stable")[:top] if top is not None else np.arange(len(planes))
    silent = int((planes == 0).all((1, 2)).sum())
    return StageMaps(name, values.shape, order, planes[order], maxima, silent, float(planes.min()), float(planes.max()))
