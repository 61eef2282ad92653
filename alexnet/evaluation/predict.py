"""Ranked classes for photographs outside any data set."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet.data.augment import fixed_views, view_means
from alexnet.data.images import load_photograph
from alexnet.data.loader import view_batch
from alexnet.data.preparation import Preparation
from alexnet.data.source import Category
from alexnet.errors import ImageError
from alexnet.evaluation.evaluate import VIEWS_PER_BATCH, input_layout, mean_probabilities
from alexnet.model.device import Placement, working_copy
from alexnet.weights.model_dir import Model

READERS = 2


@dataclass(frozen=True)
class Answer:
    """One class with its probability, 0 to 1; `index` is the network's output, `name` and `key` are the class's."""

    name: str
    key: str
    index: int
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The first answers for `image`, best first; or `error`, the reason why the image could not be read."""

    image: str
    answers: tuple[Answer, ...] = ()
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The prediction as plain JSON types."""
        if self.error is not None:
            return {"image": self.image, "error": self.error}
        ranked = [
            {"class": answer.name, "key": answer.key, "index": answer.index, "probability": answer.probability}
            for answer in self.answers
        ]
        return {"image": self.image, "predictions": ranked}


def predict(
    model: Model,
    images: Iterable[tuple[str, Callable[[], bytes]]],
    *,
    top: int = 5,
    crops: int = 1,
    placement: Placement,
) -> Iterator[Prediction]:
    """A prediction for each image, in order, as batches are ready.

    `images` are names with functions that return the bytes of an image file; an OSError there, or bytes that are not a
    usable image, becomes a prediction with an error. Asking for more answers than there are classes gives all classes.
    """
    net = working_copy(model.net.to(placement.device), placement).eval()
    crop, layout = model.net.spec.input_size, input_layout(net, placement)
    views = fixed_views(crop, model.preparation.side, crops)
    mean = view_means(model.statistics, crop, views, model.preparation)

    def answer(photographs: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        batch = view_batch(photographs, views, mean, layout, model.preparation)
        return mean_probabilities(net, batch, crops, placement).cpu()

    return ranked(images, answer, model.categories, model.preparation, top=top, crops=crops)


def ranked(
    images: Iterable[tuple[str, Callable[[], bytes]]],
    answer: Callable[[Sequence[NDArray[np.uint8]]], torch.Tensor],
    categories: Sequence[Category],
    preparation: Preparation,
    *,
    top: int,
    crops: int,
) -> Iterator[Prediction]:
    """As `predict`, for whatever turns N photographs of `preparation`'s size into class probabilities (N, K)."""
    read = partial(_read, preparation=preparation)
    images = iter(images)
    with ThreadPoolExecutor(READERS) as readers:
        while chunk := list(islice(images, max(1, VIEWS_PER_BATCH // crops))):
            contents = list(readers.map(read, (content for _, content in chunk)))
            pixels = [item for item in contents if not isinstance(item, str)]
            answers = map(_ranking(categories, top), answer(pixels)) if pixels else iter(())
            for (name, _), item in zip(chunk, contents, strict=True):
                yield Prediction(name, error=item) if isinstance(item, str) else Prediction(name, next(answers))


def _read(content: Callable[[], bytes], preparation: Preparation) -> NDArray[np.uint8] | str:
    try:
        return load_photograph(content(), preparation=preparation).pixels
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    except ImageError as error:
        return str(error)


def _ranking(categories: Sequence[Category], top: int) -> Callable[[torch.Tensor], tuple[Answer, ...]]:
    def rank(probabilities: torch.Tensor) -> tuple[Answer, ...]:
        best = probabilities.sort(descending=True, stable=True)
        return tuple(
            Answer(categories[index].name, categories[index].key, index, probability)
            for probability, index in zip(best.values[:top].tolist(), best.indices[:top].tolist(), strict=True)
        )

    return rank
