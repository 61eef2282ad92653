"""The networks that are compared: of a spec, with weights that other programs can make again."""

from dataclasses import replace

import torch
from proofs.seeded import uniform, weights
from torch import Tensor

from alexnet.model.net import AlexNet
from alexnet.model.spec import Conv, Layer, Linear, Spec


def narrow(spec: Spec, by: int = 8, units: int = 24, classes: int = 10) -> Spec:
    """`spec` with its own geometry but a fraction of the maps."""

    def change(layer: Layer) -> Layer:
        match layer:
            case Conv():
                return replace(layer, channels=layer.channels // by)
            case Linear(units=int()):
                return replace(layer, units=units)
        return layer

    return replace(spec.mapped(change), classes=classes)


def seeded(spec: Spec) -> AlexNet:
    """The network of `spec` with the weights of `proofs.seeded`, in evaluation mode."""
    with torch.device("meta"):
        net = AlexNet(spec)
    shapes = {name: tuple(parameter.shape) for name, parameter in net.named_parameters()}
    net.load_state_dict({name: torch.from_numpy(array) for name, array in weights(shapes).items()}, assign=True)
    return net.eval()


def views(spec: Spec, count: int, limit: float) -> Tensor:
    """Noise within ±`limit` for the network to take in: (N, C, H, W)."""
    return torch.from_numpy(uniform("images", (count, spec.channels, spec.input_size, spec.input_size), limit))


def gradients(net: AlexNet, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Gradients of the mean cross-entropy, by parameter."""
    parameters = dict(net.named_parameters())
    loss = torch.nn.functional.cross_entropy(net(images), labels)
    return dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))
