"""Where the towers of a network in two groups meet, and what passes between them there."""

from dataclasses import dataclass, replace
from math import prod

from alexnet.errors import ConfigError
from alexnet.model.account import account
from alexnet.model.lrn import norm_window
from alexnet.model.spec import BatchNorm, Conv, Layer, Linear, Local, ResponseNorm, Spec

TOWERS = 2


@dataclass(frozen=True)
class Crossing:
    """What each tower gives the other at a layer, for one image: numbers in the forward and in the backward pass."""

    forward: int = 0
    backward: int = 0

    @property
    def both(self) -> int:
        """In a training step."""
        return self.forward + self.backward


def crossings(spec: Spec) -> dict[str, Crossing]:
    """The crossings by the name of the layer that reads both towers; "logits" is what the loss reads.

    The one of a response normalisation is its maps at the border of the towers. Raises ConfigError for a network that
    is not in two groups.
    """
    check_two_groups(spec)
    found = {}
    shape: tuple[int, ...] = (spec.channels, spec.input_size, spec.input_size)
    for layer, row in zip(spec.layers, account(spec).rows, strict=True):
        if isinstance(layer, Linear) or (isinstance(layer, Conv) and reads_both(layer, spec)):
            numbers = prod(shape) // TOWERS
            found[layer.name] = Crossing(numbers, numbers)
        elif isinstance(layer, ResponseNorm) and layer.towers == 1 and (width := border(layer)):
            numbers = width * prod(shape[1:])
            found[layer.name] = Crossing(numbers, numbers)
        shape = row.output
    return {**found, "logits": Crossing(shares(spec.classes)[0])}


def border(norm: ResponseNorm) -> int:
    """The maps of the other tower that windows at the border reach."""
    below, above, *_ = norm_window(norm)
    return max(below, above)


def reads_both(layer: Conv, spec: Spec) -> bool:
    """Whether a convolution reads the maps of both towers; the first one reads the image, which both have."""
    return layer.groups == 1 and layer.name != _convolutions(spec)[0].name


def with_crossings(spec: Spec, names: tuple[str, ...]) -> Spec:
    """The network in which the convolutions named, and no others, read the maps of both towers.

    Raises ConfigError for what is no convolution, and for the first one.
    """
    first, *others = _convolutions(spec)
    known = [layer.name for layer in others]
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{name!r} cannot cross in {spec.name!r}: only its convolutions after {first.name} can, "
                f"{', '.join(known)}; fully connected layers always do."
            )

    def crossed(layer: Layer) -> Layer:
        if isinstance(layer, Conv) and layer.name != first.name:
            return replace(layer, groups=1 if layer.name in names else TOWERS)
        return layer

    return spec.mapped(crossed)


def shares(units: int) -> tuple[int, int]:
    """How many of a layer's units each tower has."""
    return units - units // TOWERS, units // TOWERS


def check_two_groups(spec: Spec) -> None:
    """Raises ConfigError for a network that cannot stand in two towers."""
    convolutions = _convolutions(spec)
    in_two = [layer for layer in convolutions if layer.groups == TOWERS]
    odd = [layer.name for layer in spec.layers if isinstance(layer, BatchNorm | Local)]
    odd += [layer.name for layer in convolutions if layer.groups > TOWERS or layer.channels % TOWERS]
    odd += [layer.name for layer in convolutions[:1] if layer.groups > 1]
    odd += [layer.name for layer in spec.layers if isinstance(layer, ResponseNorm) and layer.towers > TOWERS]
    if odd or not in_two or spec.classes < TOWERS:
        reason = f"{odd[0]} is not" if odd else "none of its convolutions is"
        raise ConfigError(
            f"{spec.name!r} cannot stand in two towers: {reason} in two groups; take paper, original2012, bvlc_alexnet "
            "or caffenet."
        )


def _convolutions(spec: Spec) -> list[Conv]:
    return [layer for layer in spec.layers if isinstance(layer, Conv)]
