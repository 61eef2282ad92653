"""Errors as integer counts over photographs, each counted exactly once. N photographs, K classes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from alexnet.errors import DataError

TOP = 5


def ranks(probabilities: Tensor, labels: Tensor) -> Tensor:
    """The place of the true class among the answers (N,), from 0, of `probabilities` (N, K) and `labels` (N,).

    Ties go to the lower index, so that a constant answer is not right by luck.
    """
    true = probabilities.gather(1, labels[:, None])  # (N, 1)
    earlier = torch.arange(probabilities.shape[1]) < labels[:, None]
    return (probabilities > true).sum(1) + ((probabilities == true) & earlier).sum(1)


class Tally:
    """Counts of right and wrong answers; sums of tallies do not depend on how photographs were batched.

    Where photographs are of some `present` classes alone (ascending indices), `among` counts the answers a second time,
    as if those were all: probabilities of the others are left out and the rest made to sum to 1. None otherwise.
    """

    def __init__(self, classes: int, present: Sequence[int] | None = None) -> None:
        some = present is not None and len(present) < classes
        self.present = torch.tensor(present if some else [], dtype=torch.int64)
        self.among: Tally | None = Tally(len(self.present)) if some else None
        self.confusion = torch.zeros(classes, classes, dtype=torch.int64)  # row: true class, column: first answer
        self.top1_wrong = 0
        self.top5_wrong = 0
        self.loss_sum = 0.0

    def add(self, probabilities: Tensor, labels: Tensor) -> None:
        """Counts answers: `probabilities` (N, K) without NaN, `labels` (N,)."""
        probabilities, labels = probabilities.cpu().double(), labels.cpu()  # no float64 on MPS
        true = probabilities.gather(1, labels[:, None])  # (N, 1)
        rank = ranks(probabilities, labels)
        self.top1_wrong += int((rank >= 1).sum())
        self.top5_wrong += int((rank >= TOP).sum())
        for loss in (-true.clamp_min(1e-300).log()).flatten().tolist():  # one by one, whatever the batch
            self.loss_sum += loss
        first = probabilities.argmax(1)
        self.confusion.index_put_((labels, first), torch.ones_like(labels), accumulate=True)
        if self.among is not None:
            part = probabilities[:, self.present].clamp_min(1e-300)
            self.among.add(part / part.sum(1, keepdim=True), torch.searchsorted(self.present, labels))

    @property
    def images(self) -> int:
        """Photographs counted."""
        return int(self.confusion.sum())

    @property
    def top1_error(self) -> float:
        """The share of photographs whose first answer is wrong, 0 to 1."""
        return self.top1_wrong / self._counted()

    @property
    def top5_error(self) -> float:
        """The share of photographs whose class is not among the first five answers, 0 to 1."""
        return self.top5_wrong / self._counted()

    @property
    def has_top5(self) -> bool:
        """Whether the top-5 error says anything: with five classes or fewer it is 0 whatever the answers."""
        return len(self.confusion) > TOP

    @property
    def loss(self) -> float:
        """The mean of -log p(true class), in nats."""
        return self.loss_sum / self._counted()

    def class_errors(self) -> list[float | None]:
        """Top-1 error of each class, 0 to 1; None for a class without photographs."""
        totals = self.confusion.sum(1).tolist()
        right = self.confusion.diagonal().tolist()
        return [1 - hits / total if total else None for hits, total in zip(right, totals, strict=True)]

    @property
    def balanced_error(self) -> float:
        """The mean of the classes' top-1 errors, over those with photographs: rare classes count like the others."""
        errors = [error for error in self.class_errors() if error is not None]
        return sum(errors) / len(errors) if errors else self._counted()

    def class_scores(self) -> list[dict[str, float | None]]:
        """Precision, recall and F1 of each class, 0 to 1; None where there is nothing to divide by.

        Precision is the share of a class among what was called by its name, recall the share of its photographs that
        were; F1 is 2 · right / (called so + of the class).
        """
        right = self.confusion.diagonal().tolist()
        called, totals = self.confusion.sum(0).tolist(), self.confusion.sum(1).tolist()
        return [
            {
                "precision": hits / answers if answers else None,
                "recall": hits / total if total else None,
                "f1": 2 * hits / (answers + total) if answers + total else None,
            }
            for hits, answers, total in zip(right, called, totals, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        """The counts and errors as plain JSON types; "among_present" has those of `among`, where there is one."""
        plain = {
            "images": self.images,
            "top1_error": self.top1_error,
            "top5_error": self.top5_error,
            "loss": self.loss,
            "balanced_error": self.balanced_error,
            "class_errors": self.class_errors(),
            "class_scores": self.class_scores(),
            "confusion": self.confusion.tolist(),
        }
        return plain if self.among is None else {**plain, "among_present": self.among.to_json()}

    def _counted(self) -> int:
        if not self.images:
            raise DataError("There is no photograph to count; the split is empty.")
        return self.images
