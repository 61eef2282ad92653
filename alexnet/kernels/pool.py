"""Max-pooling with what comes before and after it, registered with PyTorch: `torch.ops.alexnet.pooled_stage`.

Maps are (N, C, H, W) and leave in channels-last memory format; other inputs are brought into it first.
"""

from collections.abc import Sequence
from ctypes import byref
from typing import Any

import torch
from torch import Tensor

from alexnet.errors import ConfigError, unknown
from alexnet.kernels import native, twins
from alexnet.kernels.fused import channels_last, fused, is_bf16, new_map
from alexnet.kernels.norm import check_norm, native_norm, response_norm, within_tower
from alexnet.kernels.operators import fake, gradient, no_gradient, operator
from alexnet.kernels.torch_compile import twin
from alexnet.kernels.twins import NOT_SPATIAL, UNPADDED, Order, Padding, Spatial

# ReLU commutes with a maximum: without a norm between them it runs after the pool, on a quarter of the numbers.
ORDERS: dict[str, Order] = {
    "relu-norm-pool": Order(relu=True, norm=True),  # the paper, Caffe's bvlc_alexnet
    "relu-norm-spatial norm-pool": Order(relu=True, norm=True, spatial=True),  # layer 2 of the code of 2012
    "norm-pool-relu": Order(norm=True, relu_after=True),  # layer 1 of the code of 2012
    "norm-pool": Order(norm=True),
    "relu-pool-norm": Order(relu_after=True, norm_after=True),  # Caffe's bvlc_reference_caffenet
    "pool-norm": Order(norm_after=True),
    "relu-pool": Order(relu_after=True),
    "pool-relu": Order(relu_after=True),  # layer 5 of the code of 2012
    "pool": Order(),
}


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
    *,
    spatial: Spatial = NOT_SPATIAL,
    padding: Padding = UNPADDED,
) -> Tensor:
    """The max-pooled map of `x` (N, C, H, W) with ReLU and response normalisation, in one pass.

    `order` names the steps, one of `ORDERS`; `kernel` and `stride` are the pool's, `padding` is what lies around the
    map for it and is never the maximum; `spatial` are the numbers of a spatial norm; the others are those of
    `response_norm`. Equal numbers, NaN and infinity are treated as PyTorch's own operators do. Raises ConfigError for
    an order, shape or number that does not fit. (PAPER, sections 3.3 and 3.4)
    """
    if order not in ORDERS:
        raise unknown("order of ReLU, norm and pool", order, ORDERS)
    check_norm(x, lo, hi, k, alpha, towers)
    _check_pool(x, kernel, stride, padding)
    steps, norm = ORDERS[order], (*within_tower(x, lo, hi, towers), k, alpha, beta, towers)
    if steps.spatial and not (spatial.size % 2 and spatial.size > 0 and spatial.k > 0 and spatial.alpha >= 0):
        raise ConfigError(f"A spatial norm needs an odd size, k above 0 and alpha of at least 0, not {spatial}.")
    if not fused(x.device, x.dtype):
        return twin(twins.pooled_stage, x)(x, steps, kernel, stride, *norm, spatial, padding)
    record = torch.is_grad_enabled() and x.requires_grad
    y: Tensor
    y, _ = _pooled_stage(x, order, kernel, stride, padding, *norm, *spatial, record)
    if steps.norm_after:  # a quarter of the map is left to read: fusing this too would gain next to nothing
        y = response_norm(y, *norm)
    return y


def _check_pool(x: Tensor, kernel: int, stride: int, padding: Padding) -> None:
    fits = 1 <= kernel <= native.MAX_KERNEL and stride >= 1 and all(0 <= side < kernel for side in padding)
    height, width = _padded(x.shape[2:], padding)
    if not fits or min(height, width) < kernel or not _reaches(x.shape[2:], kernel, stride, padding):
        raise ConfigError(
            f"A pool of {kernel}×{kernel} with stride {stride} and padding {tuple(padding)} does not fit a map of"
            f" {tuple(x.shape[2:])}; kernels go from 1 to {native.MAX_KERNEL} and to the size of the map, strides from"
            " 1, and every window must see a part of the map."
        )


def _padded(size: Sequence[int], padding: Sequence[int]) -> tuple[int, int]:
    """Height and width with the padding, which is top, bottom, left, right."""
    top, bottom, left, right = padding
    return size[0] + top + bottom, size[1] + left + right


def _pooled(size: Sequence[int], kernel: int, stride: int, padding: Sequence[int]) -> tuple[int, int]:
    """Height and width of the pooled map."""
    height, width = _padded(size, padding)
    return (height - kernel) // stride + 1, (width - kernel) // stride + 1


