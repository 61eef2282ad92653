"""The network as a module, built from a spec. N images, C channels or maps, H×W pixels, K classes.

Layers are children under the names of the spec, in its order: `net.conv1`, `net.norm1`, … Each works on its own and
writes to memory of its own; `forward` runs neighbours that the kernels know as one operation, unless somebody watches
between them.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import skip_init

from alexnet import kernels
from alexnet.errors import ConfigError, unknown
from alexnet.model.account import account
from alexnet.model.ops import ceil_padding, norm_window
from alexnet.model.spec import Activation, Conv, Dropout, Layer, Linear, MaxPool, ResponseNorm, Spec

# Runs of layers that are one pass over memory, as `_order` writes them.
FUSED = (*kernels.ORDERS, "relu-dropout")


class CeilConv2d(nn.Conv2d):
    """A convolution that appends zeros at the right and bottom until its last window is whole (see `Conv.ceil`).

    It also takes images folded in blocks of stride × stride pixels with that padding: the same sums as a dense
    convolution, which fast kernels are made for. The weights keep their shape.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W), or folded (N, C · stride², ⌈H/stride⌉, ⌈W/stride⌉) → (N, maps, H', W')."""
        sides = int(self.padding[0])
        if x.shape[1] != self.in_channels:  # folded already
            return F.conv2d(x, kernels.fold_weight(self.weight, self.stride[0]), self.bias)
        bottom, right = (ceil_padding(size + 2 * sides, self.kernel_size[0], self.stride[0]) for size in x.shape[-2:])
        return super().forward(F.pad(x, (0, right, 0, bottom)) if bottom or right else x)


class LocalResponseNorm(nn.Module):
    """Local response normalisation across neighbouring maps, in fp32 whatever the type of its input."""

    def __init__(self, layer: ResponseNorm) -> None:
        super().__init__()
        self.layer = layer
        self.window = norm_window(layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H, W)."""
        below, above, k, alpha, beta = self.window
        return kernels.response_norm(x, below, above, k, alpha, beta, self.layer.towers)

    def extra_repr(self) -> str:
        """The layer's numbers, for printing the network."""
        return ", ".join(f"{key}={value!r}" for key, value in vars(self.layer).items() if key != "name")


