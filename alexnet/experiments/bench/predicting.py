"""Answers: how many in a batch, how soon for one photograph, and how soon from a cold start."""

import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import torch

from alexnet.data.preparation import DEFAULT
from alexnet.data.source import Category
from alexnet.data.statistics import InputStatistics
from alexnet.errors import AlexNetError
from alexnet.evaluation.predictor import Predictor
from alexnet.evaluation.routes import take_fastest
from alexnet.experiments.bench.photographs import write_photographs
from alexnet.experiments.bench.step import memory_of, random_images, settle
from alexnet.experiments.bench.timing import Measurement, Rounds, Work, in_turns
from alexnet.model.device import Placement, frozen_copy
from alexnet.model.net import AlexNet
from alexnet.model.spec import Spec
from alexnet.weights.model_dir import Model, save_model


def bench_predict(spec: Spec, batch_size: int, placement: Placement, rounds: Rounds, **_: Any) -> list[Measurement]:
    """The network on a batch, a `Predictor` on a photograph and its parts, and the command from start to end."""
    model = untrained_model(spec)
    forward = forward_pass(model.net, batch_size, placement)
    forward()
    peak = memory_of(placement.device)
    with TemporaryDirectory(prefix="alexnet-bench-") as folder:
        predictor = Predictor(model, placement=placement)
        photograph = next(write_photographs(Path(folder) / "photographs", 2).rglob("*.jpg"))

        def decode() -> float:
            predictor.read(photograph)
            return 1

        def answer() -> float:
            predictor.predict(photograph)
            return 1

        one = forward_pass(model.net, 1, placement)
        works: dict[str, Work] = {"batch": forward, "one": one, "decode": decode, "answer": answer}
        rates = in_turns(works, rounds)
        save_model(model, Path(folder) / "model")
        starts = [cold_start(Path(folder) / "model", photograph, placement) for _ in range(rounds.rounds)]
    dtype = placement.dtype_name
    seconds = {name: [1 / rate for rate in rates[name]] for name in ("one", "decode", "answer")}
    parts = [sum(each) for each in zip(seconds["one"], seconds["decode"], strict=True)]
    whole = {"of_its_parts": median(seconds["answer"]) / median(parts)}
    return [
        Measurement("forward pass", "images/s", rates["batch"], batch_size, dtype, peak),
        Measurement("forward pass", "s", seconds["one"], 1, dtype),
        Measurement("one JPEG photograph, decoded and resized", "s", seconds["decode"], 1, dtype),
        Measurement("one JPEG photograph, model loaded", "s", seconds["answer"], 1, dtype, facts=whole),
        Measurement("alexnet predict, from a cold start", "s", starts, 1, dtype),
    ]


def untrained_model(spec: Spec) -> Model:
    """A model as large as a trained one, that knows nothing."""
    grey = np.full((DEFAULT.side, DEFAULT.side, 3), 127, np.float32)
    statistics = InputStatistics(grey, np.eye(3), np.ones(3), np.eye(3), 1)
    categories = tuple(Category(f"class{index:04}", f"class {index}") for index in range(spec.classes))
    return Model(AlexNet(spec).eval(), categories, statistics)


def forward_pass(net: AlexNet, count: int, placement: Placement) -> Work:
    """A work that answers a batch of `count` random images, in the layout in which the loader delivers them."""
    working = frozen_copy(net, placement)
    take_fastest(working, [count], placement)
    images = random_images(net, count, placement)

    @torch.inference_mode()
    def forward() -> float:
        working(images)
        settle(placement.device)
        return count

    return forward


def cold_start(model: Path, photograph: Path, placement: Placement) -> float:
    """The seconds that `alexnet predict` takes as a process of its own, PyTorch's import included."""
    command = [sys.executable, "-m", "alexnet", "predict", str(model), str(photograph), "--json"]
    command += ["--device", str(placement.device), "--dtype", placement.dtype_name]
    began = perf_counter()
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise AlexNetError(f"`{' '.join(command)}` failed: {ended.stderr.strip()}")
    return perf_counter() - began
