"""The FLOPs of a training step: what the network asks for, and what is really multiplied and added."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from alexnet import kernels  # noqa: F401  (defines the operators counted here)
from alexnet.kernels.winograd import points_of_map
from alexnet.model.account import account
from alexnet.model.spec import Spec

Shape = Sequence[int]


def training_flops(spec: Spec) -> int:
    """The FLOPs of one image's training step: a product forward, and two as large backward, for input and weights.

    The first layer's input needs no gradient. Pointwise steps, pooling and the update count none.
    """
    products = [row.macs for row in account(spec).rows if row.macs]
    return 2 * (3 * sum(products) - products[0])


def multiplied_flops(work: Callable[[], object]) -> int:
    """The FLOPs of the products that `work` computes: fewer than it asks for where convolutions are in tiles.

    The zeros around a map, and those that fill a block or a tile, are counted. Transforms of tiles are not.
    """
    with FlopCounterMode(display=False, custom_mapping=_COUNTS) as counter:
        work()
    return int(counter.get_total_flops())


def _convolution(x: Shape, weight: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    return 2 * prod(out_shape) * prod(weight[1:])


def _convolution_backward(gy: Shape, x: Shape, weight: Shape, *numbers: Any, **__: Any) -> int:
    passes = int(sum(numbers[-1][:2]))  # of the gradients of input, weight and bias those that are asked for
    return 2 * prod(gy) * prod(weight[1:]) * passes


def _linear(x: Shape, weight: Shape, *_: Any, **__: Any) -> int:
    return 2 * x[0] * prod(weight)


def _linear_weight(gy: Shape, x: Shape, *_: Any, **__: Any) -> int:
    return 2 * prod(gy) * x[1]


def _winograd(x: Shape, weight: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    return 2 * points_of_map(out_shape, weight) * weight[0] * weight[1]


def _winograd_weight(gy: Shape, x: Shape, weight: Shape, *_: Any, **__: Any) -> int:
    return 2 * points_of_map(gy, weight) * weight[0] * weight[1]


_COUNTS: dict[Any, Callable[..., int]] = {
    torch.ops.aten.convolution: _convolution,  # torch's own counts are wrong for groups
    torch.ops.aten.convolution_backward: _convolution_backward,
    torch.ops.alexnet.linear: _linear,
    torch.ops.alexnet.linear_input: _linear,
    torch.ops.alexnet.linear_weight: _linear_weight,
    torch.ops.alexnet.winograd: _winograd,
    torch.ops.alexnet.winograd_input: _winograd,
    torch.ops.alexnet.winograd_weight: _winograd_weight,
}
