"""The update of the weights in one pass, registered with PyTorch: `torch.ops.alexnet.momentum_update`."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from alexnet.kernels import native, twins
from alexnet.kernels.fused import fused, gpu_kernels, is_bf16, on_gpu
from alexnet.kernels.operators import fake, operator


@torch.no_grad()
def momentum_update(
    master: Tensor,
    velocity: Tensor,
    grad: Tensor,
    working: Tensor | None,
    lr: float,
    momentum: float,
    weight_decay: float,
) -> None:
    """Nothing; `velocity`, `master` and, if given, the bfloat16 copy `working` are changed in place.

    v <- momentum * v - weight_decay * lr * w - lr * g, then w <- w + v: the paper's rule (section 5), where the
    learning rate is inside the velocity. `master` and `velocity` are float32; all tensors have one shape and one
    dense memory layout. Raises ValueError if they have not.
    """
    held = [t for t in (master, velocity, working) if t is not None]
    if any(t.shape != master.shape or t.stride() != master.stride() for t in held):
        layouts = [(tuple(t.shape), t.stride()) for t in held]
        raise ValueError(f"Weights, velocity and working copy differ in shape or memory layout: {layouts}.")
    types = [t.dtype for t in held] == [torch.float32, torch.float32, torch.bfloat16][: len(held)]
    numbers = lr, momentum, weight_decay
    fits = types and master.device == grad.device and _is_dense(master)
    if fits and fused(grad.device, grad.dtype):
        _momentum_update(master, velocity, grad, working, *numbers)
    elif fits and on_gpu(grad):
        gpu_kernels().momentum_update(master, velocity, grad, working, *numbers)
    else:
        twins.momentum_update(master, velocity, grad, working, *numbers)
        return
    for changed in held:
        increment_version(changed)  # PyTorch has not seen it: for the gradients of graphs that hold the old values


def _is_dense(x: Tensor) -> bool:
    """Whether the elements fill their memory without gaps, in whatever order of dimensions."""
    return torch.empty_like(x, device="meta").stride() == x.stride()


@operator(mutates_args=("master", "velocity", "working"))
def _momentum_update(
    master: Tensor,
    velocity: Tensor,
    grad: Tensor,
    working: Tensor | None,
    lr: float,
    momentum: float,
    weight_decay: float,
) -> None:
    if grad.stride() != master.stride():
        grad = torch.empty_like(master, dtype=grad.dtype).copy_(grad)
    numbers = torch.get_num_threads(), lr, momentum, weight_decay
    copy = working.data_ptr() if working is not None else None
    pointers = grad.data_ptr(), master.data_ptr(), velocity.data_ptr(), copy
    native.run("momentum_update", master.numel(), is_bf16(grad), *numbers, *pointers)


@fake(_momentum_update)
def _(master: Tensor, *_: Any) -> None:
    return None