def _reaches(size: Sequence[int], kernel: int, stride: int, padding: Padding) -> bool:
    """Whether the first and the last window see a part of the map, in both directions."""
    windows, before = _pooled(size, kernel, stride, padding), (padding.top, padding.left)
    last = ((count - 1) * stride - start for count, start in zip(windows, before, strict=True))
    return all(start < length for start, length in zip(last, size, strict=True))


@operator()
def _pooled_stage(
    x: Tensor,
    order: str,
    kernel: int,
    stride: int,
    padding: Sequence[int],
    lo: int,
    hi: int,
    k: float,
    alpha: float,
    beta: float,
    towers: int,
    spatial_size: int,
    spatial_k: float,
    spatial_alpha: float,
    spatial_beta: float,
    record: bool,
) -> tuple[Tensor, Tensor]:
    """The pooled map up to a norm after it, and its uint8 argmax (empty unless `record`)."""
    x = channels_last(x)
    y, argmax = _new_pooled(x, kernel, stride, padding, record)
    norm = native_norm(x, lo, hi, k, alpha, beta, towers)
    spatial = native.Spatial(spatial_size, spatial_k, spatial_alpha, spatial_beta)
    stage = _stage(x.shape, order, kernel, stride, padding, norm, spatial)
    places = argmax.data_ptr() if record else None
    native.run("stage_forward", byref(stage), is_bf16(x), torch.get_num_threads(), x.data_ptr(), y.data_ptr(), places)
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
    padding: Sequence[int],
    lo: int,
    hi: int,
    k: float,
    alpha: float,
    beta: float,
    towers: int,
    spatial_size: int,
    spatial_k: float,
    spatial_alpha: float,
    spatial_beta: float,
) -> Tensor:
    """The gradient of the map before the stage, of that `height` and `width`; `x` is needed only by a norm."""
    gy, argmax = channels_last(gy), channels_last(argmax)
    gx = new_map(gy, height, width)
    norm = native_norm(gx, lo, hi, k, alpha, beta, towers)
    spatial = native.Spatial(spatial_size, spatial_k, spatial_alpha, spatial_beta)
    stage = _stage(gx.shape, order, kernel, stride, padding, norm, spatial)
    x = channels_last(x) if x is not None else None
    pointers = x.data_ptr() if x is not None else None, argmax.data_ptr(), gy.data_ptr(), gx.data_ptr()
    native.run("stage_backward", byref(stage), is_bf16(gy), torch.get_num_threads(), *pointers)
    return gx


def _stage(
    shape: torch.Size,
    order: str,
    kernel: int,
    stride: int,
    padding: Sequence[int],
    norm: native.Norm,
    spatial: native.Spatial,
) -> native.Stage:
    steps = ORDERS[order]
    n, _, h, w = shape
    flags = steps.norm, steps.relu, steps.relu_after, steps.spatial
    return native.Stage(norm, spatial, n, h, w, kernel, stride, *padding, *flags)


def _new_pooled(x: Tensor, kernel: int, stride: int, padding: Sequence[int], record: bool) -> tuple[Tensor, Tensor]:
    height, width = _pooled(x.shape[2:], kernel, stride, padding)
    argmax = new_map(x, height, width, torch.uint8) if record else x.new_empty(0, dtype=torch.uint8)
    return new_map(x, height, width), argmax


@fake(_pooled_stage)
def _(x: Tensor, order: str, kernel: int, stride: int, padding: Sequence[int], *rest: Any) -> tuple[Tensor, Tensor]:
    return _new_pooled(x, kernel, stride, padding, rest[-1])


@fake(_pooled_stage_backward)
def _(gy: Tensor, x: Tensor | None, argmax: Tensor, height: int, width: int, *_: Any) -> Tensor:
    return new_map(gy, height, width)


def _save_stage(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, order, *ctx.numbers, _ = inputs
    ctx.order, ctx.size = order, x.shape[2:]
    ctx.save_for_backward(x if ORDERS[order].norm else None, output[1])
    ctx.mark_non_differentiable(output[1])


def _stage_gradient(ctx: Any, gy: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
    x, argmax = ctx.saved_tensors
    gx = _pooled_stage_backward(gy, x, argmax, *ctx.size, ctx.order, *ctx.numbers)
    return gx, *[None] * (len(ctx.numbers) + 2)


gradient(_pooled_stage, _stage_gradient, _save_stage)
no_gradient(_pooled_stage_backward)
