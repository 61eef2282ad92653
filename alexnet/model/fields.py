"""Where in a network's input an output looks: its receptive field as a place, not only as a size."""

from dataclasses import dataclass

from alexnet.model.account import account
from alexnet.model.spec import SpatialNorm, Spec


@dataclass(frozen=True)
class Field:
    """Output (i, j) of a layer sees `side` pixels of the input from `start` + i·`step` down, `start` + j·`step` across.

    What lies outside the input is padding.
    """

    side: int
    step: int
    start: int


def fields(spec: Spec) -> dict[str, Field]:
    """The field of every layer that does not see the whole input, by the layer's name. Raises what `account` raises."""
    found: dict[str, Field] = {}
    step, start = 1, 0
    for layer, row in zip(spec.layers, account(spec).rows, strict=True):
        if row.receptive_field is None:
            break
        if row.padding is not None:
            start -= row.padding[0] * step
        elif isinstance(layer, SpatialNorm):
            start -= layer.size // 2 * step
        step *= row.stride or 1
        found[row.name] = Field(row.receptive_field, step, start)
    return found
