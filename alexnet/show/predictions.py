"""Photographs with the classes that a network finds in them, as on the left of figure 4 of the paper; and mistakes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from heapq import nlargest
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet.data.source import told_apart
from alexnet.errors import DataError
from alexnet.evaluation.answers import Answer, ranked
from alexnet.evaluation.predictor import Predictor
from alexnet.show.photographs import Photograph, answered

TOP = 5


@dataclass(frozen=True)
class Answered:
    """One photograph with the first answers; `true` is its class with the probability it was given, where known."""

    name: str
    pixels: NDArray[np.uint8]  # (S, S, 3)
    answers: tuple[Answer, ...]
    true: Answer | None

    @property
    def right(self) -> bool | None:
        """Whether the first answer is the class; None where that is unknown."""
        return None if self.true is None else self.true.index == self.answers[0].index

    @property
    def excess(self) -> float:
        """How much more probable than the class the first answer was: 0 where it is right."""
        return 0.0 if self.true is None else self.answers[0].probability - self.true.probability

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types, without pixels."""
        true = None if self.true is None else {"class": self.true.name, "probability": self.true.probability}
        told = [{"class": each.name, "probability": each.probability} for each in self.answers]
        return {"image": self.name, "true": true, "predictions": told}


@dataclass(frozen=True)
class Predictions:
    """Photographs answered by a network; `of` says which ones they are."""

    model: str
    of: str
    entries: tuple[Answered, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {"model": self.model, "of": self.of, "images": [entry.to_json() for entry in self.entries]}


def predictions(
    predictor: Predictor,
    photographs: Iterable[Photograph],
    of: str,
    *,
    n: int = 8,
    only_errors: bool = False,
    crops: int = 1,
) -> Predictions:
    """The first `n` photographs with their answers; with `only_errors` the first `n` that are answered wrongly.

    Raises DataError when there are none.
    """
    found = []
    for entry in _answers(predictor, photographs, crops):
        if not only_errors or entry.right is False:
            found.append(entry)
        if len(found) == n:
            break
    if not found:
        raise DataError("There is no wrong answer to show." if only_errors else "There is no photograph to show.")
    return Predictions(predictor.description.spec.name, of, tuple(found))


@dataclass(frozen=True)
class Errors:
    """The worst mistakes of a network, worst first, of so many `wrong` among `images`."""

    model: str
    of: str
    images: int
    wrong: int
    entries: tuple[Answered, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {**vars(self), "entries": [entry.to_json() for entry in self.entries]}


def errors(predictor: Predictor, photographs: Iterable[Photograph], of: str, *, n: int = 24, crops: int = 1) -> Errors:
    """The `n` photographs whose first answer is most above their own class, in memory for no more than these."""
    images = wrong = 0

    def mistakes() -> Iterator[Answered]:
        nonlocal images, wrong
        for entry in _answers(predictor, photographs, crops):
            images += 1
            if entry.right is False:
                wrong += 1
                yield entry

    worst = tuple(nlargest(n, mistakes(), key=attrgetter("excess")))
    return Errors(predictor.description.spec.name, of, images, wrong, worst)


def _answers(predictor: Predictor, photographs: Iterable[Photograph], crops: int) -> Iterator[Answered]:
    known = predictor.description.categories
    categories = [replace(each, name=name) for each, name in zip(known, told_apart(known), strict=True)]
    for photograph, probabilities in answered(predictor, photographs, crops):
        answers = ranked(torch.from_numpy(probabilities), categories, TOP)
        true = None
        if photograph.true is not None:
            category = categories[photograph.true]
            share = float(probabilities[photograph.true])
            true = Answer(category.name, category.key, photograph.true, share)
        yield Answered(photograph.name, photograph.square, answers, true)
