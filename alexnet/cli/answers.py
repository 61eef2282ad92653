"""The answers to each photograph of an evaluation, as a table."""

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SHOWN = 5  # answers a photograph


class AnswerTable:
    """CSV, a row a photograph: path, true class, its rank from 1 and its probability, the first answers with theirs."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        self._text = io.StringIO()
        self._table = csv.writer(self._text, lineterminator="\n")
        self._shown = min(SHOWN, len(classes))
        places = range(1, self._shown + 1)
        answers = [name for place in places for name in (f"answer {place}", f"probability {place}")]
        self._table.writerow(["path", "true class", "rank", "probability", *answers])

    def add(self, paths: Sequence[str], probabilities: "Tensor", labels: "Tensor") -> None:
        """Adds the photographs at `paths`: `probabilities` (N, K) and `labels` (N,)."""
        from alexnet.evaluation.metrics import ranks

        best = probabilities.sort(dim=1, descending=True, stable=True)
        for row, (path, label, rank) in enumerate(
            zip(paths, labels.tolist(), ranks(probabilities, labels).tolist(), strict=True)
        ):
            first = zip(best.indices[row, : self._shown].tolist(), best.values[row].tolist(), strict=False)
            shown = [text for index, value in first for text in (self._classes[index], f"{value:.6f}")]
            true = probabilities[row, label].item()
            self._table.writerow([path, self._classes[label], rank + 1, f"{true:.6f}", *shown])

    @property
    def text(self) -> str:
        """The table so far."""
        return self._text.getvalue()
