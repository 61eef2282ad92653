"""Local response normalisation, registered with PyTorch: `torch.ops.alexnet.response_norm`, with its gradient.

Maps are (N, C, H, W) and leave in channels-last memory format; other inputs are brought into it first.
"""

from ctypes import byref
from typing import Any

import torch
from torch import Tensor

from alexnet.errors import ConfigError
from alexnet.kernels import native, twins
from alexnet.kernels.fused import channels_last, fused, is_bf16, new_map
from alexnet.kernels.operators import fake, gradient, no_gradient, operator
from alexnet.kernels.torch_compile import twin


def check_norm(x: Tensor, lo: int, hi: int, k: float, alpha: float, towers: int) -> None:
    """Raises ConfigError for a map or numbers that no response normalisation takes."""
    if x.dim() != 4:
        raise ConfigError(f"A map has four dimensions (N, C, H, W), not the shape {tuple(x.shape)}.")
    if towers < 1 or x.shape[1] % towers:
        raise ConfigError(f"{x.shape[1]} channels cannot be split into {towers} towers of equal size.")
    if lo < 0 or hi < 0 or not (k > 0 and alpha >= 0):
        raise ConfigError(
            "A response normalisation needs k above 0 and lo, hi and alpha of at least 0, not"
            f" k={k}, lo={lo}, hi={hi}, alpha={alpha}."
        )


def within_tower(x: Tensor, lo: int, hi: int, towers: int) -> tuple[int, int]:
    """The same window over a map `x` (N, C, H, W) without what lies outside of every tower: no scratch is for that."""
    reach = x.shape[1] // towers
    return min(lo, reach), min(hi, reach)


def native_norm(x: Tensor, lo: int, hi: int, k: float, alpha: float, beta: float, towers: int) -> native.Norm:
    """The numbers of a norm of the map `x` (N, C, H, W) as the compiled kernels take them."""
    return native.Norm(x.shape[1], towers, *within_tower(x, lo, hi, towers), k, alpha, beta)


def response_norm(x: Tensor, lo: int, hi: int, k: float, alpha: float, beta: float = 0.75, towers: int = 1) -> Tensor:
    """`x * (k + alpha * Σ x²)^-beta`, Σ over channels c-lo to c+hi; same shape and dtype as `x` (N, C, H, W).

    Missing channels count as zero, and no window crosses from one of the `towers` equal blocks of channels into
    another. `alpha` multiplies the plain sum: a convention that divides it by n does so before the call.
    Raises ConfigError for a shape or number that does not fit. (PAPER, section 3.3)
    """
    check_norm(x, lo, hi, k, alpha, towers)
    lo, hi = within_tower(x, lo, hi, towers)
    if not fused(x.device, x.dtype):
        return twin(twins.response_norm, x)(x, lo, hi, k, alpha, beta, towers)
    y: Tensor = _response_norm(x, lo, hi, k, alpha, beta, towers)
    return y


@operator()
def _response_norm(x: Tensor, lo: int, hi: int, k: float, alpha: float, beta: float, towers: int) -> Tensor:
    x = channels_last(x)
    y = new_map(x, x.shape[2], x.shape[3])
    norm = native_norm(x, lo, hi, k, alpha, beta, towers)
    pixels = x.shape[0] * x.shape[2] * x.shape[3]
    threads = torch.get_num_threads()
    native.run("norm_forward", byref(norm), pixels, is_bf16(x), threads, x.data_ptr(), y.data_ptr())
    return y


@operator()
def _response_norm_backward(
    gy: Tensor, x: Tensor, lo: int, hi: int, k: float, alpha: float, beta: float, towers: int
) -> Tensor:
    x, gy = channels_last(x), channels_last(gy)
    gx = new_map(x, x.shape[2], x.shape[3])
    norm = native_norm(x, lo, hi, k, alpha, beta, towers)
    pixels = x.shape[0] * x.shape[2] * x.shape[3]
    pointers = x.data_ptr(), gy.data_ptr(), gx.data_ptr()
    native.run("norm_backward", byref(norm), pixels, is_bf16(x), torch.get_num_threads(), *pointers)
    return gx


@fake(_response_norm)
def _(x: Tensor, *_: Any) -> Tensor:
    return new_map(x, x.shape[2], x.shape[3])


@fake(_response_norm_backward)
def _(gy: Tensor, x: Tensor, *_: Any) -> Tensor:
    return new_map(x, x.shape[2], x.shape[3])


def _save_norm(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(inputs[0])
    ctx.numbers = inputs[1:]


def _norm_gradient(ctx: Any, gy: Tensor) -> tuple[Tensor | None, ...]:
    return _response_norm_backward(gy, *ctx.saved_tensors, *ctx.numbers), *[None] * len(ctx.numbers)


gradient(_response_norm, _norm_gradient, _save_norm)
no_gradient(_response_norm_backward)
