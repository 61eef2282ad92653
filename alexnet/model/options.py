"""What may differ from a network's row without another row: one table, each option a pure function of the spec."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from alexnet.errors import ConfigError, unknown
from alexnet.model.account import account
from alexnet.model.spec import (
    ACTIVATIONS,
    Activation,
    AvgPool,
    BatchNorm,
    Conv,
    Dropout,
    Layer,
    Learned,
    Linear,
    Local,
    MaxPool,
    ResponseNorm,
    Scale,
    SpatialNorm,
    Spec,
)

POOLINGS = {"overlapping": (3, 2), "plain": (2, 2)}  # kernel and stride
POOLS: dict[str, type[MaxPool] | type[AvgPool]] = {"max": MaxPool, "average": AvgPool}
GROUPED = ("conv2", "conv4", "conv5")  # the paper's: conv1 and conv3 see all maps
HALVED = ("conv1", "conv2", "conv3", "conv4")  # of the network on one GPU; conv5, fc6 and fc7 are whole (section 3.2)
LEFT_OUT = ("conv3", "conv4", "conv5", "fc7")  # each without the others (section 7)
PIXEL_STD = 64.0  # about that of pixels from 0 to 255 around their mean
PRINTED_STD = 0.01  # of all weights at the start (section 5)
GAINS = {"relu": math.sqrt(2), "tanh": 1.0}  # of a start that keeps the size of activations from layer to layer


@dataclass(frozen=True)
class Option:
    """The type of an option's values, what it means, and what it makes of a spec."""

    kind: type[bool] | type[float] | type[int] | type[str]
    text: str
    applied: Callable[[Spec, Any], Spec]


def with_options(spec: Spec, **given: Any) -> Spec:
    """`spec` with options changed, those that are None left as they are; `OPTIONS` says what each means.

    A network of other layers bears its differences in its name: "paper+tanh". What it bears already is not done again.
    Raises ConfigError for an unknown option or value, for what the network has no place for, such as a normalisation to
    keep where there is none, and when the layers no longer fit together.
    """
    for name in given:
        if name not in OPTIONS:
            raise unknown("option of a network", name, OPTIONS)
    for name, option in OPTIONS.items():
        if given.get(name) is not None:
            spec = option.applied(spec, given[name])
    if _has(spec, FAN):
        spec = replace(spec, layers=_fan_layers(spec))  # by the activations and the scale that there are now
    account(spec)  # says what does not fit
    return spec


def _half(spec: Spec, wanted: bool) -> Spec:
    if not wanted or _has(spec, "half"):
        return spec
    if not any(isinstance(layer, Conv) and layer.groups == 2 for layer in spec.layers):
        raise ConfigError(
            f"There is no half of {spec.name!r}, which is not in two groups; take paper, original2012, bvlc_alexnet or "
            "caffenet, before groups are changed."
        )

    def change(layer: Conv | ResponseNorm) -> Layer:
        if isinstance(layer, ResponseNorm):
            return replace(layer, towers=1)
        channels = layer.channels // 2 if layer.name in HALVED else layer.channels
        return replace(layer, channels=channels, groups=1)

    return _each(spec, Conv | ResponseNorm, change, "half")


def _without(spec: Spec, name: str) -> Spec:
    if name not in LEFT_OUT:
        raise unknown("layer to leave out", name, LEFT_OUT)
    if _has(spec, f"without-{name}"):
        return spec
    left_out = spec.layer(name)
    place = spec.layers.index(left_out)
    after = spec.layers[place + 1 :]
    end = next((i for i, layer in enumerate(after) if isinstance(layer, Conv | Local | Linear)), len(after))
    pointwise = Activation | Dropout | BatchNorm  # poolings and norms stay
    kept = tuple(layer for layer in after[:end] if not isinstance(layer, pointwise))
    return _other(spec, (*spec.layers[:place], *kept, *after[end:]), f"without-{name}")


def _activation(spec: Spec, function: str) -> Spec:
    if function not in ACTIVATIONS:
        raise unknown("activation", function, ACTIVATIONS)
    return _each(spec, Activation, lambda layer: replace(layer, function=function), function)


def _norm(spec: Spec, wanted: bool) -> Spec:
    others = tuple(layer for layer in spec.layers if not isinstance(layer, ResponseNorm | SpatialNorm))
    if not wanted:
        return _other(spec, others, "no-norm")
    if others == spec.layers:
        raise ConfigError(f"{spec.name!r} has no response normalisation to keep; take a network that has.")
    return spec


