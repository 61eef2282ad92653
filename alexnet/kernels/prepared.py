"""Convolutions whose weights stand still: what a network that only answers does instead of PyTorch's `conv2d`.

N images, C and O channels in and out of G groups, H×W pixels, K×K weights. What a way of convolving needs of the
weights alone is done once: to take them to the points of `alexnet.kernels.winograd`, or, for oneDNN, which PyTorch
calls for convolutions on x86, to put them in its order.
"""

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.kernels import native
from alexnet.kernels.fused import channels_last, fused
from alexnet.kernels.space_to_depth import space_to_depth_weight
from alexnet.kernels.winograd import fits, points_of, winograd, winograd_of_points

X86 = ("avx2", "avx512")  # instruction sets for which weights are put in order


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
    """The map (N, O, H', W') of `x` (N, C, H, W), after a ReLU if `relu`: in tiles where that pays, else by PyTorch.

    `weight` is (O, C / G, K, K), `bias` (O,), `padding` the zeros above and beside. With a `block`, which is the
    stride then, images come in blocks of so many pixels a side, as `alexnet.kernels.space_to_depth` makes them.
    """
    weight, stride = _dense(weight, stride, block)
    if fits(x, weight, stride, padding, groups):
        y = winograd(x, weight, bias, padding, groups)
    else:
        y = F.conv2d(x, weight, bias, stride, padding, groups=groups)
    return F.relu(y) if relu else y


class PreparedConvolution:
    """`convolution` with all but `x` and `relu` given, and without gradients.

    Weights are put in order when they are first needed, and again if they have changed in place. Threads may share it.
    Copies and pickles are without what was put in order, which oneDNN lets nobody read; they do it anew.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, stride: int, padding: tuple[int, int], groups: int, block: int
    ) -> None:
        self.weight, self.bias, self.stride = weight, bias, stride
        self.padding, self.groups, self.block = padding, groups, block
        self._kept = self._nothing()

    @staticmethod
    def _nothing() -> tuple[tuple[int, int], dict[str, Tensor]]:
        return (0, 0), {}

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_kept": self._nothing()}

    def __call__(self, x: Tensor, relu: bool) -> Tensor:
        """The map (N, O, H', W') of `x` (N, C, H, W), after a ReLU if `relu`."""
        if not len(x) or why_plain(x.device, x.dtype) is not None:
            settings = self.stride, self.padding, self.groups, self.block
            return convolution(x, self.weight, self.bias, *settings, relu)
        x, stride = channels_last(x), 1 if self.block > 1 else self.stride
        weight = self._once("dense", lambda: _dense(self.weight, self.stride, self.block)[0])
        if fits(x, weight, stride, self.padding, self.groups):
            points = self._once("points", lambda: points_of(weight, self.groups))
            return winograd_of_points(x, points, weight, self.bias, self.padding, self.groups, relu)
        windows = self.padding, (stride, stride), (1, 1), self.groups
        # for an input of another shape oneDNN may want another order: then it makes that one at every call
        ordered = self._once(
            "ordered",
            lambda: torch.ops.aten.mkldnn_reorder_conv2d_weight(
                channels_last(weight).to_mkldnn(), *windows, tuple(x.shape)
            ),
        )
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(x, ordered, self.bias, *windows, "none", [], "")
        return y.relu_() if relu else y  # oneDNN's own makes a NaN 0, as if nothing had been wrong

    def _once(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """What `make` gives, kept under `name` until the weight is another, or has changed in place."""
        state = self.weight.data_ptr(), 0 if self.weight.is_inference() else self.weight._version
        if self._kept[0] != state:
            self._kept = state, {}
        kept = self._kept[1]
        if name not in kept:
            kept[name] = make()
        return kept[name]


def describe_convolutions(dtype: torch.dtype = torch.float32) -> str:
    """One line for a log: how convolutions whose weights stand still are computed on the CPU in numbers of `dtype`."""
    reason = why_plain(torch.device("cpu"), dtype)
    if reason is not None:
        return f"PyTorch's own: {reason}"
    return "in tiles where that pays, weights ordered once" if dtype == torch.float32 else "weights ordered once"


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


def _dense(weight: Tensor, stride: int, block: int) -> tuple[Tensor, int]:
    """The weight and stride for images in blocks, or as they are."""
    return (space_to_depth_weight(weight, block), 1) if block > 1 else (weight, stride)
