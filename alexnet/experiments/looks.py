"""What looks at networks say, from their records alone. Q queries, N photographs."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from alexnet.experiments.records import RecordJson
from alexnet.experiments.statistics import by_division

NEAREST = 6  # photographs beside each query of the paper's figure 4


@dataclass(frozen=True)
class Halves:
    """The mean shares of colour in the first half of conv1's kernels and in the second, 0 to 1.

    `p` is the share of random divisions into halves that are as far apart.
    """

    first: float
    second: float
    p: float

    @property
    def apart(self) -> float:
        """How far apart they are."""
        return abs(self.first - self.second)


def halves(record: RecordJson) -> Halves | None:
    """The halves of a network's first kernels (figure 3); None where it diverged."""
    if not (shares := record.get("numbers", {}).get("colour")):
        return None
    first, second = np.split(np.array(shares), 2)
    return Halves(float(first.mean()), float(second.mean()), by_division(shares))


def alike(record: RecordJson, by: str) -> NDArray[np.int64] | None:
    """How many of its `NEAREST` by "fc7" or "pixels" are of each query's class (Q,); None where it diverged."""
    text = record.get("counts", {}).get(by)
    return np.array([int(digit, 36) for digit in text]) if text else None


def wrong(records: Sequence[RecordJson], networks: int) -> NDArray[np.float64] | None:
    """The share of all ensembles of so many of the records' networks that are wrong about each photograph, (N,).

    Networks that diverged are in none; None where those left are too few. `records` are of the first seeds, in order.
    """
    texts = [record["counts"] for record in records if record.get("counts")]
    if len(texts) < networks:
        return None
    known = [text[str(networks)] for text in texts if str(networks) in text]
    counts = np.array([[int(digit, 36) for digit in text] for text in known])
    return np.asarray(counts.sum(0) / comb(len(texts), networks))


def in_words(record: RecordJson) -> str:
    """What one look found, in a few words."""
    if found := halves(record):
        return f"shares of colour {100 * found.first:.1f} and {100 * found.second:.1f} %, p {found.p:.3f}"
    hidden, pixels = alike(record, "fc7"), alike(record, "pixels")
    if hidden is not None and pixels is not None:
        of = 100 / NEAREST
        return f"{of * hidden.mean():.1f} % of neighbours alike by fc7, {of * pixels.mean():.1f} % by pixels"
    if text := record.get("counts", {}).get("1"):
        return f"top-1 error by ten crops {100 * sum(digit != '0' for digit in text) / len(text):.1f} %"
    return "its network diverged"
