"""Exact search over rows in a memory-mapped file, by this project, faiss or usearch.

Settings: engine ("ours", "faiss" or "usearch"), rows, norms and queries (paths of .npy files), neighbours (for each
query the rows that are nearest, as the definition in float64 has them), batch_size (how many of the queries), threads.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from protocol import Made, Unable, contend

Engine = Callable[[np.ndarray, int], np.ndarray]  # queries (Q, D) and k to the rows nearest to each, (Q, k)


def make(settings: dict[str, Any]) -> Made:
    """The contender of these settings; Unable when it names other neighbours than the definition does."""
    rows = np.load(settings["rows"], mmap_mode="r")
    queries = np.load(settings["queries"])[: settings["batch_size"]]
    expected = np.array(settings["neighbours"][: settings["batch_size"]])
    search, version = {"ours": ours, "faiss": faiss, "usearch": usearch}[settings["engine"]](settings, rows)
    k = expected.shape[1]
    if not np.array_equal(np.sort(search(queries, k), 1), np.sort(expected, 1)):
        raise Unable("it names other neighbours than brute force in float64")

    def work() -> float:
        search(queries, k)
        return float(len(queries))

    return Made(work, {"versions": version})


def ours(settings: dict[str, Any], rows: np.ndarray) -> tuple[Engine, dict[str, str]]:
    """As `alexnet search` does, with the lengths of the rows that lie beside them."""
    import os

    from alexnet.process import set_up

    set_up(os.environ)  # before torch is imported

    import torch

    import alexnet
    from alexnet.evaluation.search import nearest

    torch.set_num_threads(settings["threads"])
    norms = np.load(settings["norms"])
    found = {"alexnet": alexnet.VERSION, "numpy": np.__version__}
    return lambda queries, k: nearest(rows, queries, k, norms=norms)[0], found


def faiss(settings: dict[str, Any], rows: np.ndarray) -> tuple[Engine, dict[str, str]]:
    """Its function for search without an index."""
    import faiss

    faiss.omp_set_num_threads(settings["threads"])
    return lambda queries, k: faiss.knn(queries, rows, k)[1], {"faiss": faiss.__version__}


def usearch(settings: dict[str, Any], rows: np.ndarray) -> tuple[Engine, dict[str, str]]:
    """Its exact search, without an index."""
    import usearch
    from usearch.index import MetricKind, search

    def asked(queries: np.ndarray, k: int) -> np.ndarray:
        found = search(rows, queries, k, MetricKind.L2sq, exact=True, threads=settings["threads"])
        return np.reshape(found.keys, (len(queries), -1))

    return asked, {"usearch": usearch.__version__}


if __name__ == "__main__":
    contend(make)