def _pooling(spec: Spec, pooling: str) -> Spec:
    if pooling not in POOLINGS:
        raise unknown("pooling", pooling, POOLINGS)
    kernel, stride = POOLINGS[pooling]

    def change(layer: MaxPool | AvgPool) -> MaxPool | AvgPool:
        # rounding up would give plain pooling larger maps, and the comparison is one of equal maps (section 3.4)
        padding = 0 if layer.padding == "ceil" and kernel == stride else layer.padding
        return replace(layer, kernel=kernel, stride=stride, padding=padding)

    return _each(spec, MaxPool | AvgPool, change, f"{pooling}-pooling")


def _pool_kind(spec: Spec, kind: str) -> Spec:
    if kind not in POOLS:
        raise unknown("kind of pooling", kind, POOLS)
    return _each(spec, MaxPool | AvgPool, lambda layer: POOLS[kind](**vars(layer)), f"{kind}-pools")


def _groups(spec: Spec, groups: int) -> Spec:
    if groups < 1:
        raise ConfigError(f"The number of groups must be at least 1, not {groups}.")

    def change(layer: Conv | ResponseNorm) -> Layer:
        if isinstance(layer, Conv):
            return replace(layer, groups=groups) if layer.name in GROUPED else layer
        return replace(layer, towers=groups) if layer.towers > 1 else layer

    return _each(spec, Conv | ResponseNorm, change, f"groups{groups}")


def _batch_norm(spec: Spec, wanted: bool) -> Spec:
    layers: list[Layer] = []
    for layer in spec.layers:
        if not isinstance(layer, BatchNorm):
            layers.append(layer)
        if isinstance(layer, Conv) and wanted:
            layers.append(BatchNorm(layer.name.replace("conv", "bn")))
    return _other(spec, tuple(layers), "batch-norm" if wanted else "no-batch-norm")


def _pixels(spec: Spec, scale: str) -> Spec:
    if scale not in ("raw", "scaled"):
        raise unknown("scale of pixels", scale, ("raw", "scaled"))
    if scale == "raw":
        return _published(spec, "scaled-pixels")
    if _has(spec, "scaled-pixels"):
        return spec
    if spec.layers and isinstance(first := spec.layers[0], Scale):
        raise ConfigError(f"{spec.name!r} multiplies pixels by {first.factor:.4g} itself; leave pixels out.")
    return _other(spec, (Scale("scale0", 1 / PIXEL_STD), *spec.layers), "scaled-pixels")


def _start(spec: Spec, start: str) -> Spec:
    if start not in ("published", "printed", "fan"):
        raise unknown("start", start, ("published", "printed", "fan"))
    spec = spec if start == "fan" else _published(spec, FAN)
    spec = spec if start == "printed" else _published(spec, PRINTED)
    if start == "fan":
        return _other(spec, _fan_layers(spec), FAN)
    even = {"initialisation": "normal", "std": PRINTED_STD} if start == "printed" else {}
    return _each(spec, Conv | Local | Linear, lambda layer: replace(layer, **even), PRINTED)


def _relu_first(spec: Spec, wanted: bool) -> Spec:
    if not wanted:
        raise ConfigError("relu_first is true or left out: where else a ReLU belongs is the network's own.")
    weightless = ResponseNorm | SpatialNorm | MaxPool | AvgPool
    layers = list(spec.layers)
    for layer in spec.layers:
        place = layers.index(layer)
        if isinstance(layer, Activation) and isinstance(layers[place - 1], weightless):
            layers.pop(place)
            while place and isinstance(layers[place - 1], weightless):
                place -= 1
            layers.insert(place, layer)
    return _other(spec, tuple(layers), "relu-first")


def _spatial(spec: Spec, wanted: bool) -> Spec:
    others = tuple(layer for layer in spec.layers if not isinstance(layer, SpatialNorm))
    if not wanted:
        return _other(spec, others, "no-spatial-norm")
    if others == spec.layers:
        raise ConfigError(f"{spec.name!r} has no spatial normalisation to keep; take original2012.")
    return spec


def _fan_layers(spec: Spec) -> tuple[Layer, ...]:
    """The layers, their weights starting so that outputs are about as large as inputs: see `GAINS`.

    The gain is that of the activation that comes next, for the last layer of the one before. What the first layer takes
    in is as large as pixels are.
    """
    layers, gain, size = [], 1.0, PIXEL_STD
    for place, layer in enumerate(spec.layers):
        if isinstance(layer, Scale):
            size *= abs(layer.factor) or 1.0
        elif isinstance(layer, Learned) and not isinstance(layer, BatchNorm):
            following = (other.function for other in spec.layers[place:] if isinstance(other, Activation))
            gain = GAINS.get(next(following, ""), gain)
            layer = replace(layer, initialisation="fan", std=gain / size)
            size = 1.0
        layers.append(layer)
    return tuple(layers)


