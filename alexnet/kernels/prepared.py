"""Convolutions whose weights stand still: what a network that only answers does instead of PyTorch's `conv2d`.

N images, C and O channels in and out of G groups, H×W pixels, K×K weights. oneDNN, which PyTorch calls for convolutions
on x86, puts weights in an order of its own at every call; here that is done once.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.kernels import native
from alexnet.kernels.fused import channels_last, fused
from alexnet.kernels.space_to_depth import space_to_depth_weight

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
        self._ordered: tuple[tuple[int, int], Tensor] | None = None

    def __call__(self, x: Tensor, relu: bool) -> Tensor:
        """The map (N, O, H', W') of `x` (N, C, H, W), after a ReLU if `relu`."""
        if not len(x) or why_plain(x.device, x.dtype) is not None:
            settings = self.stride, self.padding, self.groups, self.block
            return convolution(x, self.weight, self.bias, *settings, relu)
        x = channels_last(x)
        weight, stride = self._weight(tuple(x.shape)), 1 if self.block > 1 else self.stride
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, self.bias, self.padding, (stride, stride), (1, 1), self.groups, "none", [], ""
        )
        return y.relu_() if relu else y  # oneDNN's own makes a NaN 0, as if nothing had been wrong

    def _weight(self, shape: tuple[int, ...]) -> Tensor:
        """The weight in the order that oneDNN wants for an input of `shape`.

        For an input of another shape oneDNN may want another order: then it makes that one at every call.
        """
        state = self.weight.data_ptr(), 0 if self.weight.is_inference() else self.weight._version
        if self._ordered is None or self._ordered[0] != state:
            weight, stride = _dense(self.weight, self.stride, self.block)
            ordered = torch.ops.aten.mkldnn_reorder_conv2d_weight(
                channels_last(weight).to_mkldnn(), self.padding, (stride, stride), (1, 1), self.groups, shape
            )
            self._ordered = state, ordered
        return self._ordered[1]


def describe_convolutions(dtype: torch.dtype = torch.float32) -> str:
    """One line for a log: how convolutions whose weights stand still are computed on the CPU in numbers of `dtype`."""
    reason = why_plain(torch.device("cpu"), dtype)
    return "weights ordered once" if reason is None else f"PyTorch's own: {reason}"


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
