"""Response normalisation and the fused stage: the compiled kernel, its PyTorch twin, and PyTorch's own layers."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet import kernels
from alexnet.experiments.bench.step import settle
from alexnet.experiments.bench.timing import Measurement, Rounds, Work, in_turns
from alexnet.kernels.fused import fused
from alexnet.model.device import Placement
from alexnet.model.lrn import norm_window
from alexnet.model.spec import ResponseNorm

MAPS, POSITIONS = 96, 55  # behind the paper's first layer
NORM = ResponseNorm("norm")


def bench_lrn(batch_size: int, placement: Placement, rounds: Rounds, **_: Any) -> list[Measurement]:
    """Seconds forward and both ways on the maps of the paper's first layer, in the placement's numbers.

    PyTorch's own normalisation takes no bf16; there it gets fp32 and its result is converted, as autocast does.
    """
    maps = torch.randn(batch_size, MAPS, POSITIONS, POSITIONS, device=placement.device)
    maps = maps.to(placement.dtype, memory_format=torch.channels_last)
    works: dict[str, Work] = {}
    for name, function in functions().items():
        if name.endswith("kernel") and not fused(maps.device, maps.dtype):
            continue
        works[f"{name}, forward"] = _forward(function, maps)
        works[f"{name}, both ways"] = _both_ways(function, maps)
    rates = in_turns(works, rounds)
    return [
        Measurement(name, "s", [1 / rate for rate in samples], batch_size, placement.dtype_name)
        for name, samples in rates.items()
    ]


def functions() -> dict[str, Callable[[Tensor], Tensor]]:
    """What is compared, by name; the three normalisations compute the same, and so do the three stages."""
    window = norm_window(NORM)
    theirs = nn.LocalResponseNorm(NORM.n, NORM.alpha, NORM.beta, NORM.k)

    def norm(x: Tensor) -> Tensor:
        return kernels.response_norm(x, *window)

    def stage(x: Tensor) -> Tensor:
        return kernels.pooled_stage(x, "relu-norm-pool", 3, 2, *window)

    def converted(x: Tensor) -> Tensor:
        y: Tensor = theirs(x.float())
        return y.to(x.dtype)

    return {
        "norm, kernel": norm,
        "norm, twin": _twin(norm),
        "norm, nn.LocalResponseNorm": converted,
        "ReLU-norm-pool, kernel": stage,
        "ReLU-norm-pool, twin": _twin(stage),
        "ReLU-norm-pool, PyTorch's layers": lambda x: F.max_pool2d(converted(F.relu(x)), 3, 2),
    }


def _twin(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def twin(x: Tensor) -> Tensor:
        with kernels.use_twin():
            return function(x)

    return twin


def _forward(function: Callable[[Tensor], Tensor], maps: Tensor) -> Work:
    @torch.no_grad()
    def work() -> float:
        function(maps)
        settle(maps.device)
        return 1

    return work


def _both_ways(function: Callable[[Tensor], Tensor], maps: Tensor) -> Work:
    maps = maps.clone().requires_grad_()
    with torch.no_grad():
        gradient = torch.ones_like(function(maps))

    def work() -> float:
        torch.autograd.grad(function(maps), maps, gradient)
        settle(maps.device)
        return 1

    return work
