"""A model to start from, taken to photographs and views of another size, where that has one meaning."""

from dataclasses import replace
from math import isqrt

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from alexnet.data.statistics import InputStatistics
from alexnet.model.net import AlexNet
from alexnet.model.spec import Conv, Spec
from alexnet.weights.model_dir import Model

AVERAGED = "owt"  # the network whose program averages its last maps to as many positions as fc6 takes
FIRST = "fc6.weight"  # what takes them


def at_size(model: Model, spec: Spec, side: int) -> Model:
    """`model` for photographs of `side` pixels, and for the views of `spec` if it is torchvision's network.

    A mean that is one colour is the same at any side; a mean image is left as it is. torchvision's network averages its
    last maps to 6 × 6 positions, whatever the size of the view (AdaptiveAvgPool2d, which changes nothing at 224
    pixels). That is linear, so it is folded into fc6: with the same answers as torchvision's, but for one rounding of
    each weight to fp32. Any other network has no such rule and is left as it is.
    """
    if side != model.preparation.side and at_any_side(model):
        statistics = InputStatistics.of_mean(model.statistics.mean_image[0, 0], side)
        model = replace(model, statistics=statistics, preparation=replace(model.preparation, side=side))
    if model.net.spec.name != AVERAGED or spec.name != AVERAGED or spec.input_size == model.net.spec.input_size:
        return model
    with torch.device("meta"):
        net = AlexNet(replace(model.net.spec, input_size=spec.input_size))
    state = dict(model.net.state_dict())
    maps = next(layer.channels for layer in reversed(net.spec.layers) if isinstance(layer, Conv))
    positions = net.get_parameter(FIRST).shape[1] // maps
    state[FIRST] = averaging(state[FIRST], maps, isqrt(positions)).to(state[FIRST].dtype)
    net.load_state_dict(state, assign=True)
    said = f"torchvision's averaging of the last maps folded into fc6, for views of {spec.input_size} pixels"
    provenance = {**model.provenance, "conversions": [*model.provenance.get("conversions", ()), said]}
    return replace(model, net=net.eval(), provenance=provenance)


def at_any_side(model: Model) -> bool:
    """Whether the mean of `model` is one colour, and so the same for photographs of any side."""
    mean = model.statistics.mean_image
    return not model.statistics.images and bool((mean == mean[0, 0]).all())


def averaging(weight: Tensor, maps: int, side: int) -> Tensor:
    """Weights (units, maps · side²) of maps of `side`, in float64, from those (units, maps · k²) of k × k averages."""
    found = weight.detach().double().reshape(len(weight), maps, -1)
    positions = torch.eye(side * side, dtype=torch.float64).reshape(-1, 1, side, side)
    averages: Tensor = adaptive_avg_pool2d(positions, isqrt(found.shape[2])).flatten(1)  # (side², k²)
    folded: Tensor = found @ averages.T
    return folded.flatten(1)
