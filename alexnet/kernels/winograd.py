"""A convolution of stride 1 as products of tiles (Winograd): about a third of the multiplications.

N images, C and O channels in and out of G groups, H×W and H'×W' pixels, T tiles. A tile of 6 × 6 numbers gives 4 × 4
outputs of a 3 × 3 kernel or 2 × 2 of a 5 × 5 one. Transforms are compiled kernels. The products at all 36 points are
one convolution of 1 × 1 with 36 · G groups, by oneDNN: a part of the tiles at a time, so that they stay in the cache.
(Lavin and Gray, Fast algorithms for convolutional neural networks, 2016.)
"""

import ctypes
from collections.abc import Callable
from ctypes import byref, c_int, c_int64, c_void_p
from functools import cache

import torch
from torch import Tensor

from alexnet.kernels import native
from alexnet.kernels.fused import channels_last, new_map

FINITE = (0.0, 1.0, -1.0, 2.0, -2.0)  # the points along a side, and infinity: winograd.cpp knows them too
TILE = len(FINITE) + 1
POINTS = TILE**2
AT_ONCE = 6 << 20  # bytes of tiles and products at once; or twice those of the weights, which each part reads again


class Tiles(ctypes.Structure):
    """Tiles of maps, and how they lie in them: winograd.cpp says what each number is."""

    _fields_ = (
        *((name, c_int64) for name in ("images", "height", "width", "channels", "made", "down", "across")),
        *((name, c_int64) for name in ("first", "count", "top", "left")),
    )


@cache
def available() -> bool:
    """Whether the library has the transforms: one built from older sources has not."""
    library = native.load()
    return isinstance(library, native.Library) and hasattr(
        ctypes.CDLL(str(library.path)), "alexnet_winograd_input_generic"
    )


@cache
def _transform(name: str, instructions: str) -> Callable[..., int]:
    library = native.load()
    assert isinstance(library, native.Library), library
    function = getattr(ctypes.CDLL(str(library.path)), f"alexnet_winograd_{name}_{instructions}")
    pointers, kind = (2, ()) if name == "input" else (3, (c_int,))
    function.argtypes, function.restype = [ctypes.POINTER(Tiles), *kind, c_int, *[c_void_p] * pointers], c_int
    return function  # type: ignore[no-any-return]


def _run(name: str, tiles: Tiles, *arguments: object) -> None:
    native.settle(f"winograd_{name}", _transform(name, native.instruction_set())(byref(tiles), *arguments))


def made_of(kernel: int) -> int:
    """How many outputs a tile has along a side."""
    return TILE - kernel + 1


def at_once(inputs: int, outputs: int, groups: int) -> int:
    """How many tiles of a convolution of so many channels are worked on at once."""
    weights = POINTS * outputs * inputs // groups * 4
    return max(1, max(AT_ONCE, 2 * weights) // (POINTS * (inputs + outputs) * 4))


def tiles(height: int, width: int, kernel: int) -> tuple[int, int]:
    """The tiles down and across an output of `height` × `width` pixels."""
    made = made_of(kernel)
    return -(-height // made), -(-width // made)


def transformed(weight: Tensor) -> Tensor:
    """The weights (36 · O, C / G, 1, 1) of the products, of `weight` (O, C / G, K, K); K is 3 or 5."""
    kernel = weight.shape[2]
    rows = [[at**power for power in range(kernel)] for at in FINITE] + [[0.0] * (kernel - 1) + [1.0]]
    scale = [1.0] * TILE
    for number, at in enumerate(FINITE):
        for other in FINITE[:number] + FINITE[number + 1 :]:
            scale[number] *= at - other
    to_points = torch.tensor(rows, dtype=torch.float64) / torch.tensor(scale, dtype=torch.float64)[:, None]
    both = torch.kron(to_points, to_points)  # (36, K²)
    at_points = weight.double().flatten(2) @ both.t()  # (O, C / G, 36)
    return at_points.to(weight.dtype).permute(2, 0, 1).reshape(-1, weight.shape[1], 1, 1)


def convolve(
    x: Tensor,
    products: Callable[[Tensor], Tensor],
    bias: Tensor,
    kernel: int,
    count: int,
    padding: tuple[int, int],
    relu: bool,
) -> Tensor:
    """The convolution (N, O, H', W') of `x` (N, C, H, W) in float32, after a ReLU if `relu`.

    `products` takes up to `count` tiles (T, 36 · C) and gives their products (T, 36 · O) with `transformed` weights of
    `kernel` × `kernel`; `padding` zeros lie on both sides, above and beside. NaN and infinity make NaN of what shares a
    tile with them.
    """
    x = channels_last(x)
    (images, channels, height, width), (above, beside) = x.shape, padding
    y = new_map(x, height + 2 * above - kernel + 1, width + 2 * beside - kernel + 1, channels=len(bias))
    down, across = tiles(y.shape[2], y.shape[3], kernel)
    common = made_of(kernel), down, across
    threads, total = torch.get_num_threads(), images * down * across
    for first in range(0, total, count):  # of one size but for the last: the weights are in the order for that size
        end = min(first + count, total)
        values = x.new_empty(end - first, POINTS * channels)
        read = Tiles(images, height, width, channels, *common, first, end - first, above, beside)
        _run("input", read, threads, x.data_ptr(), values.data_ptr())
        found = products(values)
        written = Tiles(images, *y.shape[2:], len(bias), *common, first, end - first)
        _run("output", written, relu, threads, found.data_ptr(), bias.data_ptr(), y.data_ptr())
    return y