class InvertedDropout(nn.Module):
    """Inverted dropout whose mask is a function of one number drawn from PyTorch's default generator."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor, relu: bool = False) -> Tensor:
        """The activations that are kept, divided by 1 - rate, of `x` or of its positive part; in evaluation all."""
        if not self.training or self.rate == 0.0:
            return F.relu(x) if relu else x
        return kernels.relu_dropout(x, self.rate, int(torch.randint(1 << 62, ())), relu)

    def extra_repr(self) -> str:
        """The rate, for printing the network."""
        return f"rate={self.rate}"


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
            self.add_module(layer.name, _build(layer, shape, spec.classes))
            shape = row.output
        initialise(self, generator)

    @property
    def names(self) -> tuple[str, ...]:
        """The layers in order."""
        return tuple(layer.name for layer in self.spec.layers)

    @property
    def folding(self) -> tuple[int, int]:
        """The side of the blocks that images may come folded in, and the zeros behind the last row and column.

        (4, 3) for the paper's network at 224 pixels; (1, 0) where the first layer takes no folded images. See
        `alexnet.kernels.fold_image`.
        """
        first = self.spec.layers[0]
        if not (
            isinstance(first, Conv) and first.ceil and first.stride > 1 and not first.padding and first.groups == 1
        ):
            return 1, 0
        return first.stride, ceil_padding(self.spec.input_size, first.kernel, first.stride)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W), or of images folded as `folding` says."""
        return self._run(x, frozenset())[1]

    def stages(self, x: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
        """The outputs of the named layers for images `x` (N, C, H, W), in the order of `names`.

        Raises ConfigError, naming the nearest, for a layer that the network does not have.
        """
        names = tuple(names)
        for name in names:
            if name not in self.names:
                raise unknown(f"layer of {self.spec.name!r}", name, self.names)
        kept, _ = self._run(x, frozenset(names))
        return {name: kept[name] for name in names}

    def reset_classifier(self, classes: int, *, generator: torch.Generator | None = None) -> None:
        """Replaces the last layer by a newly initialised one of `classes` units: fine-tuning on other classes."""
        self.spec = replace(self.spec, classes=classes)
        last = self.spec.layers[-1]
        old = self.get_submodule(last.name)
        assert isinstance(last, Linear) and isinstance(old, nn.Linear)
        new = nn.Linear(old.in_features, classes, device=old.weight.device, dtype=old.weight.dtype)
        setattr(self, last.name, new)
        _initialise_layer(new, last, generator)

    def _run(self, x: Tensor, wanted: frozenset[str]) -> tuple[dict[str, Tensor], Tensor]:
        self._check(x)
        kept = {}
        for group in _groups(self.spec.layers):
            if len(group) > 1 and not self._watched(group, wanted):
                x = self._run_fused(group, x)
                if group[-1].name in wanted:
                    kept[group[-1].name] = x
                continue
            for layer in group:
                if isinstance(layer, Linear) and x.ndim == 4:
                    x = x.flatten(1)  # (N, C·H·W), in C, H, W order whatever the memory format
                x = self.get_submodule(layer.name)(x)
                if layer.name in wanted:
                    kept[layer.name] = x
        return kept, x

    def _run_fused(self, group: tuple[Layer, ...], x: Tensor) -> Tensor:
        if isinstance(group[-1], Dropout):
            dropped: Tensor = self.get_submodule(group[-1].name)(x, relu=True)
            return dropped
        pool = next(layer for layer in group if isinstance(layer, MaxPool))
        norm = next((layer for layer in group if isinstance(layer, ResponseNorm)), None)
        numbers = (*norm_window(norm), norm.towers) if norm else ()
        return kernels.pooled_stage(x, _order(group), pool.kernel, pool.stride, *numbers)

    def _watched(self, group: tuple[Layer, ...], wanted: frozenset[str]) -> bool:
        """Whether somebody wants to see, or change, what passes between the layers of `group`."""
        modules = [self.get_submodule(layer.name) for layer in group]
        return any(layer.name in wanted for layer in group[:-1]) or any(
            module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
            for module in modules
        )

    def _check(self, x: Tensor) -> None:
        size, (fold, padding) = self.spec.input_size, self.folding
        expected = (self.spec.channels, size, size)
        blocks = -(-(size + padding) // fold)
        folded = (self.spec.channels * fold**2, blocks, blocks)
        if x.ndim != 4 or x.shape[1:] not in (expected, folded):
            raise ConfigError(
                f"{self.spec.name!r} takes images of shape (N, {', '.join(map(str, expected))}), not "
                f"{tuple(x.shape)}; crop the images, or build the network for another input size."
            )


@cache
def _groups(sequence: tuple[Layer, ...]) -> tuple[tuple[Layer, ...], ...]:
    """The layers in order, runs of them that are known as one operation taken together; the longest run first."""
    groups = []
    start = 0
    while start < len(sequence):
        longest = max(
            (end for end in range(start + 2, len(sequence) + 1) if _order(sequence[start:end]) in FUSED),
            default=start + 1,
        )
        groups.append(sequence[start:longest])
        start = longest
    return tuple(groups)


def _order(sequence: tuple[Layer, ...]) -> str:
    return "-".join(layer.function if isinstance(layer, Activation) else layer.kind for layer in sequence)


def _build(layer: Layer, shape: tuple[int, ...], classes: int) -> nn.Module:
    """The module of a layer whose input is of `shape`; its parameters are memory yet to be written."""
    device = torch.get_default_device()
    module: nn.Module
    match layer:
        case Conv():
            kind = CeilConv2d if layer.ceil else nn.Conv2d
            sizes = {"stride": layer.stride, "padding": layer.padding, "groups": layer.groups}
            module = skip_init(kind, shape[0], layer.maps, layer.kernel, **sizes, device=device)  # type: ignore[no-untyped-call]
        case Activation(function="relu"):
            module = nn.ReLU()
        case Activation(function="tanh"):
            module = nn.Tanh()
        case Activation():
            raise unknown(f"activation of {layer.name}", layer.function, ("relu", "tanh"))
        case ResponseNorm():
            module = LocalResponseNorm(layer)
        case MaxPool():
            module = nn.MaxPool2d(layer.kernel, layer.stride)
        case Linear():
            module = skip_init(nn.Linear, prod(shape), layer.units or classes, device=device)  # type: ignore[no-untyped-call]
        case Dropout():
            module = InvertedDropout(layer.rate)
    return module


def initialise(net: AlexNet, generator: torch.Generator | None = None) -> None:
    """Draws all weights anew as the spec says: N(0, std) in the order of the layers, constant biases (section 5)."""
    for layer in net.spec.layers:
        if isinstance(layer, Conv | Linear):
            _initialise_layer(net.get_submodule(layer.name), layer, generator)


@torch.no_grad()
def _initialise_layer(module: nn.Module, layer: Conv | Linear, generator: torch.Generator | None) -> None:
    assert isinstance(module, nn.Conv2d | nn.Linear)
    assert module.bias is not None
    module.weight.normal_(0.0, layer.std, generator=generator)
    module.bias.fill_(layer.bias)
