"""What a network says of photographs, in words. N photographs, K classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from alexnet.data.source import Category


@dataclass(frozen=True)
class Answer:
    """One class with its probability, 0 to 1; `index` is the network's output, `name` and `key` are the class's."""

    name: str
    key: str
    index: int
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The first answers for `image`, best first; or `error`, the reason why the image could not be read.

    `size` is the photograph's width and height in pixels, upright; `treatments` says what was put right beforehand.
    """

    image: str
    answers: tuple[Answer, ...] = ()
    error: str | None = None
    size: tuple[int, int] = (0, 0)
    treatments: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Name and answers, or name and error, as plain JSON types."""
        if self.error is not None:
            return {"image": self.image, "error": self.error}
        ranked = [
            {"class": answer.name, "key": answer.key, "index": answer.index, "probability": answer.probability}
            for answer in self.answers
        ]
        return {"image": self.image, "predictions": ranked}


def ranked(probabilities: Tensor, categories: Sequence[Category], top: int) -> tuple[Answer, ...]:
    """The first `top` answers of one photograph's probabilities (K,): all where there are fewer classes.

    Equal ones come in the order of the network's outputs.
    """
    best = probabilities.sort(descending=True, stable=True)
    return tuple(
        Answer(categories[index].name, categories[index].key, index, probability)
        for probability, index in zip(best.values[:top].tolist(), best.indices[:top].tolist(), strict=True)
    )
