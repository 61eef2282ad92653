"""What in a photograph a unit answered to: its value alone, sent back through the network to the pixels.

Zeiler and Fergus 2014, section 2.1: through pooling to where the largest value stood, through ReLU what is positive,
through a convolution by the same weights turned round. Response normalisation is passed over.
"""

from typing import Any

import torch
from torch import Tensor

from alexnet.model.net import AlexNet
from alexnet.model.spec import Activation, ResponseNorm, SpatialNorm


def projected(net: AlexNet, x: Tensor, stage: str, unit: int, place: tuple[int, int] = (0, 0)) -> Tensor:
    """The pattern (C, H, W) in a view `x` (1, C, H, W) that a unit of `stage` answered to at a place of its map.

    A unit of a fully connected layer has no place. Every step back is the derivative of the step forward but for ReLU
    and normalisation, so the derivative is asked for, with those two replaced.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        found = x
        for layer in net.spec.layers:
            after = net.run_group((layer,), found)
            if isinstance(layer, Activation) and layer.function == "relu":
                after = _Rectified.apply(found)  # type: ignore[no-untyped-call]
            elif isinstance(layer, ResponseNorm | SpatialNorm):
                after = found + (after - found).detach()
            found = after
            if layer.name == stage:
                break
        value = found[0, unit] if found.ndim == 2 else found[0, unit, place[0], place[1]]
        (back,) = torch.autograd.grad(value, x)
    return value.detach() * back[0]


class _Rectified(torch.autograd.Function):
    """ReLU that lets what is positive through, on the way back too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clamp_min(0)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        return slope.clamp_min(0)
