"""Two networks side by side, layer by layer."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from alexnet.model.account import LayerAccount, account
from alexnet.model.spec import Conv, Dropout, Layer, Linear, Local, Spec, Windowed

Facts = dict[str, Any]
# How parameters start decides which numbers of a layer have a meaning.
UNUSED = {"unit": ("std",), "pytorch": ("std", "bias")}


@dataclass(frozen=True)
class Difference:
    """What is not the same about a layer in two networks; None for the network that has none at this place."""

    layer: str
    one: Facts | None
    other: Facts | None


def differences(one: Spec, other: Spec) -> list[Difference]:
    """The layers in which two networks differ, in their order; a layer at another place is one that comes and goes.

    Facts are the layer's fields and its account at the network's input size; those of a layer that one network lacks
    begin with the layer that it comes after.
    """
    first, second = _facts(one), _facts(other)
    names, others = [*first], [*second]
    found: list[Difference] = []
    for kind, start, stop, begin, end in SequenceMatcher(None, names, others, autojunk=False).get_opcodes():
        if kind == "equal":
            found += _changes(names[start:stop], first, second)
        else:
            found += [Difference(name, _whole(name, first), None) for name in names[start:stop]]
            found += [Difference(name, None, _whole(name, second)) for name in others[begin:end]]
    return found


def functional(spec: Spec) -> tuple[Layer, ...]:
    """The layers without what matters to training only: where two are equal, the same weights answer alike."""
    return tuple(map(_function, (layer for layer in spec.layers if not _idle(layer))))


def _idle(layer: Layer) -> bool:
    return isinstance(layer, Dropout) and layer.inverted


def _function(layer: Layer) -> Layer:
    return replace(layer, initialisation="", std=0.0, bias=0.0) if isinstance(layer, Conv | Local | Linear) else layer


def first_difference(found: Sequence[Layer], asked: Sequence[Layer]) -> str:
    """The first layer in which what was found is not what was asked for, in words; "" where there is none."""
    for one, other in zip_longest(found, asked):
        if one == other:
            continue
        if one is None or other is None or (one.name, one.kind) != (other.name, other.kind):
            return f"it has {_called(one)} where {_called(other)} should be"
        key = next(key for key, value in asdict(one).items() if value != getattr(other, key))
        return f"{key} of {one.name} is {getattr(one, key)!r}, not {getattr(other, key)!r}"
    return ""


def _called(layer: Layer | None) -> str:
    return f"{layer.name} ({layer.kind})" if layer else "nothing"


def _changes(names: list[str], first: dict[str, Facts], second: dict[str, Facts]) -> Iterator[Difference]:
    for name in names:
        one, other = first[name], second[name]
        keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
        if keys:
            yield Difference(name, _part(one, keys), _part(other, keys))


def _part(facts: Facts, keys: list[str]) -> Facts:
    return {key: facts[key] for key in keys if key in facts}


def _whole(name: str, network: dict[str, Facts]) -> Facts:
    before = [*network].index(name) - 1
    return {"after": [*network][before] if before >= 0 else "the input", **network[name]}


def _facts(spec: Spec) -> dict[str, Facts]:
    return {layer.name: _of(layer, row) for layer, row in zip(spec.layers, account(spec).rows, strict=True)}


def _of(layer: Layer, row: LayerAccount) -> Facts:
    facts = {"kind": layer.kind, **asdict(layer)}
    if isinstance(layer, Windowed | Linear):  # the others leave the shape as it is
        facts["output"] = row.output
    for name in ("padding", "parameters", "macs"):
        if value := getattr(row, name):
            facts[name] = value  # of padding, what its rule comes to
    dropped = ("name", "channels", "units", *UNUSED.get(facts.get("initialisation", ""), ()))
    return {key: value for key, value in facts.items() if key not in dropped}
