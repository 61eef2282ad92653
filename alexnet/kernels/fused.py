"""Whether a kernel or its twin does the work, and the tensors that kernels take and give."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType

import torch
from torch import Tensor
from torch.autograd import forward_ad

from alexnet.kernels import native

_twins_only = False


@contextmanager
def use_twin() -> Iterator[None]:
    """Runs the PyTorch twins inside: for tests, and for exporters that know only PyTorch's own operators."""
    global _twins_only
    before, _twins_only = _twins_only, True
    try:
        yield
    finally:
        _twins_only = before


def transformed() -> bool:
    """Whether a transform of torch.func (jvp, grad, vmap, …) or forward-mode differentiation is at work.

    The twins are computed there, whose numbers differ from the kernels' by rounding: they have every derivative, and
    the kernels only the gradient, so that what comes out of one in forward mode would silently be a constant.
    """
    return torch._C._functorch.get_dynamic_layer_stack_depth() > 0 or forward_ad._current_level >= 0


# torch.compile asks when it traces, and compiles again where the answer would be another.
transformed._dynamo_marked_constant = True  # type: ignore[attr-defined]


def twins_only() -> bool:
    """Whether only PyTorch's own operations will do: inside `use_twin`, or for `transformed` numbers."""
    return _twins_only or transformed()


def fused(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the compiled kernels are in use for tensors of this kind."""
    kind = device.type == "cpu" and dtype in (torch.float32, torch.bfloat16)
    return kind and not twins_only() and native.available()


def on_gpu(x: Tensor) -> bool:
    """Whether the kernels of `alexnet.kernels.gpu` are in use for `x`; where Triton is missing, the twins run."""
    kind = x.device.type == "cuda" and x.dtype in (torch.float32, torch.bfloat16)
    return kind and not twins_only() and _has_triton()


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None and torch.cuda.get_device_capability() >= (7, 0)


@cache
def gpu_kernels() -> ModuleType:
    """The room's module that needs Triton, imported where a GPU is in use."""
    return import_module("alexnet.kernels.gpu")


def describe(device: torch.device | str = "cpu") -> str:
    """One line for a log: what does the work on `device`, or why the PyTorch twins do."""
    kind = torch.device(device).type
    if kind == "cpu":
        return native.describe()
    if kind == "cuda" and _has_triton():
        return f"Triton {version('triton')}"
    return "PyTorch twins" + (": Triton is not installed, or the GPU is too old for it" if kind == "cuda" else "")


def is_bf16(x: Tensor) -> int:
    """What the kernels take for the type of `x`: 1 for bfloat16, 0 for float32."""
    return int(x.dtype == torch.bfloat16)


def channels_last(x: Tensor) -> Tensor:
    """`x` (N, C, H, W), channels innermost in memory."""
    return x.contiguous(memory_format=torch.channels_last)


def new_map(
    x: Tensor, height: int, width: int, dtype: torch.dtype | None = None, channels: int | None = None
) -> Tensor:
    """A channels-last map for a kernel to write, as `x` (N, C, H, W) but for what is said."""
    shape = (x.shape[0], channels or x.shape[1], height, width)
    return torch.empty(shape, dtype=dtype or x.dtype, device=x.device, memory_format=torch.channels_last)
