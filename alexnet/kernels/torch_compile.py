"""The twins through torch.compile: on a GPU, where each of their operations is a pass over memory of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

from alexnet.kernels.fused import gpu_kernels, on_gpu

F = TypeVar("F", bound=Callable[..., object])

_backend: str | None = None


@contextmanager
def compile_twins(backend: str = "inductor") -> Iterator[None]:
    """Compiles the twins that run inside, each when it first meets a shape; `backend` is one of torch.compile's."""
    global _backend
    before, _backend = _backend, backend
    try:
        yield
    finally:
        _backend = before


def twin(function: F, x: Tensor) -> F:
    """What to call for a function of `alexnet.kernels.twins`: itself, compiled, or on a GPU its kernel in Triton."""
    if _backend is not None:
        compiled: F = _compiled(function, _backend)
        return compiled
    if not on_gpu(x):
        return function
    kernel: F = getattr(gpu_kernels(), function.__name__)
    return kernel


@cache
def _compiled(function: F, backend: str) -> F:
    compiled: F = torch.compile(function, backend=backend)  # type: ignore[assignment]
    return compiled
