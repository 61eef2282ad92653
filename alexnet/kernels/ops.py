"""The fused operators, registered with PyTorch: `torch.ops.alexnet.*`, with gradients and fake tensors.

The functions without a leading underscore are for everyone. They run the compiled kernel on float32 and bfloat16
tensors of the CPU and the PyTorch twin on all others, or everywhere when the kernels are not available.
Maps are (N, C, H, W) and leave in channels-last memory format; other inputs are brought into it first.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import byref
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from alexnet.errors import ConfigError, unknown
from alexnet.kernels import native, twins
from alexnet.kernels.operators import fake, gradient, no_gradient, operator
from alexnet.kernels.torch_compile import twin

# Which of ReLU and norm come before the pool, and which after it. ReLU commutes with a maximum: without a norm
# between them it runs after the pool, on a quarter of the numbers.
ORDERS: dict[str, twins.Order] = {
    "relu-norm-pool": (True, True, False, False),  # the paper, Caffe's bvlc_alexnet
    "norm-pool-relu": (False, True, True, False),  # layer 1 of the code of 2012
    "norm-pool": (False, True, False, False),
    "relu-pool-norm": (False, False, True, True),  # Caffe's bvlc_reference_caffenet
    "pool-norm": (False, False, False, True),
    "relu-pool": (False, False, True, False),
    "pool-relu": (False, False, True, False),  # layer 5 of the code of 2012
    "pool": (False, False, False, False),
}

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


def fused(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the compiled kernels are in use for tensors of this kind."""
    kind = device.type == "cpu" and dtype in (torch.float32, torch.bfloat16)
    return kind and not _twins_only and native.available()


def _is_bf16(x: Tensor) -> int:
    return int(x.dtype == torch.bfloat16)


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _new_map(x: Tensor, height: int, width: int, dtype: torch.dtype | None = None) -> Tensor:
    shape = (x.shape[0], x.shape[1], height, width)
    return torch.empty(shape, dtype=dtype or x.dtype, device=x.device, memory_format=torch.channels_last)


def _check_norm(x: Tensor, lo: int, hi: int, k: float, alpha: float, towers: int) -> None:
    if x.dim() != 4:
        raise ConfigError(f"A map has four dimensions (N, C, H, W), not the shape {tuple(x.shape)}.")
    if towers < 1 or x.shape[1] % towers:
        raise ConfigError(f"{x.shape[1]} channels cannot be split into {towers} towers of equal size.")
    if lo < 0 or hi < 0 or not (k > 0 and alpha >= 0):
        raise ConfigError(
            "A response normalisation needs k above 0 and lo, hi and alpha of at least 0, not"
            f" k={k}, lo={lo}, hi={hi}, alpha={alpha}."
        )


# --- response normalisation


def response_norm(x: Tensor, lo: int, hi: int, k: float, alpha: float, beta: float = 0.75, towers: int = 1) -> Tensor:
    """`x * (k + alpha * Σ x²)^-beta`, Σ over channels c-lo to c+hi; same shape and dtype as `x` (N, C, H, W).

    Missing channels count as zero, and no window crosses from one of the `towers` equal blocks of channels into
    another. `alpha` multiplies the plain sum: a convention that divides it by n does so before the call.
    Raises ConfigError for a shape or number that does not fit. (PAPER, section 3.3)
    """
    _check_norm(x, lo, hi, k, alpha, towers)
    if not fused(x.device, x.dtype):
        return twin(twins.response_norm)(x, lo, hi, k, alpha, beta, towers)
    y: Tensor = _response_norm(x, lo, hi, k, alpha, beta, towers)
    return y


@operator()
def _response_norm(x: Tensor, lo: int, hi: int, k: float, alpha: float, beta: float, towers: int) -> Tensor:
    x = _last(x)
    y = _new_map(x, x.shape[2], x.shape[3])
    norm = native.Norm(x.shape[1], towers, lo, hi, k, alpha, beta)
    pixels = x.shape[0] * x.shape[2] * x.shape[3]
    threads = torch.get_num_threads()
    native.run("norm_forward", byref(norm), pixels, _is_bf16(x), threads, x.data_ptr(), y.data_ptr())
    return y


@operator()
def _response_norm_backward(
    gy: Tensor, x: Tensor, lo: int, hi: int, k: float, alpha: float, beta: float, towers: int
) -> Tensor:
    x, gy = _last(x), _last(gy)
    gx = _new_map(x, x.shape[2], x.shape[3])
    norm = native.Norm(x.shape[1], towers, lo, hi, k, alpha, beta)
    pixels = x.shape[0] * x.shape[2] * x.shape[3]
    pointers = x.data_ptr(), gy.data_ptr(), gx.data_ptr()
    native.run("norm_backward", byref(norm), pixels, _is_bf16(x), torch.get_num_threads(), *pointers)
    return gx


