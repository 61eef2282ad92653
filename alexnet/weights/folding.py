"""Preparations folded into weights: the same answers from RGB on the 0–255 scale, which training feeds."""

from dataclasses import replace

import torch
from torch import Tensor

from alexnet.data.preparation import Preparation
from alexnet.errors import WeightsError
from alexnet.model.net import AlexNet
from alexnet.model.spec import Conv, Scale
from alexnet.weights.model_dir import Model


def folded(model: Model) -> Model:
    """`model` with its division by `std` and its order of colours folded into the first convolution.

    A convolution is linear, and the zeros around an image are the same before and after a division: so the answers stay
    what they are, but for one rounding of each folded weight to fp32. The mean is left as it is: training subtracts the
    one that the model was trained with. A model that takes RGB from 0 to 255 already is returned itself.
    Raises WeightsError where no convolution comes first.
    """
    preparation = model.preparation
    if preparation.std is None and preparation.channels == "RGB":
        return model
    first = next((layer for layer in model.net.spec.layers if not isinstance(layer, Scale)), None)
    if not isinstance(first, Conv) or first.groups != 1:
        raise WeightsError(
            f"The model takes {preparation.channels} on the scale {preparation.in_words['scale']}, which only a "
            f"convolution of all colours can take over; the first layer of {model.net.spec.name!r} is not one."
        )
    name = f"{first.name}.weight"
    state = dict(model.net.state_dict())
    state[name] = fold(state[name], preparation).to(state[name].dtype)
    with torch.device("meta"):
        net = AlexNet(model.net.spec)
    net.load_state_dict(state, assign=True)
    said = f"{' and '.join(_done(preparation))} folded into {first.name}, for RGB from 0 to 255"
    provenance = {**model.provenance, "conversions": [*model.provenance.get("conversions", ()), said]}
    preparation = replace(preparation, std=None, channels="RGB")
    return replace(model, net=net.eval(), preparation=preparation, provenance=provenance)


def fold(weight: Tensor, preparation: Preparation) -> Tensor:
    """Kernels (maps, 3, H, W) for RGB from 0 to 255, in float64, from those for what `preparation` makes of it."""
    found = weight.detach().double()
    if preparation.channels == "BGR":
        found = found.flip(1)
    if preparation.std is not None:
        found = found / torch.tensor(preparation.std, dtype=torch.float64)[:, None, None]
    return found


def _done(preparation: Preparation) -> list[str]:
    divided = ["the division by standard deviations"] if preparation.std is not None else []
    return divided + (["the order BGR"] if preparation.channels == "BGR" else [])
