"""A network in two towers, as on the two GPUs of 2012: each holds half the maps of every layer. N images, K classes.

The towers meet where a layer reads the maps of both: there each gives the other its own. Everything else a tower does
without the other. (PAPER, section 3.2 and figure 2)
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import Function

from alexnet.model.account import account
from alexnet.model.crossings import TOWERS, border, check_two_groups, reads_both, shares
from alexnet.model.modules import DropoutLayer, build
from alexnet.model.net import AlexNet, groups
from alexnet.model.spec import Conv, Dropout, Layer, Linear, ResponseNorm, Spec


class Link(Protocol):
    """What joins the towers: both are here, or this one is and a process has the other."""

    @property
    def here(self) -> tuple[int, ...]:
        """The numbers of the towers that are here, 0 or 1 or both."""

    @property
    def messages(self) -> dict[str, int]:
        """How often the towers have met in a forward pass, by the name of the layer."""

    def swap(self, given: Sequence[Tensor], shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """For each tower that is here what the other one gives, of the shape named; `given` is dense in memory."""


class Devices:
    """Both towers are in this process, each on a device of its own, which may be the same."""

    here = (0, 1)

    def __init__(self, devices: Sequence[torch.device]) -> None:
        self.devices = tuple(devices)
        self.messages: dict[str, int] = {}

    def swap(self, given: Sequence[Tensor], shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """The tensors, each on the device of the other tower."""
        first, second = given
        return [second.to(self.devices[0]), first.to(self.devices[1])]

    def __deepcopy__(self, memo: object) -> "Devices":
        return self


class Tower(AlexNet):
    """One half of a network: the layers of `spec` with the maps of tower `number`."""

    def __init__(self, spec: Spec, number: int) -> None:
        nn.Module.__init__(self)
        self.spec = replace(spec, layers=tuple(_half(layer, spec, number) for layer in spec.layers))
        shape: tuple[int, ...] = (spec.channels, spec.input_size, spec.input_size)
        for layer, whole, row in zip(self.spec.layers, spec.layers, account(spec).rows, strict=True):
            own = isinstance(whole, Conv) and whole.groups == TOWERS
            module = build(layer, (shape[0] // TOWERS, *shape[1:]) if own else shape, spec.classes)
            if isinstance(module, DropoutLayer):
                module.stream = number
            self.add_module(layer.name, module)
            shape = row.output

    def part_of(self, group: Sequence[Layer]) -> tuple[Layer, ...]:
        """Its halves of layers of the whole network."""
        names = {layer.name for layer in group}
        return tuple(layer for layer in self.spec.layers if layer.name in names)


class Towers(AlexNet):
    """`net` in two towers, joined by `link`: its weights are those of the towers that are here.

    Children are `tower0` and `tower1`, or the one that is here; the layers of each have the names of the spec. Logits
    come out on the device of the first tower here. Each tower has dropout masks of its own, so with dropout the draws
    are others than those of the network in one. Raises ConfigError for a network that is not in two groups.
    """

    def __init__(self, net: AlexNet, link: Link) -> None:
        check_two_groups(net.spec)
        nn.Module.__init__(self)
        self.spec, self.link = net.spec, link
        state = net.state_dict()
        for place, number in enumerate(link.here):
            tower = Tower(net.spec, number)
            if isinstance(link, Devices):
                tower.to(link.devices[place])
            self.add_module(f"tower{number}", tower)
        self.load_state_dict(self.split(state))

    @property
    def towers(self) -> list[Tower]:
        """Those that are here."""
        return [tower for tower in self.children() if isinstance(tower, Tower)]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W), or of images in blocks as `space_to_depth_block` says."""
        self._check(x)
        maps = [x.to(next(tower.parameters()).device) for tower in self.towers]
        for group in _steps(self.spec):
            maps = self._run_step(group, maps)
        self._count("logits")
        logits: Tensor = _Logits.apply(self.link, self.spec.classes, *maps)  # type: ignore[no-untyped-call]
        return logits

    def split(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The halves that are here of the whole network's tensors, by the names of this module's parameters."""
        found = {}
        for number in self.link.here:
            for name, tensor in state.items():
                found[f"tower{number}.{name}"] = tensor.tensor_split(TOWERS)[number]
        return found

    def whole(self, halves: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The whole network's tensors, on the CPU, from halves by the names of this module's parameters.

        All processes that hold a tower call it together.
        """
        found = {}
        for name in self.names_of_parameters:
            own = [halves[f"tower{number}.{name}"].detach() for number in self.link.here]
            if len(own) == 1:
                parts = shares(_units(self.spec, name))
                shape = (parts[1 - self.link.here[0]], *own[0].shape[1:])
                (other,) = self.link.swap([own[0].contiguous()], [shape])
                own = [own[0], other] if self.link.here[0] == 0 else [other, own[0]]
            found[name] = torch.cat([half.cpu() for half in own])
        return found

    @property
    def names_of_parameters(self) -> list[str]:
        """Those of the whole network."""
        return [name for name, _ in self.towers[0].named_parameters()]

    def _run_step(self, group: tuple[Layer, ...], maps: list[Tensor]) -> list[Tensor]:
        first = group[0]
        if isinstance(first, Linear):
            maps = [each.flatten(1) for each in maps]
        if isinstance(first, Linear) or (isinstance(first, Conv) and reads_both(first, self.spec)):
            self._count(first.name)
            maps = list(_Both.apply(self.link, *maps))  # type: ignore[no-untyped-call]
        norm = next((layer for layer in group if isinstance(layer, ResponseNorm)), None)
        width = border(norm) if norm is not None and norm.towers == 1 else 0
        if width:
            assert norm is not None
            self._count(norm.name)
            maps = list(_Border.apply(self.link, width, *maps))  # type: ignore[no-untyped-call]
        draws = torch.get_rng_state() if any(isinstance(layer, Dropout) for layer in group) else None
        outputs = []
        for tower, each in zip(self.towers, maps, strict=True):
            if draws is not None:
                torch.set_rng_state(draws)  # one number for both towers, as where they do not know of each other
            outputs.append(tower.run_group(tower.part_of(group), each))
        if width:
            outputs = [_without_border(*each, width) for each in zip(self.link.here, outputs, strict=True)]
        return outputs

    def _count(self, name: str) -> None:
        self.link.messages[name] = self.link.messages.get(name, 0) + 1


def _half(layer: Layer, spec: Spec, number: int) -> Layer:
    match layer:
        case Conv():
            return replace(layer, channels=layer.channels // TOWERS, groups=1)
        case Linear():
            return replace(layer, units=shares(layer.units or spec.classes)[number])
        case ResponseNorm():
            return replace(layer, towers=1)
    return layer


def _steps(spec: Spec) -> list[tuple[Layer, ...]]:
    """The groups of the network; a norm at the end of one is a step of its own, so that fewer maps cross."""
    steps: list[tuple[Layer, ...]] = []
    for group in groups(spec):
        last = group[-1]
        if len(group) > 1 and isinstance(last, ResponseNorm) and last.towers == 1:
            steps += [group[:-1], group[-1:]]
        else:
            steps.append(group)
    return steps


def _units(spec: Spec, name: str) -> int:
    layer = spec.layer(name.rpartition(".")[0])
    return layer.channels if isinstance(layer, Conv) else layer.units or spec.classes  # type: ignore[union-attr]


def _without_border(number: int, x: Tensor, width: int) -> Tensor:
    own = x[:, :-width] if number == 0 else x[:, width:]
    return own.contiguous(memory_format=torch.channels_last)


def _swapped(link: Link, given: Sequence[Tensor], widths: Sequence[int]) -> list[Tensor]:
    """What the other towers give for maps (N, C, H, W) or rows (N, C), of as many channels as `widths` says."""
    if given[0].ndim == 2:
        shapes = [(len(each), width) for each, width in zip(given, widths, strict=True)]
        return link.swap([each.contiguous() for each in given], shapes)
    dense = [each.permute(0, 2, 3, 1).contiguous() for each in given]
    shapes = [(*each.shape[:3], width) for each, width in zip(dense, widths, strict=True)]
    return [each.permute(0, 3, 1, 2) for each in link.swap(dense, shapes)]


def _joined(number: int, own: Tensor, other: Tensor) -> Tensor:
    joined = torch.cat((own, other) if number == 0 else (other, own), 1)
    return joined.contiguous(memory_format=torch.channels_last) if joined.ndim == 4 else joined


def _parted(number: int, joined: Tensor, own: int) -> tuple[Tensor, Tensor]:
    """(own, other) of what `_joined` made of `own` channels and others."""
    if number == 0:
        return joined[:, :own], joined[:, own:]
    return joined[:, joined.shape[1] - own :], joined[:, : joined.shape[1] - own]


class _Both(Function):
    """The maps of both towers, for each; their gradients add up what both towers make of them."""

    @staticmethod
    def forward(ctx: Any, link: Link, *own: Tensor) -> tuple[Tensor, ...]:
        ctx.link, ctx.width = link, own[0].shape[1]
        others = _swapped(link, own, [ctx.width] * len(own))
        return tuple(_joined(*each) for each in zip(link.here, own, others, strict=True))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        parts = [_parted(number, grad, ctx.width) for number, grad in zip(ctx.link.here, grads, strict=True)]
        others = _swapped(ctx.link, [other for _, other in parts], [ctx.width] * len(parts))
        return None, *(own + other for (own, _), other in zip(parts, others, strict=True))


class _Border(Function):
    """Each tower's maps with those of the other that its windows reach: `width` of them, at the side of the other."""

    @staticmethod
    def forward(ctx: Any, link: Link, width: int, *own: Tensor) -> tuple[Tensor, ...]:
        ctx.link, ctx.width, ctx.own = link, width, own[0].shape[1]
        edges = [_edge(number, each, width) for number, each in zip(link.here, own, strict=True)]
        others = _swapped(link, edges, [width] * len(own))
        return tuple(_joined(*each) for each in zip(link.here, own, others, strict=True))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        parts = [_parted(number, grad, ctx.own) for number, grad in zip(ctx.link.here, grads, strict=True)]
        others = _swapped(ctx.link, [other for _, other in parts], [ctx.width] * len(parts))
        found = []
        for number, (own, _), other in zip(ctx.link.here, parts, others, strict=True):
            own = own.clone(memory_format=torch.channels_last)
            _edge(number, own, ctx.width).add_(other)
            found.append(own)
        return None, None, *found


class _Logits(Function):
    """The logits of both towers; the loss of all is computed wherever they are, so each takes its own gradient."""

    @staticmethod
    def forward(ctx: Any, link: Link, classes: int, *own: Tensor) -> Tensor:
        ctx.here, ctx.devices = link.here, [each.device for each in own]
        ctx.first = own[0].shape[1] if link.here[0] == 0 else classes - own[0].shape[1]
        others = _swapped(link, own, [classes - each.shape[1] for each in own])
        return _joined(link.here[0], own[0], others[0])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        halves = grad[:, : ctx.first], grad[:, ctx.first :]
        own = (halves[number].contiguous() for number in ctx.here)
        return None, None, *(each.to(device) for each, device in zip(own, ctx.devices, strict=True))


def _edge(number: int, maps: Tensor, width: int) -> Tensor:
    """The maps that the other tower's windows reach."""
    return maps[:, -width:] if number == 0 else maps[:, :width]
