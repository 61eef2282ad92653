"""The kernels of a convolution, as figure 3 of the paper shows those of the first."""

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet.errors import ConfigError, unknown
from alexnet.evaluation.evaluate import damaged
from alexnet.model.net import AlexNet
from alexnet.model.spec import Conv
from alexnet.show.towers import towers
from alexnet.weights.model_dir import Model

SCALES = {
    "together": "black is the lowest weight of all kernels, white the highest",
    "each": "black is the lowest weight of each kernel, white its highest",
    "zero": "middle grey is 0, black and white are the largest weight of all, below and above",
}
SORTS = ("as-is", "norm", "smooth")
MOVED = 5.0  # standard deviations: by chance one kernel of noise in 3 million


@dataclass(frozen=True)
class Filters:
    """Kernels (K, C, H, W) of `layer` in fp32, colours in RGB order; `moved` (K,) says which differ from noise.

    They are sorted as `sort` says, each tower by itself; `order` (K,) are their numbers in the network.
    """

    model: str
    layer: str
    kernels: NDArray[np.float32]
    towers: int
    scale: str
    moved: NDArray[np.bool_]
    order: NDArray[np.int64]
    sort: str = "as-is"
    untrained: bool = False

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        listed = {name: getattr(self, name).tolist() for name in ("kernels", "moved", "order")}
        return {**vars(self), **listed}


def filters(
    model: Model, layer: str = "conv1", scale: str = "together", *, sort: str = "as-is", untrained: bool = False
) -> Filters:
    """The kernels of a convolution of `model`; `untrained` are those of the same network as it would begin, seed 0.

    Raises ConfigError for another layer, and for an unknown scale or order; WeightsError for NaN in the kernels.
    """
    spec = model.net.spec
    found = spec.layer(layer)
    if not isinstance(found, Conv):
        known = ", ".join(each.name for each in spec.layers if isinstance(each, Conv))
        raise ConfigError(f"{layer} of {spec.name!r} has no kernels to show; convolutions: {known}.")
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    if sort not in SORTS:
        raise unknown("order", sort, SORTS)
    net = AlexNet(spec, generator=torch.Generator().manual_seed(0)) if untrained else model.net
    weight = net.get_parameter(f"{layer}.weight")
    kernels: NDArray[np.float32] = weight.detach().float().cpu().numpy()
    if not np.isfinite(kernels).all():
        raise damaged(spec.name, f"has NaN or infinity in the kernels of {layer}")
    first = next(each for each in spec.layers if isinstance(each, Conv))
    if found is first and model.preparation.channels == "BGR":
        kernels = np.ascontiguousarray(kernels[:, ::-1])
    order = _order(kernels, sort, towers(spec))
    kernels = kernels[order]
    return Filters(spec.name, layer, kernels, towers(spec), scale, smoothness(kernels) > MOVED, order, sort, untrained)


def _order(kernels: NDArray[np.float32], sort: str, blocks: int) -> NDArray[np.int64]:
    """The numbers of the kernels in the order asked for; those of equal rank, and of a tower, stay together."""
    numbers = np.arange(len(kernels))
    if sort == "as-is":
        return numbers
    rank = np.sqrt((kernels.astype(np.float64) ** 2).sum((1, 2, 3))) if sort == "norm" else smoothness(kernels)
    return np.lexsort((numbers, -rank, numbers // -(-len(kernels) // blocks)))


def smoothness(kernels: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much more alike neighbouring weights (K, C, H, W) are than in noise, in standard deviations (K,).

    The sum of products of horizontal and vertical neighbours; in independent weights around 0 its mean is 0 and its
    variance (the mean square)² times the number of pairs. Kernels start as noise, and what they learn is smooth. 0
    where there are no neighbours.
    """
    weights = kernels.astype(np.float64)
    right = (weights[..., 1:] * weights[..., :-1]).sum((1, 2, 3))
    below = (weights[..., 1:, :] * weights[..., :-1, :]).sum((1, 2, 3))
    _, channels, height, width = weights.shape
    pairs = channels * (height * (width - 1) + (height - 1) * width)
    square = (weights**2).mean((1, 2, 3))
    deviation = square * sqrt(max(pairs, 1))
    return np.asarray(np.divide(right + below, deviation, out=np.zeros(len(weights)), where=deviation > 0))
