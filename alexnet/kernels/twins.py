"""What every kernel computes, in plain PyTorch: for any device and dtype, differentiable, and right at sight.

N images, C channels, H and W height and width. Half-precision numbers are normalised in float32 and rounded once,
before a pool chooses among them.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Order(NamedTuple):
    """What comes before a pool, in this order, and what comes after it."""

    relu: bool = False
    norm: bool = False
    spatial: bool = False
    relu_after: bool = False
    norm_after: bool = False


class Spatial(NamedTuple):
    """The numbers of a spatial norm; `alpha` multiplies the plain sum over `size` × `size` positions."""

    size: int
    k: float
    alpha: float
    beta: float


class Padding(NamedTuple):
    """What lies around a map."""

    top: int
    bottom: int
    left: int
    right: int


NOT_SPATIAL = Spatial(1, 1.0, 0.0, 0.75)
UNPADDED = Padding(0, 0, 0, 0)


def _wide(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def response_norm(
    x: Tensor, lo: int, hi: int, k: float, alpha: float, beta: float, towers: int
) -> Tensor:  # x and result (N, C, H, W)
    """`x * (k + alpha * sum of x² over channels c-lo to c+hi)^-beta`, inside each tower's block of channels."""
    n, c, h, w = x.shape
    v = _wide(x).reshape(n, towers, c // towers, h, w)
    squares = F.pad(v.square(), (0, 0, 0, 0, lo, hi))
    sums = sum((squares[:, :, i : i + c // towers] for i in range(lo + hi + 1)), start=torch.zeros_like(v))
    return (v * (k + alpha * sums).pow(-beta)).reshape(n, c, h, w).to(x.dtype)


def spatial_norm(x: Tensor, spatial: Spatial) -> Tensor:
    """`x * (k + alpha * sum of x² over the positions around it)^-beta`, positions outside the map counting as 0."""
    v, (size, k, alpha, beta) = _wide(x), spatial
    means = F.avg_pool2d(v.square(), size, stride=1, padding=size // 2)  # the zeros counted
    return (v * (k + alpha * size**2 * means).pow(-beta)).to(x.dtype)


class Norms(NamedTuple):
    """What normalises in a stage."""

    response: Callable[..., Tensor]
    spatial: Callable[..., Tensor]


NORMS = Norms(response_norm, spatial_norm)


def pooled_stage(
    x: Tensor,
    order: Order,
    kernel: int,
    stride: int,
    lo: int,
    hi: int,
    k: float,
    alpha: float,
    beta: float,
    towers: int,
    spatial: Spatial = NOT_SPATIAL,
    padding: Padding = UNPADDED,
    norms: Norms = NORMS,
) -> Tensor:
    """The max-pooled map of `x`, with ReLU and response normalisation before or after as `order` says."""
    if order.relu:
        x = F.relu(x)
    if order.norm:
        x = norms.response(x, lo, hi, k, alpha, beta, towers)
    if order.spatial:
        x = norms.spatial(x, spatial)
    if any(padding):
        x = F.pad(x, (padding.left, padding.right, padding.top, padding.bottom), value=-math.inf)
    x = F.max_pool2d(x, kernel, stride)
    if order.relu_after:
        x = F.relu(x)
    if order.norm_after:
        x = norms.response(x, lo, hi, k, alpha, beta, towers)
    return x


def random_words(count: int, seed: int, device: torch.device | str = "cpu") -> Tensor:
    """The `count` random words (0 to 2^32 - 1, int64) that decide about elements 0 to count - 1 under `seed`.

    Elements come in chunks of 256, which take 64 counters of Philox 4x32-10 (Salmon and others, 2011), the first
    words of all of them first.
    """
    low = 0xFFFFFFFF
    counter = torch.arange(-(-count // 256) * 64, dtype=torch.int64, device=device)
    a, b, c, d = counter & low, counter >> 32, torch.zeros_like(counter), torch.zeros_like(counter)
    key, other_key = seed & low, seed >> 32
    for _ in range(10):
        p, q = 0xD2511F53 * a, 0xCD9E8D57 * c  # int64 wraps: the 64 bits are those of the unsigned product
        a, b, c, d = (q >> 32 & low) ^ b ^ key, q & low, (p >> 32 & low) ^ d ^ other_key, p & low
        key, other_key = (key + 0x9E3779B9) & low, (other_key + 0xBB67AE85) & low
    return torch.stack([w.reshape(-1, 64) for w in (a, b, c, d)], dim=1).reshape(-1)[:count]


def dropout_threshold(p: float) -> int:
    """The 32-bit number under which an element's word drops it, so that a share `p` is dropped."""
    return min(round(p * 2**32), 2**32 - 1)


def relu_dropout(x: Tensor, p: float, seed: int, relu: bool) -> Tensor:
    """`x`, after a ReLU if `relu`, with a share `p` of the elements set to zero and the others divided by 1-p."""
    v = F.relu(_wide(x)) if relu else _wide(x)
    return torch.where(_kept(x, p, seed), v / (1 - p), 0).to(x.dtype)


def _kept(x: Tensor, p: float, seed: int) -> Tensor:
    """Which elements of `x` are kept (bool, as `x`): a function of `seed`, and on a GPU of its kind.

    There the words would be two hundred operations, each to be launched, unless they are compiled into one.
    """
    if x.device.type == "cpu" or torch.compiler.is_compiling():
        return random_words(x.numel(), seed, x.device).reshape(x.shape) >= dropout_threshold(p)
    generator = torch.Generator(x.device).manual_seed(seed)
    return torch.rand(x.shape, generator=generator, device=x.device) >= p


def augment(
    photographs: Sequence[Tensor],
    top: Tensor,
    left: Tensor,
    mirrored: Tensor,
    shift: Tensor,
    mean: Tensor,
    scale: float,
) -> Tensor:
    """The views (N, 3, crop, crop), float32, of uint8 photographs (H, W, 3)."""
    crop = mean.shape[0]
    views = []
    for pixels, y, x, flip, colour in zip(
        photographs, top.tolist(), left.tolist(), mirrored.tolist(), shift, strict=True
    ):
        view = pixels[y : y + crop, x : x + crop].float()
        views.append(((view.flip(1) if flip else view) - mean + colour) * scale)
    return torch.stack(views).permute(0, 3, 1, 2)


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
    """The paper's rule, in place: see `ops.momentum_update`."""
    velocity.mul_(momentum).sub_(master, alpha=weight_decay * lr).sub_(grad.to(velocity.dtype), alpha=lr)
    master.add_(velocity)
    if working is not None:
        working.copy_(master)
