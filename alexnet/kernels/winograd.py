"""Convolutions with fewer multiplications: `torch.ops.alexnet.winograd`, with its gradients.

N images, C channels and O outputs in G groups, H×W pixels, K×K weights. Winograd's way (Lavin and Gray, "Fast
algorithms for convolutional neural networks", 2016): tiles of 6 × 6 numbers, each with 4 × 4 outputs of a 3 × 3 kernel
or 2 × 2 of a 5 × 5 one. The sums are those of `torch.nn.functional.conv2d` but for rounding. A number that is not
finite spoils its whole tile.
"""

from collections.abc import Sequence
from ctypes import byref
from typing import Any, Final

import torch
from torch import Tensor

from alexnet.kernels import native
from alexnet.kernels.fused import channels_last, fused, new_map
from alexnet.kernels.operators import fake, gradient, no_gradient, operator

KERNELS: Final = (3, 5)
PANEL: Final = 16  # channels and outputs of a group are multiples of it
COST: Final = 1.4  # of a product in tiles, where that of a direct convolution is 1
SETS: Final = ("avx2", "avx512")  # instruction sets for which there are enough registers; measured with AVX2


def fits(x: Tensor, weight: Tensor, stride: int, padding: tuple[int, int], groups: int) -> bool:
    """Whether Winograd's way is there, and pays, for a convolution of `x` (N, C, H, W) with `weight` (O, C / G, K, K).

    The answer is the same for any number of images, so that every image has the same sums in any batch.
    """
    outputs, channels, *kernel = weight.shape
    return (
        fused(x.device, x.dtype)
        and stride == 1
        and kernel[0] == kernel[1]
        and kernel[0] in KERNELS
        and max(padding) < kernel[0]
        and channels % PANEL == 0
        and outputs % (PANEL * groups) == 0
        and len(x) > 0
        and x.dtype == weight.dtype == torch.float32
        and native.table().instructions.decode() in SETS
        and not torch.is_autocast_enabled("cpu")
        and _pays(x.shape[-2:], kernel[0], padding)
    )


