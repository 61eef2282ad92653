"""Convolutions whose weights stand still: what a network that only answers does instead of PyTorch's `conv2d`.

N images, C and O channels in and out of G groups, H×W pixels, K×K weights. oneDNN, which PyTorch calls for convolutions
on x86, puts weights in an order of its own at every call; here that is done once. In fp32, on processors where that is
measured to be faster, several images are to go through `alexnet.kernels.winograd`, whose sums are rounded otherwise: by
some millionths of the largest output.
"""

from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.kernels import native, winograd
from alexnet.kernels.fused import channels_last, fused
from alexnet.kernels.space_to_depth import space_to_depth_weight

X86 = ("avx2", "avx512")  # instruction sets for which weights are put in order
FASTER_IN_TILES: tuple[str, ...] = ()  # of these, where a whole pass in tiles was measured to be faster: none yet
KERNELS = (3, 5)  # that there are tiles for
LEAST_CHANNELS = 16  # below that, products are too small to gain
LEAST_IMAGES = 2  # one alone, often the only one of a process, gains less than transforming the weights costs


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    stride: int,
    padding: tuple[int, int],
    groups: int,
    block: int,
    relu: bool,
) -> Tensor:
    """The map (N, O, H', W') of `x` (N, C, H, W), after a ReLU if `relu`, by PyTorch's own operators.

    `weight` is (O, C / G, K, K), `bias` (O,), `padding` the zeros above and beside. With a `block`, which is the
    stride then, images come in blocks of so many pixels a side, as `alexnet.kernels.space_to_depth` makes them.
    """
    weight, stride = _dense(weight, stride, block)
    y = F.conv2d(x, weight, bias, stride, padding, groups=groups)
    return F.relu(y) if relu else y


class PreparedConvolution:
    """`convolution` with all but `x` and `relu` given, and without gradients.

    Weights are put in order when they are first needed, and again if they have changed in place. Threads may share it.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, stride: int, padding: tuple[int, int], groups: int, block: int
    ) -> None:
        self.weight, self.bias, self.stride = weight, bias, stride
        self.padding, self.groups, self.block = padding, groups, block
        self._ordered: dict[bool, tuple[tuple[int, int], Tensor]] = {}

    def __call__(self, x: Tensor, relu: bool) -> Tensor:
        """The map (N, O, H', W') of `x` (N, C, H, W), after a ReLU if `relu`."""
        if not len(x) or why_plain(x.device, x.dtype) is not None:
            settings = self.stride, self.padding, self.groups, self.block
            return convolution(x, self.weight, self.bias, *settings, relu)
        x = channels_last(x)
        if self.in_tiles(x):
            count = winograd.at_once(x.shape[1], len(self.bias), self.groups)
            weight = self._weight((1, winograd.POINTS * x.shape[1], count, 1), True)
            products = partial(_products, weight, winograd.POINTS * self.groups)
            return winograd.convolve(x, products, self.bias, self._kernel(), count, self.padding, relu)
        weight, stride = self._weight(tuple(x.shape), False), 1 if self.block > 1 else self.stride
        y = _by_onednn(x, weight, self.bias, stride, self.padding, self.groups)
        return y.relu_() if relu else y  # oneDNN's own makes a NaN 0, as if nothing had been wrong

    def in_tiles(self, x: Tensor) -> bool:
        """Whether `x` (N, C, H, W) goes through products of tiles."""
        dense = (self.block > 1 or self.stride == 1) and self._kernel() in KERNELS
        channels = min(x.shape[1], len(self.bias)) // self.groups
        return dense and channels >= LEAST_CHANNELS and len(x) >= LEAST_IMAGES and _tiles_are_faster(x.dtype)

    def _kernel(self) -> int:
        """K, of the weights for blocks where there are blocks."""
        return -(-self.weight.shape[2] // self.block)

    def _weight(self, shape: tuple[int, ...], tiles: bool) -> Tensor:
        """The weight in the order that oneDNN wants for an input of `shape`; with `tiles`, that of the products.

        For an input of another shape oneDNN may want another order: then it makes that one at every call.
        """
        state = self.weight.data_ptr(), 0 if self.weight.is_inference() else self.weight._version
        before, ordered = self._ordered.get(tiles, (None, None))
        if before != state or ordered is None:
            weight, stride = _dense(self.weight, self.stride, self.block)
            padding, groups = self.padding, self.groups
            if tiles:
                weight, padding, groups = winograd.transformed(weight), (0, 0), winograd.POINTS * groups
            ordered = torch.ops.aten.mkldnn_reorder_conv2d_weight(
                channels_last(weight).to_mkldnn(), padding, (stride, stride), (1, 1), groups, shape
            )
            self._ordered[tiles] = state, ordered
        return ordered


def describe_convolutions(dtype: torch.dtype = torch.float32) -> str:
    """One line for a log: how convolutions whose weights stand still are computed on the CPU in numbers of `dtype`."""
    reason = why_plain(torch.device("cpu"), dtype)
    if reason is not None:
        return f"PyTorch's own: {reason}"
    if _tiles_are_faster(dtype):
        return f"weights ordered once, products of tiles (Winograd) from {LEAST_IMAGES} images on"
    old = "" if winograd.available() else "; the library has no transforms of tiles: run pip install again"
    return "weights ordered once" + old


def why_plain(device: torch.device, dtype: torch.dtype) -> str | None:
    """The reason why PyTorch's own operators convolve such maps; None where weights are put in order for them."""
    return _why_not_here(dtype) if fused(device, dtype) else "the compiled kernels do not run"


@cache
def _why_not_here(dtype: torch.dtype) -> str | None:
    if native.instruction_sets()[0] not in X86:
        return "this processor has no AVX2"
    here = hasattr(torch.ops.aten, "mkldnn_reorder_conv2d_weight"), hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    if not all(here):
        return "this PyTorch has no oneDNN, or another interface to it"
    if dtype is torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return "oneDNN has no bf16 on this processor"
    return None


def _tiles_are_faster(dtype: torch.dtype) -> bool:
    return dtype is torch.float32 and native.instruction_set() in FASTER_IN_TILES and winograd.available()


def _dense(weight: Tensor, stride: int, block: int) -> tuple[Tensor, int]:
    """The weight and stride for images in blocks, or as they are."""
    return (space_to_depth_weight(weight, block), 1) if block > 1 else (weight, stride)


def _products(weight: Tensor, groups: int, tiles: Tensor) -> Tensor:
    """The products (T, 36 · O) of tiles (T, 36 · C), as a convolution of 1 × 1 over an image one pixel wide."""
    return _by_onednn(tiles.view(1, len(tiles), 1, -1).permute(0, 3, 1, 2), weight, None, 1, (0, 0), groups)


def _by_onednn(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: tuple[int, int], groups: int
) -> Tensor:
    found: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x, weight, bias, padding, (stride, stride), (1, 1), groups, "none", [], ""
    )
    return found
