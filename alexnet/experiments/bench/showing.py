"""Pictures: how soon `alexnet show` has drawn from a cold start, and how much of that is drawing."""

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from subprocess import run
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from alexnet.errors import AlexNetError, ConfigError
from alexnet.evaluation.predictor import Predictor
from alexnet.experiments.bench.photographs import write_photographs
from alexnet.experiments.bench.predicting import untrained_model
from alexnet.experiments.bench.timing import Measurement, Rounds
from alexnet.model.device import Placement
from alexnet.model.spec import Spec
from alexnet.show.filters import filters
from alexnet.show.maps import Maps, maps
from alexnet.weights.model_dir import save_model


def bench_show(spec: Spec, placement: Placement, rounds: Rounds, **_: Any) -> list[Measurement]:
    """The kernels of the first layer, the strongest maps of every stage, and every map of every stage.

    Raises ConfigError where matplotlib is not installed.
    """
    if not find_spec("matplotlib"):
        raise ConfigError("Pictures are drawn with matplotlib, which is not installed: pip install 'alexnet[see]'.")
    model = untrained_model(spec)
    predictor = Predictor(model, placement=placement)
    stages = [layer.name for layer in spec.layers]
    with TemporaryDirectory(prefix="alexnet-bench-") as folder:
        path, out = Path(folder) / "model", Path(folder)
        save_model(model, path)
        photograph = next(write_photographs(out / "photographs", 2).rglob("*.jpg"))
        where = ["--device", str(placement.device), "--dtype", placement.dtype_name]
        every = [str(path), str(photograph), "--stage", "all", *where]
        strongest = maps(predictor, photograph, photograph.name, stages)
        whole = maps(predictor, photograph, photograph.name, stages, top=None)
        kernels = filters(model)
        works: dict[str, tuple[list[str], Callable[[], None]]] = {
            "filters": (
                ["filters", str(path), "-o", f"{out / 'f.png'}"],
                lambda: _draw("filters", kernels, out / "filters.png"),
            ),
            "maps --stage all": (
                ["maps", *every, "-o", f"{out / 'strongest'}"],
                lambda: _draw_maps(strongest, out),
            ),
            "maps --stage all --top all": (
                ["maps", *every, "--top", "all", "-o", f"{out / 'every'}"],
                lambda: _draw_maps(whole, out),
            ),
        }
        for draw in [work[1] for work in works.values()]:
            draw()  # the first one makes fonts and caches
        samples: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
        for _round in range(rounds.rounds):
            for name, (words, draw) in works.items():
                samples[name].append((cold_start(words), _seconds(draw)))
    return [
        Measurement(
            f"alexnet show {name}",
            "s",
            [cold for cold, _ in taken],
            dtype=None if name == "filters" else placement.dtype_name,
            facts={"drawing": median(drawn / cold for cold, drawn in taken)},
        )
        for name, taken in samples.items()
    ]


def cold_start(words: list[str]) -> float:
    """The seconds that `alexnet show` takes as a process of its own, all imports included."""
    command = [sys.executable, "-m", "alexnet", "show", *words]
    began = perf_counter()
    ended = run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise AlexNetError(f"`{' '.join(command)}` failed: {ended.stderr.strip()}")
    return perf_counter() - began


def _draw(name: str, numbers: Any, out: Path) -> None:
    # matplotlib is an extra, and imported where something is drawn
    figure = import_module(f"alexnet.show.figures.{name}").figure(numbers)
    import_module("alexnet.show.figures.sheet").save(figure, out)


def _draw_maps(found: Maps, out: Path) -> None:
    for stage in found.stages:
        _draw("maps", replace(found, stages=(stage,)), out / f"{stage.name}.png")


def _seconds(work: Callable[[], None]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began
