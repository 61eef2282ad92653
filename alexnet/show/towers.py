"""The towers of a network: equal blocks of maps that groups keep apart, and the layers that cross between them."""

from fractions import Fraction
from itertools import product

from alexnet.model.spec import Conv, Linear, Local, Spec

MOST = 4  # groups that are still drawn as towers of their own


def towers(spec: Spec) -> int:
    """The number of towers: the most groups of any convolution, if that is no more than `MOST`; else 1."""
    most = max((layer.groups for layer in spec.layers if isinstance(layer, Conv)), default=1)
    return most if most <= MOST else 1


def block_count(spec: Spec, name: str) -> int:
    """How many blocks the outputs of layer `name` are drawn in: all towers, but the last layer is one."""
    return 1 if name == spec.layers[-1].name else towers(spec)


def connections(groups: int, inputs: int, outputs: int) -> tuple[tuple[int, int], ...]:
    """Which of `inputs` equal blocks reach which of `outputs` equal blocks through a layer of so many groups.

    (0, 0) and (1, 1) for two groups between two towers; all four pairs for one group.
    """
    return tuple(
        (here, there)
        for here, there in product(range(inputs), range(outputs))
        if any(_meets(group, groups, here, inputs) and _meets(group, groups, there, outputs) for group in range(groups))
    )


def _meets(part: int, parts: int, block: int, blocks: int) -> bool:
    """Whether the `part`-th of equal parts of a whole overlaps the `block`-th of its equal blocks."""
    return Fraction(part, parts) < Fraction(block + 1, blocks) and Fraction(block, blocks) < Fraction(part + 1, parts)


def crossings(spec: Spec) -> tuple[str, ...]:
    """The layers through which one tower reaches another: conv3, fc6 and fc7 of the paper's network."""
    count, found = towers(spec), []
    learned = [layer for layer in spec.layers if isinstance(layer, Conv | Local | Linear)]
    for layer in learned[1:]:
        groups = layer.groups if isinstance(layer, Conv) else 1
        pairs = connections(groups, count, block_count(spec, layer.name))
        if block_count(spec, layer.name) > 1 and any(here != there for here, there in pairs):
            found.append(layer.name)
    return tuple(found)