def _biases(spec: Spec, biases: str) -> Spec:
    if biases not in ("published", "zero"):
        raise unknown("start of biases", biases, ("published", "zero"))
    if biases == "published":
        return _published(spec, "zero-biases")
    learned = [layer for layer in spec.layers if isinstance(layer, Conv | Local | Linear)]
    if any(layer.initialisation == "pytorch" for layer in learned):
        raise ConfigError(
            f"Biases of {spec.name!r} start at random, as its weights do; add start=fan, or leave biases out."
        )
    return _each(spec, Conv | Local | Linear, lambda layer: replace(layer, bias=0.0), "zero-biases")


def _published(spec: Spec, difference: str) -> Spec:
    """`spec` as it is. Raises ConfigError where it has the difference already."""
    if _has(spec, difference):
        raise ConfigError(f"{spec.name!r} is not as published any more; take the network without {difference}.")
    return spec


def _dropout(spec: Spec, rate: float) -> Spec:
    if not 0 <= rate < 1:
        raise ConfigError(f"The dropout rate must be from 0 to below 1, not {rate}.")
    return spec.mapped(lambda layer: replace(layer, rate=rate) if isinstance(layer, Dropout) else layer)


def _each(spec: Spec, kind: Any, change: Callable[[Any], Layer], difference: str) -> Spec:
    """`spec` with `change` applied to the layers of a kind."""
    layers = tuple(change(layer) if isinstance(layer, kind) else layer for layer in spec.layers)
    return _other(spec, layers, difference)


def _other(spec: Spec, layers: tuple[Layer, ...], difference: str) -> Spec:
    """`spec` with other layers and the difference in its name; `spec` itself where there is none."""
    return spec if layers == spec.layers else replace(spec, layers=layers, name=f"{spec.name}+{difference}")


def _has(spec: Spec, difference: str) -> bool:
    """Whether the name of `spec` bears the difference."""
    return difference in spec.name.split("+")[1:]


FAN, PRINTED = "fan-start", "printed-start"


# In the order in which they are applied.
OPTIONS: dict[str, Option] = {
    "classes": Option(int, "outputs", lambda spec, count: replace(spec, classes=count)),
    "input_size": Option(int, "pixels of the input's side", lambda spec, size: replace(spec, input_size=size)),
    "channels": Option(
        int, "channels of the input: 3 for RGB, 1 for grey", lambda spec, count: replace(spec, channels=count)
    ),
    "half": Option(
        bool, "whether conv1 to conv4 have half their kernels and all is one tower, as on one GPU (section 3.2)", _half
    ),
    "without": Option(str, f"a layer to leave out with its activation: {', '.join(LEFT_OUT)} (section 7)", _without),
    "activation": Option(str, "relu or tanh, after every layer that has one (figure 1)", _activation),
    "norm": Option(bool, "whether the network keeps its response normalisation (section 3.3)", _norm),
    "pooling": Option(str, "overlapping, 3×3 at stride 2, or plain, 2×2 at stride 2 (section 3.4)", _pooling),
    "pool_kind": Option(str, "max or average: what all poolings take", _pool_kind),
    "groups": Option(int, f"groups of {', '.join(GROUPED)}; 1: none (section 3.2)", _groups),
    "batch_norm": Option(bool, "whether batch normalisation follows every convolution", _batch_norm),
    "pixels": Option(
        str, f"raw, 0 to 255 around their mean, or scaled: divided by {PIXEL_STD:g}, by a layer of the network", _pixels
    ),
    "start": Option(
        str,
        "published; printed: weights N(0, 0.01) in all layers (section 5); or fan: N(0, √2 / √inputs) before ReLU, "
        "N(0, 1 / √inputs) before tanh",
        _start,
    ),
    "relu_first": Option(
        bool, "true: ReLU right behind each convolution, as printed, not behind its norm and pool", _relu_first
    ),
    "spatial": Option(bool, "whether the network keeps its spatial normalisation, which only the code has", _spatial),
    "biases": Option(str, "published, or zero: where all biases start (section 5)", _biases),
    "dropout": Option(float, "rate of all dropout layers (section 4.2)", _dropout),
}
