"""The network as a module, built from a spec. N images, C channels or maps, H×W pixels, K classes.

Layers are children under the names of the spec, in its order: `net.conv1`, `net.norm1`, … Each works on its own and
writes to memory of its own; `forward` runs neighbours that the kernels know as one operation, unless somebody watches
between them or has put another module in the place of one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from alexnet import kernels
from alexnet.errors import ConfigError, WeightsError, unknown
from alexnet.model.account import account
from alexnet.model.geometry import around
from alexnet.model.lrn import norm_window
from alexnet.model.modules import Pooling, build, has_own_forward, initialise_layer, is_built, spatial_numbers
from alexnet.model.spec import (
    Activation,
    Conv,
    Dropout,
    Layer,
    Learned,
    Linear,
    MaxPool,
    ResponseNorm,
    SpatialNorm,
    Spec,
)

# Runs of layers that are one pass over memory, as `_order` writes them; and those that are where no longer one begins
# with their last layer.
FUSED = (*kernels.ORDERS, "relu-dropout")
LEFT = ("conv-relu",)

# What register_module_forward_hook and its like fill: hooks for all modules there are.
HOOKS: Final = (
    torch_module._global_forward_hooks,
    torch_module._global_forward_pre_hooks,
    torch_module._global_backward_hooks,
    torch_module._global_backward_pre_hooks,
)


class AlexNet(nn.Module):
    """The network of a spec: images in (N, C, H, W), logits out (N, K).

    Images are RGB on the 0–255 scale with the mean subtracted. Weights start as the spec says, drawn from `generator`
    (the default generator where none is given).
    """

    def __init__(self, spec: Spec, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.spec = spec
        shape: tuple[int, ...] = (spec.channels, spec.input_size, spec.input_size)
        for layer, row in zip(spec.layers, account(spec).rows, strict=True):
            self.add_module(layer.name, build(layer, shape, spec.classes))
            shape = row.output
        initialise(self, generator)

    @property
    def names(self) -> tuple[str, ...]:
        """The layers in order."""
        return tuple(layer.name for layer in self.spec.layers)

    @property
    def replaced(self) -> str | None:
        """The first layer in whose place is a module, or a `forward`, that its spec does not say; None if none is."""
        return next((layer.name for layer in self.spec.layers if not self._is_built(layer)), None)

    def check_layers(self) -> None:
        """Raises ConfigError, for what is made from the spec, when a layer was replaced or given another `forward`."""
        name = "" if has_own_forward(self) else self.replaced
        if name is not None:
            module = self.get_submodule(name)
            own = has_own_forward(module)
            changed = "given another forward" if own else f"replaced by {type(module).__name__}"
            raise ConfigError(
                f"{name or 'the network'} of {self.spec.name!r} was {changed}; files and copies are made from the "
                "spec, which does not know that. Change the spec and build the network from it."
            )

    def check_hooks(self) -> None:
        """Raises ConfigError, for copies, when a module has hooks that see or change what passes through it."""
        for name, module in self.named_modules():
            if module._forward_hooks or module._forward_pre_hooks:
                raise ConfigError(
                    f"{name or 'the network'} of {self.spec.name!r} has forward hooks; what answers is a copy, made "
                    "from the spec, which does not have them. Remove them, or use net(...) and net.stages(...), which "
                    "obey them."
                )

    def _is_built(self, layer: Layer) -> bool:
        module = self._modules.get(layer.name)
        return module is None or is_built(module, layer)

    @property
    def space_to_depth_block(self) -> tuple[int, int]:
        """The side of the blocks that images may come in (space to depth), and the zeros behind the last row first.

        (4, 3) for the paper's network at 224 pixels; (1, 0) where the first layer takes no blocks, or was replaced. See
        `alexnet.kernels.space_to_depth`.
        """
        first, spec = self.spec.layers[0], self.spec
        if not isinstance(first, Conv) or first.stride == 1 or first.groups > 1 or not self._is_built(first):
            return 1, 0
        before, after = around(first, spec.input_size)
        whole = (before + spec.input_size + after - first.kernel) % first.stride == 0
        return (first.stride, after) if whole and not before else (1, 0)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W), or of images in blocks as `space_to_depth_block` says."""
        return self._run(x, frozenset())[1]

    def stages(self, x: Tensor, names: str | Iterable[str]) -> dict[str, Tensor]:
        """The outputs of the named layers, or of one, for images `x` (N, C, H, W), in the order of `names`.

        Raises ConfigError, naming the nearest, for a layer that the network does not have.
        """
        names = (names,) if isinstance(names, str) else tuple(names)
        for name in names:
            if name not in self.names:
                raise unknown(f"layer of {self.spec.name!r}", name, self.names)
        kept, _ = self._run(x, frozenset(names))
        return {name: kept[name] for name in names}

    def reset_classifier(self, classes: int, *, generator: torch.Generator | None = None) -> None:
        """Replaces the last layer by a newly initialised one of `classes` units: fine-tuning on other classes.

        Raises ConfigError when it is no fully connected layer.
        """
        *others, last = self.spec.layers
        old = self.get_submodule(last.name)
        if not isinstance(last, Linear) or not isinstance(old, nn.Linear):
            raise ConfigError(
                f"The last layer {last.name} of {self.spec.name!r} is no Linear layer, so it cannot be made anew for "
                "other classes; end the network with one."
            )
        self.spec = replace(self.spec, classes=classes, layers=(*others, replace(last, units=None)))
        new = nn.Linear(old.in_features, classes, device=old.weight.device, dtype=old.weight.dtype)
        setattr(self, last.name, new)
        initialise_layer(new, last, generator)

    def _run(self, x: Tensor, wanted: frozenset[str]) -> tuple[dict[str, Tensor], Tensor]:
        self._check(x)
        kept = {}
        for group in groups(self.spec):
            if len(group) > 1 and not self._watched(group, wanted):
                x = self.run_group(group, x)
                if group[-1].name in wanted:
                    kept[group[-1].name] = x
                continue
            for layer in group:
                x = self.run_group((layer,), x)
                if layer.name in wanted:
                    kept[layer.name] = x
        return kept, x

    def run_group(self, group: tuple[Layer, ...], x: Tensor) -> Tensor:
        """The output of one layer, or of a run of layers that is one operation, as `groups` finds them."""
        if len(group) == 1:
            if isinstance(group[0], Linear) and x.ndim == 4:
                x = x.flatten(1)  # (N, C·H·W), in C, H, W order whatever the memory format
            output: Tensor = self.get_submodule(group[0].name)(x)
            return output
        if not all(map(self._is_built, group)):
            for layer in group:
                x = self.run_group((layer,), x)
            return x
        if isinstance(group[0], Conv):
            convolved: Tensor = self.get_submodule(group[0].name)(x, relu=True)
            return convolved
        if isinstance(group[-1], Dropout):
            dropped: Tensor = self.get_submodule(group[-1].name)(x, relu=True)
            return dropped
        pool = next(layer for layer in group if isinstance(layer, MaxPool))
        norm = next((layer for layer in group if isinstance(layer, ResponseNorm)), None)
        spatial = next((layer for layer in group if isinstance(layer, SpatialNorm)), None)
        numbers = (*norm_window(norm), norm.towers) if norm else ()
        pooling = self.get_submodule(pool.name)
        assert isinstance(pooling, Pooling)
        return kernels.pooled_stage(
            x,
            _order(group),
            pool.kernel,
            pool.stride,
            *numbers,
            spatial=spatial_numbers(spatial) if spatial else kernels.NOT_SPATIAL,
            padding=pooling.padding(x),
        )

    def _watched(self, group: tuple[Layer, ...], wanted: frozenset[str]) -> bool:
        """Whether somebody wants to see, or change, what passes between the layers of `group`."""
        modules = [self.get_submodule(layer.name) for layer in group]
        return any(layer.name in wanted for layer in group[:-1]) or any(map(any, (HOOKS, *map(_hooks, modules))))

    def _check(self, x: Tensor) -> None:
        size, (block, padding) = self.spec.input_size, self.space_to_depth_block
        expected = (self.spec.channels, size, size)
        blocks = -(-(size + padding) // block)
        blocks_of = (self.spec.channels * block**2, blocks, blocks)
        if x.ndim != 4 or x.shape[1:] not in (expected, blocks_of):
            raise ConfigError(
                f"{self.spec.name!r} takes images of shape (N, {', '.join(map(str, expected))}), not "
                f"{tuple(x.shape)}; crop the images, or build the network for another input size."
            )


@cache
def groups(spec: Spec) -> tuple[tuple[Layer, ...], ...]:
    """The layers in order, runs of them that are known as one operation taken together; the longest run first."""
    groups: list[tuple[Layer, ...]] = []
    start, end = 0, len(spec.layers)
    while start < end:
        runs = (spec.layers[start:stop] for stop in range(end, start + 1, -1))
        group = next((run for run in runs if _order(run) in FUSED), spec.layers[start : start + 1])
        if groups and _order(groups[-1] + group) in LEFT:
            groups[-1] += group
        else:
            groups.append(group)
        start += len(group)
    return tuple(groups)


def _hooks(module: nn.Module) -> tuple[object, ...]:
    return (
        module._forward_hooks,
        module._forward_pre_hooks,
        module._backward_hooks,
        module._backward_pre_hooks,
    )


def _order(run: tuple[Layer, ...]) -> str:
    return "-".join(layer.function if isinstance(layer, Activation) else layer.kind for layer in run)


def initialise(net: AlexNet, generator: torch.Generator | None = None) -> None:
    """Draws all parameters anew as the spec says, in the order of the layers."""
    for layer in net.spec.layers:
        if isinstance(layer, Learned):
            initialise_layer(net.get_submodule(layer.name), layer, generator)


def check_weights(expected: AlexNet, state: Mapping[str, Tensor]) -> None:
    """Raises WeightsError when `state`, of a network with the spec of `expected`, does not fit what that makes."""
    if wrong := unfit(expected, state):
        raise WeightsError(
            f"The network is not the {expected.spec.name!r} of its spec: {wrong}; change its spec as well, as "
            "net.reset_classifier(K) does for other classes, and end what prunes or reparametrises its weights."
        )


def unfit(net: AlexNet, state: Mapping[str, Tensor]) -> str:
    """Which tensor of `state` does not fit `net`, in words; "" where all do."""
    expected = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    wrong = [name for name in {*expected, *found} if expected.get(name) != found.get(name)]
    if not wrong:
        return ""
    name = min(wrong)
    return (
        f"{name} has shape {found.get(name, 'none')}, expected {expected.get(name, 'none')} ({len(wrong)} of "
        f"{len(expected)} tensors differ)"
    )
