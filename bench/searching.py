"""Exact search beside faiss and usearch: queries a second over features in a memory-mapped file.

    bench/.venv/bin/python bench/searching.py                       # 100,000 rows of 4,096, one query and 64
    bench/.venv/bin/python bench/searching.py --rows 20000 --json

All take turns on the same file, which the first touch brings into memory. The rows are made as those of relu7 look: two
thirds of them zeros. Before anything is timed, all must name the same neighbours. Engines that are not installed are
named and left out. Let nothing else run meanwhile.
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.cli.terminal import print_table
from alexnet.evaluation.search import nearest
from alexnet.experiments.bench.machine import machine
from alexnet.experiments.bench.timing import Measurement, Rounds, in_turns
from alexnet.model.device import place

NEIGHBOURS = 10
Engine = Callable[[NDArray[Any]], NDArray[np.int64]]  # queries (Q, D) to the rows nearest to each, (Q, k)


def rows_like_relu7(path: Path, rows: int, units: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """A memory-mapped file of rows, a third of each above 0, and their lengths."""
    made = np.lib.format.open_memmap(path, "w+", np.float32, (rows, units))
    random = np.random.default_rng(0)
    for first in range(0, rows, 4096):
        block = made[first : first + 4096]
        block[:] = np.maximum(random.standard_normal(block.shape, np.float32) - 0.43, 0)
    made.flush()
    mapped = np.load(path, mmap_mode="r")
    lengths = [np.sqrt((mapped[first : first + 4096].astype(np.float64) ** 2).sum(1)) for first in range(0, rows, 4096)]
    return mapped, np.concatenate(lengths)


def engines(rows: NDArray[np.float32], norms: NDArray[np.float64]) -> dict[str, Engine]:
    """Ours, and those of the others that are installed; all exact, over the mapped file as it lies."""
    found: dict[str, Engine] = {"ours": lambda queries: nearest(rows, queries, NEIGHBOURS, norms=norms)[0]}
    if find_spec("faiss"):
        import faiss

        found["faiss"] = lambda queries: faiss.knn(queries, rows, NEIGHBOURS)[1]
    if find_spec("usearch"):
        from usearch.index import MetricKind, search

        found["usearch"] = lambda queries: np.reshape(
            search(rows, queries, NEIGHBOURS, MetricKind.L2sq, exact=True).keys, (len(queries), -1)
        )
    return found


def main(words: list[str]) -> dict[str, Any]:
    """Measures and prints; returns what --json prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--units", type=int, default=4096)
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(words)
    results = []
    with TemporaryDirectory() as folder:
        rows, norms = rows_like_relu7(Path(folder) / "rows.npy", asked.rows, asked.units)
        ready = engines(rows, norms)
        for count in asked.queries:
            queries = np.array(rows[:: max(1, asked.rows // count)][:count]) + np.float32(0.01)
            answers = {name: engine(queries) for name, engine in ready.items()}
            for name, answer in answers.items():
                if not np.array_equal(np.sort(answer, 1), np.sort(answers["ours"], 1)):
                    raise SystemExit(f"{name} names other neighbours than ours, so there is nothing to compare.")
            works = {name: partial(_asked, engine, queries) for name, engine in ready.items()}
            rates = in_turns(works, Rounds(asked.rounds, asked.seconds))
            results += [Measurement(name, "queries/s", samples, count, "fp32") for name, samples in rates.items()]
    missing = [name for name in ("faiss", "usearch") if name not in ready]
    told = {"machine": machine(place("cpu", "fp32")), "rows": asked.rows, "units": asked.units, "missing": missing}
    told["results"] = [result.to_json() for result in results]
    if asked.json:
        print(json.dumps(told, indent=1))
    else:
        cells = [[each.what, str(each.batch_size), f"{each.median:.2f}", f"{each.spread:.0%}"] for each in results]
        print_table(["", ">queries", ">queries/s", ">spread"], cells)
        if missing:
            print(f"Not installed: {', '.join(missing)}")
    return told


def _asked(engine: Engine, queries: NDArray[Any]) -> float:
    engine(queries)
    return float(len(queries))


if __name__ == "__main__":
    main(sys.argv[1:])