def points_of_map(shape: Sequence[int], weight: Sequence[int]) -> int:
    """Products for each pair of channels of a map of `shape` (N, O, H', W') by `weight` (O, C / G, K, K)."""
    made = 7 - weight[-1]
    return 36 * shape[0] * -(-shape[2] // made) * -(-shape[3] // made)


def _pays(sizes: Sequence[int], kernel: int, padding: tuple[int, int]) -> bool:
    """Whether the products of tiles are so much fewer than those with a number of the map that the transforms pay."""
    tiled = direct = 1
    for size, zeros in zip(sizes, padding, strict=True):
        outputs = size + 2 * zeros - kernel + 1
        tiled *= 6 * -(-outputs // (7 - kernel))
        direct *= sum(min(size, at + kernel) - max(0, at) for at in range(-zeros, outputs - zeros))
    return COST * tiled < direct


def winograd(x: Tensor, weight: Tensor, bias: Tensor, padding: tuple[int, int], groups: int) -> Tensor:
    """`F.conv2d(x, weight, bias, 1, padding, 1, groups)`, (N, O, H', W'), of what `fits`."""
    y: Tensor = _winograd(x, weight, bias, padding[0], padding[1], groups)
    return y


def points_of(weight: Tensor, groups: int) -> Tensor:
    """What `winograd_of_points` takes for `weight` (O, C / G, K, K): 36 products take it for each pair of channels."""
    return _points(weight, groups, turned=False)


def winograd_of_points(
    x: Tensor, points: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int], groups: int, relu: bool
) -> Tensor:
    """`winograd` with `points_of(weight)`, then a ReLU if `relu`; without gradients."""
    kernel = weight.shape[-1]
    rows, columns = (size + 2 * zeros - kernel + 1 for size, zeros in zip(x.shape[-2:], padding, strict=True))
    return _convolved(x, points, bias, new_map(x, rows, columns, channels=len(weight)), kernel, padding, groups, relu)


@operator()
def _winograd(x: Tensor, weight: Tensor, bias: Tensor, top: int, left: int, groups: int) -> Tensor:
    return winograd_of_points(x, points_of(weight, groups), weight, bias, (top, left), groups, relu=False)


@operator()
def _winograd_input(gy: Tensor, weight: Tensor, height: int, width: int, top: int, left: int, groups: int) -> Tensor:
    """The gradient of the input, (N, C, H, W): a convolution by the weights turned round, from outputs to channels."""
    kernel, channels = weight.shape[-1], weight.shape[1] * groups
    gx, points = new_map(gy, height, width, channels=channels), _points(weight, groups, turned=True)
    return _convolved(gy, points, None, gx, kernel, (kernel - 1 - top, kernel - 1 - left), groups, relu=False)


@operator()
def _winograd_weight(gy: Tensor, x: Tensor, weight: Tensor, top: int, left: int, groups: int) -> Tensor:
    """The gradient of the weight, (O, C / G, K, K), of which only the shape matters here."""
    gy, x = channels_last(gy), channels_last(x)
    outputs, channels, kernel, _ = weight.shape
    sizes = _sizes(x, gy, kernel, (top, left), groups)
    made = torch.empty(kernel, kernel, groups, channels, outputs // groups, device=x.device)
    native.run(
        "winograd_weight_gradient",
        *(byref(sizes), torch.get_num_threads(), x.data_ptr(), gy.data_ptr(), made.data_ptr()),
    )
    of_weight = made.permute(2, 4, 3, 0, 1).reshape(weight.shape)
    return channels_last(of_weight)


@fake(_winograd)
def _(x: Tensor, weight: Tensor, bias: Tensor, top: int, left: int, groups: int) -> Tensor:
    rows, columns = x.shape[2] + 2 * top - weight.shape[2] + 1, x.shape[3] + 2 * left - weight.shape[3] + 1
    return new_map(x, rows, columns, channels=len(weight))


@fake(_winograd_input)
def _(gy: Tensor, weight: Tensor, height: int, width: int, top: int, left: int, groups: int) -> Tensor:
    return new_map(gy, height, width, channels=weight.shape[1] * groups)


@fake(_winograd_weight)
def _(gy: Tensor, x: Tensor, weight: Tensor, top: int, left: int, groups: int) -> Tensor:
    return torch.empty_like(weight, memory_format=torch.channels_last)


def _points(weight: Tensor, groups: int, turned: bool) -> Tensor:
    outputs, channels, kernel, _ = weight.shape
    made = outputs // groups
    # (K, K, G, channels, outputs); the other way for a gradient, which goes from outputs to channels
    order = (3, 4, 0, 1, 2) if turned else (3, 4, 0, 2, 1)
    w = weight.view(groups, made, channels, kernel, kernel).permute(order).contiguous()
    points = torch.empty(36, w[0, 0].numel(), device=weight.device)
    read, write = (made, channels) if turned else (channels, made)
    sizes = native.Convolution(1, 1, 1, read * groups, write * groups, groups, kernel, 0, 0, 1, 1)
    native.run("winograd_weights", byref(sizes), int(turned), torch.get_num_threads(), w.data_ptr(), points.data_ptr())
    return points


def _convolved(
    x: Tensor,
    points: Tensor,
    bias: Tensor | None,
    y: Tensor,
    kernel: int,
    padding: tuple[int, int],
    groups: int,
    relu: bool,
) -> Tensor:
    """`y` (N, O, H', W'), written."""
    x, bias = channels_last(x), None if bias is None else bias.contiguous()
    sizes = _sizes(x, y, kernel, padding, groups)
    native.run(
        "winograd_forward",
        *(byref(sizes), int(relu), torch.get_num_threads()),
        *(x.data_ptr(), points.data_ptr(), None if bias is None else bias.data_ptr(), y.data_ptr()),
    )
    return y


def _sizes(x: Tensor, y: Tensor, kernel: int, padding: tuple[int, int], groups: int) -> native.Convolution:
    """A convolution from x (N, C, H, W) to y (N, O, H', W')."""
    images, channels, height, width = x.shape
    return native.Convolution(images, height, width, channels, y.shape[1], groups, kernel, *padding, *y.shape[-2:])


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, weight, _, *ctx.numbers = inputs
    ctx.save_for_backward(x, weight)


def _gradient(ctx: Any, gy: Tensor) -> tuple[Tensor | None, ...]:
    x, weight = ctx.saved_tensors
    wanted = ctx.needs_input_grad
    return (
        _winograd_input(gy, weight, *x.shape[-2:], *ctx.numbers) if wanted[0] else None,
        _winograd_weight(gy, x, weight, *ctx.numbers) if wanted[1] else None,
        gy.sum((0, 2, 3)) if wanted[2] else None,
        *[None] * 3,
    )


gradient(_winograd, _gradient, _save)
no_gradient(_winograd_input)
no_gradient(_winograd_weight)
