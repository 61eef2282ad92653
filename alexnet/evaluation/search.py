"""The nearest photographs by their features: exact, whatever the number of rows. N rows, Q queries, D numbers each.

The definition is brute force in float64 on the numbers stored, equal distances in the order of rows. Most rows never
meet it: a product in fp32 bounds each distance from below and above, and only rows that can be among the k nearest by
these bounds are measured. The bounds hold for near copies too, where |x|² + |q|² - 2x·q alone is all rounding error.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.errors import ConfigError, unknown

METRICS = ("euclidean", "cosine")
BLOCK_BYTES = 64 * 2**20  # of rows in fp32 that are looked at together
Rows = NDArray[Any]  # (N, …) of fp32 or fp16, memory-mapped or not
Lengths = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Two rows, the first the lower one, and their distance."""

    first: int
    second: int
    distance: float


def distances(rows: Rows, query: NDArray[Any], metric: str = "euclidean") -> NDArray[np.float64]:
    """The distances (N,) of rows (N, D) from a query (D,), by differences in float64: 0 for a copy.

    "cosine" is 1 minus the cosine, worked out as half the squared distance of the two on the unit sphere; a row of
    zeros has distance 1 from all but zeros.
    """
    x, q = rows.reshape(len(rows), -1).astype(np.float64), query.reshape(-1).astype(np.float64)
    if metric == "euclidean":
        return np.asarray(np.sqrt(((x - q) ** 2).sum(1)))
    if metric != "cosine":
        raise unknown("metric", metric, METRICS)
    length, of_query = np.sqrt((x**2).sum(1)), np.sqrt((q**2).sum())
    if of_query == 0:
        return np.where(length == 0, 0.0, 1.0)
    unit = np.divide(x, length[:, None], out=np.zeros_like(x), where=length[:, None] > 0)
    return np.where(length == 0, 1.0, ((unit - q / of_query) ** 2).sum(1) / 2)


def nearest(
    rows: Rows, queries: NDArray[Any], k: int = 10, metric: str = "euclidean", *, norms: Lengths | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The rows nearest to each query (Q, D) and their distances, (Q, min(k, N)) both, nearest first.

    `norms` are the lengths of the rows in float64; they are worked out where they are not given. Raises ConfigError
    when rows and queries do not have the same number of values, for a k below 1 and for an unknown metric.
    """
    width = int(np.prod(rows.shape[1:]))
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    if k < 1 or queries.ndim != 2 or queries.shape[1] != width:
        raise ConfigError(
            f"The k nearest of rows of {width:,} values need k ≥ 1 and queries of as many values, not k = {k} "
            f"and queries of shape {queries.shape}."
        )
    k = min(k, len(rows))
    asked = queries.astype(np.float32)
    squares = (queries.astype(np.float64) ** 2).sum(1)
    kept = [np.empty(0, np.int64) for _ in queries]
    lows = [np.empty(0) for _ in queries]
    highs = [np.empty(0) for _ in queries]  # the k lowest upper bounds
    for first, block, lengths in _blocks(rows, norms):
        low, high = _bounds(block, lengths, asked, squares, metric)
        for number in range(len(queries)):
            highs[number] = _lowest(np.concatenate([highs[number], high[:, number]]), k)
            limit = highs[number].max() if len(highs[number]) == k else np.inf
            chosen = np.flatnonzero(low[:, number] <= limit)
            kept[number] = np.concatenate([kept[number], first + chosen])
            lows[number] = np.concatenate([lows[number], low[chosen, number]])
    found = np.empty((len(queries), k), np.int64)
    measured = np.empty((len(queries), k))
    for number, query in enumerate(queries):
        limit = highs[number].max() if k else np.inf
        candidates = kept[number][lows[number] <= limit]
        true = _measured(rows, candidates, query, metric)
        order = np.lexsort((candidates, true))[:k]
        found[number], measured[number] = candidates[order], true[order]
    return found, measured


def near_copies(rows: Rows, below: float, metric: str = "cosine", *, norms: Lengths | None = None) -> list[Pair]:
    """All pairs of rows whose distance is less than `below`, nearest first, equal ones in the order of rows."""
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    found = []
    for start, queries, lengths in _blocks(rows, norms, smaller=8):
        for first, block, others in _blocks(rows, norms, smaller=8):
            if first + len(block) <= start:
                continue  # both orders of a pair are one
            low, _ = _bounds(block, others, queries, lengths**2, metric)
            limit = below**2 if metric == "euclidean" else 2 * below
            for row, column in zip(*np.nonzero(low < limit), strict=True):
                one, other = start + int(column), first + int(row)
                if one < other:
                    distance = float(distances(block[row : row + 1], queries[column], metric)[0])
                    if distance < below:
                        found.append(Pair(one, other, distance))
    return sorted(found, key=lambda pair: (pair.distance, pair.first, pair.second))


def _blocks(rows: Rows, norms: Lengths | None, smaller: int = 1) -> Iterator[tuple[int, NDArray[np.float32], Lengths]]:
    """Blocks of rows (B, D) in fp32 with the number of the first and the lengths (B,)."""
    width = max(1, int(np.prod(rows.shape[1:])))
    step = max(1, BLOCK_BYTES // (4 * width * smaller))
    for first in range(0, len(rows), step):
        block = np.asarray(rows[first : first + step]).reshape(-1, width).astype(np.float32, copy=False)
        if norms is None:
            yield first, block, np.sqrt(np.einsum("nd,nd->n", block, block, dtype=np.float64))
        else:
            yield first, block, np.asarray(norms[first : first + step])


def _bounds(
    block: NDArray[np.float32], lengths: Lengths, queries: NDArray[np.float32], squares: Lengths, metric: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounds (B, Q) from below and above for the squared distance; for "cosine", of the two on the unit sphere.

    A sum of D products in fp32, in any order, is within D·u / (1 - D·u) · |x|·|q| of the true one, u = 2⁻²⁴ (Higham,
    Accuracy and Stability of Numerical Algorithms, section 3.1). What float64 adds is far below the u that is added.
    """
    unit = 2.0**-24
    error = (block.shape[1] + 4) * unit / (1 - (block.shape[1] + 4) * unit)
    product = (block @ queries.T).astype(np.float64)
    scale = lengths[:, None] * np.sqrt(squares)
    if metric == "euclidean":
        middle, radius = lengths[:, None] ** 2 + squares - 2 * product, 2 * error * scale
        radius = radius + unit * 1e-6 * (lengths[:, None] ** 2 + squares)
    else:
        cosine = np.divide(product, scale, out=np.zeros_like(product), where=scale > 0)
        middle, radius = 2 - 2 * cosine, np.full_like(cosine, 2 * error)
        zero = scale == 0  # their distance is 0 or 1 by definition
        radius[zero] = 2.0
    return middle - radius, middle + radius


def _lowest(values: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    return values if len(values) <= k else np.partition(values, k - 1)[:k]


def _measured(rows: Rows, candidates: NDArray[np.int64], query: NDArray[Any], metric: str) -> NDArray[np.float64]:
    """The distances of candidates, a bounded number of them at a time."""
    step = max(1, BLOCK_BYTES // (16 * max(1, query.size)))
    parts = [
        distances(np.asarray(rows[candidates[first : first + step]]), query, metric)
        for first in range(0, len(candidates), step)
    ]
    return np.concatenate(parts) if parts else np.empty(0)
