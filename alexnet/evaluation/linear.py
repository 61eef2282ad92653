"""The yardstick: a linear classifier on the pixels. N photographs, D numbers each, K classes."""

import numpy as np
from numpy.typing import NDArray

from alexnet.data.areas import area_sums
from alexnet.data.store import Store
from alexnet.errors import ConfigError

SIDE = 32
MOST = 100_000  # photographs, 2.4 GB of pixels
PENALTIES = (1e1, 1e2, 1e3, 1e4)


def linear_error(store: Store, split: str = "test") -> float:
    """The share of a split, 0 to 1, that ridge regression on 32×32 RGB pixels to one-hot classes gets wrong.

    It learns from the "train" photographs, with the penalty that does best on "val" (the middle one without a "val"
    split). Raises ConfigError when there are too many photographs to hold in memory.
    """
    rows = store.split("train")
    if len(rows) > MOST:
        raise ConfigError(
            f"{store.path} has {len(rows)} training photographs; this linear classifier takes {MOST} at most."
        )
    x, labels = _pixels(store, rows), store.labels[rows]
    centre = x.mean(axis=0)
    x -= centre
    targets = np.eye(len(store.classes))[labels] - 1 / len(store.classes)  # (N, K)
    dual = len(x) < x.shape[1]  # the smaller system of the two that have the same solution
    products = x @ x.T if dual else x.T @ x
    wanted: NDArray[np.float64] = targets if dual else x.T @ targets

    def weights(penalty: float) -> NDArray[np.floating]:
        solution = np.linalg.solve(products + penalty * np.eye(len(products)), wanted)
        return x.T @ solution if dual else solution  # (D, K)

    penalty = PENALTIES[len(PENALTIES) // 2]
    if "val" in store.splits:
        held, truth = _pixels(store, store.split("val")) - centre, store.labels[store.split("val")]
        penalty = min(PENALTIES, key=lambda each: _error(held @ weights(each), truth))
    asked = store.split(split)
    return _error((_pixels(store, asked) - centre) @ weights(penalty), store.labels[asked])


def _error(scores: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    return float((scores.argmax(axis=1) != labels).mean())


def _pixels(store: Store, positions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Photographs averaged down to 32×32, from 0 to 1: (N, D)."""
    sums = np.empty((len(positions), SIDE, SIDE, 3))
    for row, position in enumerate(positions.tolist()):
        sums[row] = area_sums(store.read(position), SIDE)
    sums /= 255 * store.preparation.side**2
    return sums.reshape(len(positions), -1)
