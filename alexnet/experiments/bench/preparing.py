"""`prepare` on photographs of ImageNet's size, on all cores."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from alexnet.data.prepare import PrepareProgress, prepare
from alexnet.data.source import Source
from alexnet.data.sources.table import open_source
from alexnet.experiments.bench.photographs import folder_of
from alexnet.experiments.bench.timing import Measurement, Rounds
from alexnet.hardware import cores

PHOTOGRAPHS = 768  # for each core, of the first few
ENCODINGS = ("jpeg", "raw")
STAGES = ("read", "measure")


def bench_prepare(rounds: Rounds, *, data: Path | None = None, **_: Any) -> list[Measurement]:
    """Photographs of a folder read, resized and packed, then measured for the mean image; both encodings in turns.

    The rate is that of long sets: the time until every worker process has delivered something is left out.
    """
    found: dict[str, list[dict[str, float]]] = {encoding: [] for encoding in ENCODINGS}
    count = PHOTOGRAPHS * min(cores(), 8)
    with folder_of(data, count) as folder, TemporaryDirectory(prefix="alexnet-bench-") as made:
        source = open_source(str(folder.absolute()))
        for number in range(rounds.rounds):
            for encoding, rates in found.items():
                rates.append(stage_rates(source, Path(made) / f"{encoding}{number}", encoding))
    processes = f"{cores()} process{'' if cores() == 1 else 'es'}"
    return [
        Measurement(
            f"{encoding} store, {processes}",
            "images/s",
            [1 / sum(1 / rate[stage] for stage in STAGES) for rate in rates],
            facts={stage: median(rate[stage] for rate in rates) for stage in STAGES},
        )
        for encoding, rates in found.items()
    ]


def stage_rates(source: Source, path: Path, encoding: str) -> dict[str, float]:
    """The images a second of each stage of preparing a store at `path`."""
    seen: dict[str, list[tuple[float, int]]] = {stage: [] for stage in STAGES}

    def note(progress: PrepareProgress) -> None:
        seen[progress.stage].append((perf_counter(), progress.done))

    prepare(source, path, encoding=encoding, workers=0, split={}, progress=note)
    return {stage: steady_rate(points, cores()) for stage, points in seen.items()}


def steady_rate(points: Sequence[tuple[float, int]], workers: int) -> float:
    """Photographs a second from when each worker has delivered once; `points` are times and numbers done, from 0."""
    (began, first), (ended, last) = points[min(workers, (len(points) - 1) // 2)], points[-1]
    return (last - first) / (ended - began)
