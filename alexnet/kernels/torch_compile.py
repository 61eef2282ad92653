"""The twins through torch.compile: on a GPU, where each of their operations is a pass over memory of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import torch

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


def twin(function: F) -> F:
    """The function of `alexnet.kernels.twins` to call: itself, or compiled."""
    return function if _backend is None else _compiled(function, _backend)


@cache
def _compiled(function: F, backend: str) -> F:
    compiled: F = torch.compile(function, backend=backend)  # type: ignore[assignment]
    return compiled