@fake(_response_norm)
def _(x: Tensor, *_: Any) -> Tensor:
    return _new_map(x, x.shape[2], x.shape[3])


@fake(_response_norm_backward)
def _(gy: Tensor, x: Tensor, *_: Any) -> Tensor:
    return _new_map(x, x.shape[2], x.shape[3])


def _save_norm(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(inputs[0])
    ctx.numbers = inputs[1:]


def _norm_gradient(ctx: Any, gy: Tensor) -> tuple[Tensor | None, ...]:
    return _response_norm_backward(gy, *ctx.saved_tensors, *ctx.numbers), *[None] * len(ctx.numbers)


gradient(_response_norm, _norm_gradient, _save_norm)
no_gradient(_response_norm_backward)


# --- ReLU, norm and pool


def pooled_stage(
    x: Tensor,
    order: str,
    kernel: int = 3,
    stride: int = 2,
    lo: int = 0,
    hi: int = 0,
    k: float = 1.0,
    alpha: float = 0.0,
    beta: float = 0.75,
    towers: int = 1,
) -> Tensor:
    """The max-pooled map of `x` (N, C, H, W) with ReLU and response normalisation, in one pass.

    `order` names the steps, one of `ORDERS`; `kernel` and `stride` are the pool's, without padding and without
    ceiling; the other numbers are those of `response_norm`. Equal numbers, NaN and infinity are treated as
    PyTorch's own operators do. Raises ConfigError for an order, shape or number that does not fit.
    (PAPER, sections 3.3 and 3.4)
    """
    if order not in ORDERS:
        raise unknown("order of ReLU, norm and pool", order, ORDERS)
    _check_norm(x, lo, hi, k, alpha, towers)
    if not (1 <= kernel <= native.MAX_KERNEL and stride >= 1 and min(x.shape[2:]) >= kernel):
        raise ConfigError(
            f"A pool of {kernel}×{kernel} with stride {stride} does not fit a map of {tuple(x.shape[2:])};"
            f" kernels go from 1 to {native.MAX_KERNEL} and to the size of the map, strides from 1."
        )
    norm = lo, hi, k, alpha, beta, towers
    if not fused(x.device, x.dtype):
        return twin(twins.pooled_stage)(x, ORDERS[order], kernel, stride, *norm)
    record = torch.is_grad_enabled() and x.requires_grad
    y: Tensor
    y, _ = _pooled_stage(x, order, kernel, stride, *norm, record)
    if ORDERS[order][3]:  # a quarter of the map is left to read: fusing this too would gain next to nothing
        y = _response_norm(y, *norm)
    return y


@operator()
def _pooled_stage(
    x: Tensor,
    order: str,
    kernel: int,
    stride: int,
    lo: int,
    hi: int,
    k: float,
    alpha: float,
    beta: float,
    towers: int,
    record: bool,
) -> tuple[Tensor, Tensor]:
    """The pooled map up to a norm after it, and its uint8 argmax (empty unless `record`)."""
    x = _last(x)
    y, argmax = _new_pooled(x, kernel, stride, record)
    norm = native.Norm(x.shape[1], towers, lo, hi, k, alpha, beta)
    stage = _stage(x.shape, order, kernel, stride, norm)
    places = argmax.data_ptr() if record else None
    native.run("stage_forward", byref(stage), _is_bf16(x), torch.get_num_threads(), x.data_ptr(), y.data_ptr(), places)
    return y, argmax


@operator()
def _pooled_stage_backward(
    gy: Tensor,
    x: Tensor | None,
    argmax: Tensor,
    height: int,
    width: int,
    order: str,
    kernel: int,
    stride: int,
    lo: int,
    hi: int,
    k: float,
    alpha: float,
    beta: float,
    towers: int,
) -> Tensor:
    """The gradient of the map before the stage, of that `height` and `width`; `x` is needed only by a norm."""
    gy, argmax = _last(gy), _last(argmax)
    gx = _new_map(gy, height, width)
    norm = native.Norm(gx.shape[1], towers, lo, hi, k, alpha, beta)
    stage = _stage(gx.shape, order, kernel, stride, norm)
    x = _last(x) if x is not None else None
    pointers = x.data_ptr() if x is not None else None, argmax.data_ptr(), gy.data_ptr(), gx.data_ptr()
    native.run("stage_backward", byref(stage), _is_bf16(gy), torch.get_num_threads(), *pointers)
    return gx


def _stage(shape: torch.Size, order: str, kernel: int, stride: int, norm: native.Norm) -> native.Stage:
    relu_before, normalises, relu_after, _ = ORDERS[order]
    n, _, h, w = shape
    return native.Stage(norm, n, h, w, kernel, stride, normalises, relu_before, relu_after)


def _new_pooled(x: Tensor, kernel: int, stride: int, record: bool) -> tuple[Tensor, Tensor]:
    height, width = ((size - kernel) // stride + 1 for size in x.shape[2:])
    argmax = _new_map(x, height, width, torch.uint8) if record else x.new_empty(0, dtype=torch.uint8)
    return _new_map(x, height, width), argmax


@fake(_pooled_stage)
def _(x: Tensor, order: str, kernel: int, stride: int, *rest: Any) -> tuple[Tensor, Tensor]:
    return _new_pooled(x, kernel, stride, rest[-1])


@fake(_pooled_stage_backward)
def _(gy: Tensor, x: Tensor | None, argmax: Tensor, height: int, width: int, *_: Any) -> Tensor:
    return _new_map(gy, height, width)


def _save_stage(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, order, *ctx.numbers, _ = inputs
    ctx.order, ctx.size = order, x.shape[2:]
    ctx.save_for_backward(x if ORDERS[order][1] else None, output[1])
    ctx.mark_non_differentiable(output[1])


def _stage_gradient(ctx: Any, gy: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
    x, argmax = ctx.saved_tensors
    gx = _pooled_stage_backward(gy, x, argmax, *ctx.size, ctx.order, *ctx.numbers)
    return gx, *[None] * (len(ctx.numbers) + 2)


gradient(_pooled_stage, _stage_gradient, _save_stage)
no_gradient(_pooled_stage_backward)


# --- ReLU and dropout


def relu_dropout(x: Tensor, p: float, seed: int, relu: bool = True) -> Tensor:
    """`x`, after a ReLU unless `relu` is False, with dropout: zero with probability `p`, else divided by 1-p.

    Which elements are dropped is a function of `seed` (0 to 2^63 - 1) and the element's place in row-major order
    alone: use another seed for every layer and step. Raises ConfigError for a `p` or `seed` out of range.
    (PAPER, section 4.2; there the outputs are halved at test time instead)
    """
    if not (0 <= p < 1 and 0 <= seed < 2**63):
        raise ConfigError(f"Dropout needs p from 0 to below 1 and a seed from 0 to 2^63 - 1, not {p} and {seed}.")
    if not fused(x.device, x.dtype):
        return twin(twins.relu_dropout)(x, p, seed, relu)
    y: Tensor = _relu_dropout(x, p, seed, relu)
    return y


@operator()
def _relu_dropout(x: Tensor, p: float, seed: int, relu: bool) -> Tensor:
    x = x.contiguous()
    y = torch.empty_like(x)
    numbers = torch.get_num_threads(), seed, twins.dropout_threshold(p), 1 / (1 - p), relu
    native.run("dropout_forward", x.numel(), _is_bf16(x), *numbers, x.data_ptr(), y.data_ptr())
    return y


@operator()
def _relu_dropout_backward(gy: Tensor, y: Tensor | None, p: float, seed: int) -> Tensor:
    """The gradient; `y` is the output of a forward pass with ReLU."""
    gy = gy.contiguous()
    gx = torch.empty_like(gy)
    numbers = torch.get_num_threads(), seed, twins.dropout_threshold(p), 1 / (1 - p)
    pointers = y.data_ptr() if y is not None else None, gy.data_ptr(), gx.data_ptr()
    native.run("dropout_backward", gy.numel(), _is_bf16(gy), *numbers, *pointers)
    return gx


@fake(_relu_dropout)
def _(x: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@fake(_relu_dropout_backward)
def _(gy: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(gy, memory_format=torch.contiguous_format)


def _save_dropout(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, *ctx.numbers, relu = inputs
    ctx.save_for_backward(output if relu else None)


def _dropout_gradient(ctx: Any, gy: Tensor) -> tuple[Tensor | None, ...]:
    return _relu_dropout_backward(gy, *ctx.saved_tensors, *ctx.numbers), None, None, None


gradient(_relu_dropout, _dropout_gradient, _save_dropout)
no_gradient(_relu_dropout_backward)


# --- the update of the weights


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
    if not (types and fused(grad.device, grad.dtype) and master.device.type == "cpu" and _is_dense(master)):
        twins.momentum_update(master, velocity, grad, working, lr, momentum, weight_decay)
    else:
        _momentum_update(master, velocity, grad, working, lr, momentum, weight_decay)
        for changed in held:
            increment_version(changed)  # for the gradients of graphs that hold the old values


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
    native.run("momentum_update", master.numel(), _is_bf16(grad), *numbers, *pointers)


@fake(_momentum_update)
def _(master: Tensor, *_: Any) -> None:
    return None
