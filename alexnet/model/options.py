"""What may differ from a network's row without another row: one table, each option a pure function of the spec."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from alexnet.errors import ConfigError, unknown
from alexnet.model.account import account
from alexnet.model.spec import (
    ACTIVATIONS,
    Activation,
    BatchNorm,
    Conv,
    Dropout,
    Layer,
    MaxPool,
    ResponseNorm,
    SpatialNorm,
    Spec,
)

POOLINGS = {"overlapping": (3, 2), "plain": (2, 2)}  # kernel and stride
GROUPED = ("conv2", "conv4", "conv5")  # the paper's: conv1 and conv3 see all maps


@dataclass(frozen=True)
class Option:
    """The type of an option's values, what it means, and what it makes of a spec."""

    kind: type[bool] | type[float] | type[int] | type[str]
    text: str
    applied: Callable[[Spec, Any], Spec]


def with_options(spec: Spec, **given: Any) -> Spec:
    """`spec` with options changed, those that are None left as they are; `OPTIONS` says what each means.

    A network of other layers bears its differences in its name: "paper+tanh". Raises ConfigError for an unknown option
    or value, for a normalisation to keep where there is none, and when the layers no longer fit together.
    """
    for name in given:
        if name not in OPTIONS:
            raise unknown("option of a network", name, OPTIONS)
    for name, option in OPTIONS.items():
        if given.get(name) is not None:
            spec = option.applied(spec, given[name])
    account(spec)  # says what does not fit
    return spec


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

    def change(layer: MaxPool) -> MaxPool:
        # rounding up would give plain pooling larger maps, and the comparison is one of equal maps (section 3.4)
        padding = 0 if layer.padding == "ceil" and kernel == stride else layer.padding
        return replace(layer, kernel=kernel, stride=stride, padding=padding)

    return _each(spec, MaxPool, change, f"{pooling}-pooling")


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


# In the order in which they are applied.
OPTIONS: dict[str, Option] = {
    "classes": Option(int, "outputs", lambda spec, count: replace(spec, classes=count)),
    "input_size": Option(int, "pixels of the input's side", lambda spec, size: replace(spec, input_size=size)),
    "channels": Option(
        int, "channels of the input: 3 for RGB, 1 for grey", lambda spec, count: replace(spec, channels=count)
    ),
    "activation": Option(str, "relu or tanh, after every layer that has one (figure 1)", _activation),
    "norm": Option(bool, "whether the network keeps its response normalisation (section 3.3)", _norm),
    "pooling": Option(str, "overlapping, 3×3 at stride 2, or plain, 2×2 at stride 2 (section 3.4)", _pooling),
    "groups": Option(int, f"groups of {', '.join(GROUPED)}; 1: none (section 3.2)", _groups),
    "batch_norm": Option(bool, "whether batch normalisation follows every convolution", _batch_norm),
    "dropout": Option(float, "rate of all dropout layers (section 4.2)", _dropout),
}
