"""Photographs to ask a network about: files, or those of a store, whose classes are known."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from alexnet.data.inputs import ImageInput
from alexnet.data.store import Store
from alexnet.errors import DataError
from alexnet.evaluation.evaluate import VIEWS_PER_BATCH
from alexnet.evaluation.predictor import Predictor


@dataclass(frozen=True)
class Photograph:
    """A prepared photograph (S, S, 3) with its name; `true` is the network's output that is right, None if unknown."""

    name: str
    square: NDArray[np.uint8]
    true: int | None = None


def of_images(predictor: Predictor, images: Iterable[tuple[str, ImageInput]]) -> Iterator[Photograph]:
    """The images under their names, prepared as the model asks for. Raises ImageError for one that cannot be used."""
    return (Photograph(name, predictor.read(image).pixels) for name, image in images)


def of_store(predictor: Predictor, store: Store, positions: Sequence[int]) -> Iterator[Photograph]:
    """The photographs of a store at `positions`, with their classes.

    Raises DataError when the model does not know a class of the store, or takes photographs of another side.
    """
    outputs = outputs_of(predictor, store)
    return (
        Photograph(store.paths[position], store.read(position), outputs[int(store.labels[position])])
        for position in map(int, positions)
    )


def outputs_of(predictor: Predictor, store: Store) -> list[int]:
    """The network's output for each label of the store; classes are matched by key."""
    known = predictor.description
    if store.preparation.side != known.preparation.side:
        raise DataError(
            f"{store.path} holds photographs of {store.preparation.side} pixels a side, the model takes "
            f"{known.preparation.side}; prepare a store with --side {known.preparation.side}."
        )
    place = {category.key: index for index, category in enumerate(known.categories)}
    if strange := [category.name for category in store.classes if category.key not in place]:
        raise DataError(
            f"The model does not know {', '.join(strange[:5])}{', …' if len(strange) > 5 else ''}, which {store.path} "
            "has; give data of the model's classes."
        )
    return [place[category.key] for category in store.classes]


def answered(
    predictor: Predictor, photographs: Iterable[Photograph], crops: int = 1
) -> Iterator[tuple[Photograph, NDArray[np.float32]]]:
    """Each photograph with its class probabilities (K,), as batches are ready."""
    photographs = iter(photographs)
    while batch := list(islice(photographs, max(1, VIEWS_PER_BATCH // crops))):
        yield from zip(batch, predictor.answer([each.square for each in batch], crops), strict=True)
