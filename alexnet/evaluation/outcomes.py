"""What became of each photograph of a split, by centre crop and by ten crops. N photographs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from alexnet.data.store import Store
from alexnet.evaluation.evaluate import evaluate
from alexnet.evaluation.metrics import Tally, ranks
from alexnet.model.device import Placement
from alexnet.weights.model_dir import Model


@dataclass(frozen=True)
class Outcomes:
    """The photographs of a split in the store's order: their `paths`, and by the number of crops the place of the true
    class among the answers, `ranks` (N,) from 0, and the `tallies` that the ranks add up to.
    """

    paths: tuple[str, ...]
    ranks: dict[int, NDArray[np.int64]]
    tallies: dict[int, Tally]


def outcomes(
    models: Model | str | Path | Sequence[Model | str | Path],
    store: Store | str | Path,
    *,
    split: str = "val",
    crops: Sequence[int] = (1, 10),
    placement: Placement | None = None,
) -> Outcomes:
    """The outcome of every photograph of a split for each number of crops; arguments and errors as for `evaluate`.

    A photograph is wrong where its rank is 1 or more, and among the first five where it is below 5.
    """
    found: dict[int, NDArray[np.int64]] = {}
    tallies: dict[int, Tally] = {}
    notes = _Notes()
    for count in crops:
        notes = _Notes()
        tallies[count] = evaluate(models, store, split=split, crops=count, placement=placement, answers=notes.add)
        found[count] = np.array(notes.ranks, np.int64)
    return Outcomes(tuple(notes.paths), found, tallies)


class _Notes:
    """What `evaluate` tells of the photographs, batch by batch."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.ranks: list[int] = []

    def add(self, paths: Sequence[str], probabilities: Tensor, labels: Tensor) -> None:
        self.paths += paths
        self.ranks += ranks(probabilities, labels).tolist()
