"""Which classes a network takes for which."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.evaluation.metrics import Tally

MOST = 40  # classes that a matrix can show with every number


@dataclass(frozen=True)
class Confusion:
    """How often a photograph of each class (row) got each answer (column): `counts` (K, K)."""

    model: str
    of: str
    classes: tuple[str, ...]
    counts: NDArray[np.int64]

    def shares(self) -> NDArray[np.float64]:
        """The shares of each row (K, K), 0 to 1; a row without photographs is 0."""
        totals = self.counts.sum(1, keepdims=True)
        return np.asarray(np.divide(self.counts, totals, out=np.zeros(self.counts.shape), where=totals > 0))

    def pairs(self, n: int) -> list[tuple[int, int, int]]:
        """The `n` most frequent mistakes: how often, the class, the answer. Equal ones in the order of the classes."""
        wrong = self.counts - np.diag(self.counts.diagonal())
        order = np.argsort(-wrong, axis=None, kind="stable")[:n]
        found = [(int(wrong.flat[place]), *divmod(int(place), len(self.classes))) for place in order]
        return [each for each in found if each[0]]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {**vars(self), "classes": list(self.classes), "counts": self.counts.tolist()}


def confusion(model: str, of: str, classes: tuple[str, ...], tally: Tally) -> Confusion:
    """The confusions that `alexnet.evaluation.evaluate` counted; `of` says what was measured."""
    return Confusion(model, of, classes, tally.confusion.numpy().astype(np.int64))
