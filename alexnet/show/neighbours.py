"""Photographs with those most like them, as on the right of figure 4 of the paper."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.data.inputs import ImageInput, content_of
from alexnet.data.store import Store
from alexnet.errors import DataError, ImageError
from alexnet.evaluation.extraction import Plan, reduced
from alexnet.evaluation.features import Features
from alexnet.evaluation.predictor import Predictor
from alexnet.evaluation.search import nearest

Pixels = Callable[[int], NDArray[np.uint8] | None]
"""What gives the pixels (S, S, 3) of a row; None where they are not to be had."""


@dataclass(frozen=True)
class Neighbour:
    """A photograph of the set: its row, name and class where known, its pixels, None where it is not to be had."""

    row: int
    name: str
    label: str | None
    distance: float
    pixels: NDArray[np.uint8] | None


@dataclass(frozen=True)
class Neighbours:
    """Queries with their neighbours, nearest first, among the `images` photographs of a set."""

    stage: str
    metric: str
    of: str
    images: int
    queries: tuple[tuple[str, NDArray[np.uint8], tuple[Neighbour, ...]], ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types, without pixels."""
        told = [
            {
                "query": name,
                "neighbours": [
                    {"row": each.row, "image": each.name, "label": each.label, "distance": each.distance}
                    for each in found
                ],
            }
            for name, _, found in self.queries
        ]
        return {"stage": self.stage, "metric": self.metric, "of": self.of, "images": self.images, "queries": told}


def neighbours(
    predictor: Predictor,
    features: Features,
    images: Sequence[tuple[str, ImageInput]],
    *,
    k: int = 6,
    stage: str | None = None,
    metric: str = "euclidean",
    pixels: Pixels | None = None,
) -> Neighbours:
    """The `k` photographs of `features` nearest to each image; `predictor` is of the model that they were made with.

    `pixels` are what `photographs_of` gives; without them the neighbours have none.
    """
    chosen = features.stage(stage)
    told = features.description
    squares = [predictor.read(image).pixels for _, image in images]
    plan = Plan((chosen,), told["crops"], pool=told["pool"])
    asked = [reduced(batch[chosen], plan) for batch in predictor.stages_of(squares, [chosen], told["crops"])]
    queries = np.concatenate([each.reshape(len(each), -1) for each in asked])
    rows, far = nearest(features.array(chosen), queries, k, metric, norms=features.norms(chosen))
    found = tuple(
        (
            name,
            square,
            tuple(_neighbour(features, int(row), float(each), pixels) for row, each in zip(*pair, strict=True)),
        )
        for (name, _), square, pair in zip(images, squares, zip(rows, far, strict=True), strict=True)
    )
    return Neighbours(chosen, metric, features.path.name, len(features), found)


def photographs_of(features: Features, predictor: Predictor) -> Pixels:
    """A function that gives the pixels of a row, None where its file has gone or is not the same any more.

    Raises DataError when the store that the features came from has gone or is another one.
    """
    data = features.description["data"]
    if data["kind"] == "files":

        def read(row: int) -> NDArray[np.uint8] | None:
            facts = features.images[row]
            try:
                content = content_of(Path(data.get("folder", ""), facts["image"]))
                same = hashlib.sha256(content).hexdigest() == facts["sha256"]
                return predictor.read(content).pixels if same else None
            except ImageError:
                return None

        return read
    store = Store.open(data["path"])
    if f"{store.fingerprint} {data['split']}" != data["identity"]:
        raise DataError(f"{store.path} is another store than the features in {features.path} came from.")
    positions = store.split(data["split"])
    place = {store.paths[position]: int(position) for position in positions.tolist()}
    return lambda row: store.read(place[features.images[row]["image"]])


def _neighbour(features: Features, row: int, distance: float, pixels: Pixels | None) -> Neighbour:
    facts = features.images[row]
    return Neighbour(row, facts["image"], facts["label"], distance, pixels(row) if pixels else None)
