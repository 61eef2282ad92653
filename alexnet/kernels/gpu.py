"""What the twins compute, on CUDA devices in one pass each: kernels in Triton, which PyTorch's builds for GPUs bring.

Maps are (N, C, H, W) in channels-last memory format: rows of C channels, one a pixel. Sums and powers are float32.
"""

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from alexnet.kernels import twins
from alexnet.kernels.fused import channels_last
from alexnet.kernels.twins import Spatial, dropout_threshold

ELEMENTS = 1024  # that a program works on
WIDEST = 256  # channels of a program
COUNTERS = 256  # of Philox a program, each for four elements


@triton.jit
def _power(scale, beta, three_quarters: tl.constexpr):  # scale^-beta
    if three_quarters:
        power = 1.0 / tl.sqrt_rn(scale * tl.sqrt_rn(scale))
    else:
        power = tl.exp2(-beta * tl.log2(scale))
    return power


@triton.jit
def _norm_forward(
    x, y, scales, rows, channels, tower, k, alpha, beta,
    lo: tl.constexpr, hi: tl.constexpr, three_quarters: tl.constexpr, tall: tl.constexpr, wide: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * tall + tl.arange(0, tall)
    channel = tl.program_id(1) * wide + tl.arange(0, wide)
    at = row[:, None] * channels + channel[None, :]
    inside = (row < rows)[:, None] & (channel < channels)[None, :]
    total = tl.zeros([tall, wide], tl.float32)
    for step in tl.static_range(-lo, hi + 1):
        other = channel + step
        together = (other >= 0) & (other < channels) & (other // tower == channel // tower)
        value = tl.load(x + at + step, mask=inside & together[None, :], other=0.0).to(tl.float32)
        total += value * value
    scale = k + alpha * total
    value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(y + at, value * _power(scale, beta, three_quarters), mask=inside)
    tl.store(scales + at, scale, mask=inside)


@triton.jit
def _norm_backward(
    gy, x, scales, gx, rows, channels, tower, alpha, beta,
    lo: tl.constexpr, hi: tl.constexpr, three_quarters: tl.constexpr, tall: tl.constexpr, wide: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * tall + tl.arange(0, tall)
    channel = tl.program_id(1) * wide + tl.arange(0, wide)
    at = row[:, None] * channels + channel[None, :]
    inside = (row < rows)[:, None] & (channel < channels)[None, :]
    total = tl.zeros([tall, wide], tl.float32)
    for step in tl.static_range(-hi, lo + 1):  # the channels whose windows this one is in
        other = channel + step
        together = (other >= 0) & (other < channels) & (other // tower == channel // tower)
        mask = inside & together[None, :]
        scale = tl.load(scales + at + step, mask=mask, other=1.0)
        value = tl.load(x + at + step, mask=mask, other=0.0).to(tl.float32)
        gradient = tl.load(gy + at + step, mask=mask, other=0.0).to(tl.float32)
        total += gradient * value * _power(scale, beta, three_quarters) / scale
    scale = tl.load(scales + at, mask=inside, other=1.0)
    value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    gradient = tl.load(gy + at, mask=inside, other=0.0).to(tl.float32)
    result = gradient * _power(scale, beta, three_quarters) - 2.0 * alpha * beta * value * total
    tl.store(gx + at, result, mask=inside)


@triton.jit
def _spatial_forward(
    x, y, scales, rows, channels, height, width, k, alpha, beta,
    reach: tl.constexpr, three_quarters: tl.constexpr, tall: tl.constexpr, wide: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * tall + tl.arange(0, tall)
    channel = tl.program_id(1) * wide + tl.arange(0, wide)
    at = row[:, None] * channels + channel[None, :]
    inside = (row < rows)[:, None] & (channel < channels)[None, :]
    down, right = row // width % height, row % width
    total = tl.zeros([tall, wide], tl.float32)
    for i in tl.static_range(-reach, reach + 1):
        for j in tl.static_range(-reach, reach + 1):
            here = (down + i >= 0) & (down + i < height) & (right + j >= 0) & (right + j < width)
            place = at + (i * width + j) * channels
            value = tl.load(x + place, mask=inside & here[:, None], other=0.0).to(tl.float32)
            total += value * value
    scale = k + alpha * total
    value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(y + at, value * _power(scale, beta, three_quarters), mask=inside)
    tl.store(scales + at, scale, mask=inside)


@triton.jit
def _spatial_backward(
    gy, x, scales, gx, rows, channels, height, width, alpha, beta,
    reach: tl.constexpr, three_quarters: tl.constexpr, tall: tl.constexpr, wide: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * tall + tl.arange(0, tall)
    channel = tl.program_id(1) * wide + tl.arange(0, wide)
    at = row[:, None] * channels + channel[None, :]
    inside = (row < rows)[:, None] & (channel < channels)[None, :]
    down, right = row // width % height, row % width
    total = tl.zeros([tall, wide], tl.float32)
    for i in tl.static_range(-reach, reach + 1):
        for j in tl.static_range(-reach, reach + 1):
            here = (down + i >= 0) & (down + i < height) & (right + j >= 0) & (right + j < width)
            mask = inside & here[:, None]
            place = at + (i * width + j) * channels
            scale = tl.load(scales + place, mask=mask, other=1.0)
            value = tl.load(x + place, mask=mask, other=0.0).to(tl.float32)
            gradient = tl.load(gy + place, mask=mask, other=0.0).to(tl.float32)
            total += gradient * value * _power(scale, beta, three_quarters) / scale
    scale = tl.load(scales + at, mask=inside, other=1.0)
    value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    gradient = tl.load(gy + at, mask=inside, other=0.0).to(tl.float32)
    result = gradient * _power(scale, beta, three_quarters) - 2.0 * alpha * beta * value * total
    tl.store(gx + at, result, mask=inside)


@triton.jit(do_not_specialize=["seed"])
def _dropout(
    x, y, shown, count, seed, threshold, kept, relu: tl.constexpr, masked: tl.constexpr, counters: tl.constexpr
):
    counter = tl.program_id(0) * counters + tl.arange(0, counters)
    words = tl.randint4x(seed, counter)  # Philox 4x32-10, as in `twins.random_words`
    place = counter.to(tl.int64) // 64 * 256 + counter % 64
    for part in tl.static_range(4):
        at = place + 64 * part
        inside = at < count
        value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
        keep = (words[part].to(tl.int64) & 0xFFFFFFFF) >= threshold
        if masked:  # the gradient behind a ReLU: what came out above zero was kept
            keep = tl.load(shown + at, mask=inside, other=0.0).to(tl.float32) > 0
        if relu:
            value = tl.where(value < 0, 0.0, value)
        tl.store(y + at, tl.where(keep, value * kept, 0.0), mask=inside)


@triton.jit
def _update(master, velocity, grad, working, count, momentum, shrink, lr, copies: tl.constexpr, elements: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * elements + tl.arange(0, elements)
    inside = at < count
    weight = tl.load(master + at, mask=inside)
    gradient = tl.load(grad + at, mask=inside).to(tl.float32)
    moved = momentum * tl.load(velocity + at, mask=inside) - shrink * weight - lr * gradient
    weight += moved
    tl.store(velocity + at, moved, mask=inside)
    tl.store(master + at, weight, mask=inside)
    if copies:
        tl.store(working + at, weight, mask=inside)


def _grid(x: Tensor) -> tuple[tuple[int, int], int, dict[str, int]]:
    """The programs over the rows and channels of a map, the number of rows, and what a program works on."""
    channels = x.shape[1]
    rows = x.numel() // max(channels, 1)
    wide = min(WIDEST, triton.next_power_of_2(channels))
    tall = max(1, ELEMENTS // wide)
    return (triton.cdiv(rows, tall), triton.cdiv(channels, wide)), rows, {"tall": tall, "wide": wide}


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, lo: int, hi: int, k: float, alpha: float, beta: float, towers: int) -> Tensor:
        x = channels_last(x)
        y, scales = torch.empty_like(x), torch.empty_like(x, dtype=torch.float32)
        grid, rows, block = _grid(x)
        shape = rows, x.shape[1], x.shape[1] // towers
        with _device(x):
            _norm_forward[grid](x, y, scales, *shape, k, alpha, beta, lo, hi, beta == 0.75, **block)
        ctx.save_for_backward(x, scales)
        ctx.numbers = shape, alpha, beta, lo, hi
        return y

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> tuple[Tensor | None, ...]:
        x, scales = ctx.saved_tensors
        shape, alpha, beta, lo, hi = ctx.numbers
        gy, gx = channels_last(gy), torch.empty_like(x)
        grid, _, block = _grid(x)
        with _device(x):
            _norm_backward[grid](gy, x, scales, gx, *shape, alpha, beta, lo, hi, beta == 0.75, **block)
        return gx, *[None] * 6


class _Spatial(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, spatial: Spatial) -> Tensor:
        x = channels_last(x)
        y, scales = torch.empty_like(x), torch.empty_like(x, dtype=torch.float32)
        grid, rows, block = _grid(x)
        size, k, alpha, beta = spatial
        shape, constant = (rows, *x.shape[1:]), (size // 2, beta == 0.75)
        with _device(x):
            _spatial_forward[grid](x, y, scales, *shape, k, alpha, beta, *constant, **block)
        ctx.save_for_backward(x, scales)
        ctx.numbers = shape, alpha, beta, constant
        return y

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> tuple[Tensor | None, ...]:
        x, scales = ctx.saved_tensors
        shape, alpha, beta, constant = ctx.numbers
        gy, gx = channels_last(gy), torch.empty_like(x)
        grid, _, block = _grid(x)
        with _device(x):
            _spatial_backward[grid](gy, x, scales, gx, *shape, alpha, beta, *constant, **block)
        return gx, None


class _Dropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float, seed: int, relu: bool) -> Tensor:
        y = _dropped(x, None, p, seed, relu)
        ctx.save_for_backward(y if relu else None)
        ctx.numbers = p, seed
        return y

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> tuple[Tensor | None, ...]:
        (y,) = ctx.saved_tensors
        p, seed = ctx.numbers
        return _dropped(gy, y, p, seed, False), None, None, None


def _dropped(x: Tensor, shown: Tensor | None, p: float, seed: int, relu: bool) -> Tensor:
    x = x.contiguous()
    y, count = torch.empty_like(x), x.numel()
    masked = shown is not None
    numbers = count, seed, dropout_threshold(p), 1 / (1 - p), relu, masked, COUNTERS
    with _device(x):
        _dropout[(triton.cdiv(count, 4 * COUNTERS),)](x, y, shown if masked else x, *numbers)
    return y


def _device(x: Tensor) -> Any:
    """The device of `x` as the one that kernels start on; nothing to do on a CPU, where tests interpret them."""
    return torch.cuda.device_of(x)


def response_norm(x: Tensor, lo: int, hi: int, k: float, alpha: float, beta: float, towers: int) -> Tensor:
    """As `twins.response_norm`."""
    y: Tensor = _Norm.apply(x, lo, hi, k, alpha, beta, towers)
    return y


def spatial_norm(x: Tensor, spatial: Spatial) -> Tensor:
    """As `twins.spatial_norm`."""
    y: Tensor = _Spatial.apply(x, spatial)
    return y


def pooled_stage(x: Tensor, *how: Any) -> Tensor:
    """As `twins.pooled_stage`: the norms are kernels, each a pass; ReLU and the pool are PyTorch's."""
    stage: Callable[..., Tensor] = twins.pooled_stage
    return stage(x, *how, norms=twins.Norms(response_norm, spatial_norm))


def relu_dropout(x: Tensor, p: float, seed: int, relu: bool) -> Tensor:
    """As `twins.relu_dropout` on a CPU: the same elements are dropped."""
    y: Tensor = _Dropped.apply(x, p, seed, relu)
    return y


def momentum_update(
    master: Tensor,
    velocity: Tensor,
    grad: Tensor,
    working: Tensor | None,
    lr: float,
    momentum: float,
    weight_decay: float,
) -> None:
    """As `twins.momentum_update`, of tensors that fill their memory without gaps."""
    if grad.stride() != master.stride():
        grad = torch.empty_like(master, dtype=grad.dtype).copy_(grad)
    copy = master if working is None else working
    numbers = master.numel(), momentum, weight_decay * lr, lr, working is not None, ELEMENTS
    with _device(master):
        _update[(triton.cdiv(master.numel(), ELEMENTS),)](master, velocity, grad, copy, *numbers)
