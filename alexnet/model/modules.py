"""The layers of a spec as modules. N images, C channels or maps, H×W pixels."""

import math
from collections.abc import Mapping
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet import kernels
from alexnet.errors import unknown
from alexnet.model.geometry import around, window_positions, window_sizes
from alexnet.model.lrn import norm_window
from alexnet.model.spec import (
    ACTIVATIONS,
    INITIALISATIONS,
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
)


class Convolution(nn.Conv2d):
    """A convolution with any `alexnet.model.spec.Padding`.

    Without zeros at the left and top it also takes images in blocks of stride × stride pixels (space to depth): the
    same sums as a dense convolution, which fast kernels are made for. The weights keep their shape.
    """

    def __init__(self, layer: Conv, channels: int, device: torch.device | None = None) -> None:
        super().__init__(channels, layer.channels, layer.kernel, layer.stride, groups=layer.groups, device=device)
        self.layer = layer
        self._prepared: dict[tuple[int, tuple[int, int]], kernels.PreparedConvolution] | None = None

    def reset_parameters(self) -> None:
        """Nothing: `initialise_layer` draws them."""

    def prepare(self) -> None:
        """From now on, weights are taken to stand still: without gradients, kernels for such are used."""
        self._prepared = {}

    def forward(self, x: Tensor, relu: bool = False) -> Tensor:
        """(N, C, H, W), or in blocks (N, C · stride², ⌈H/stride⌉, ⌈W/stride⌉) → (N, maps, H', W').

        With `relu`, what is negative becomes zero.
        """
        if x.shape[1] != self.in_channels:  # in blocks already
            return self._convolve(x, self.stride[0], (0, 0), relu)
        (top, bottom), (left, right) = (around(self.layer, size) for size in x.shape[-2:])
        if (top, left) != (bottom, right):
            x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
        return self._convolve(x, 1, (top, left), relu)

    def _convolve(self, x: Tensor, block: int, padding: tuple[int, int], relu: bool) -> Tensor:
        assert self.bias is not None
        numbers = self.weight, self.bias, self.stride[0], padding, self.groups, block
        if self._prepared is None or torch.is_grad_enabled():
            return kernels.convolution(x, *numbers, relu)
        key = block, padding
        if key not in self._prepared:
            self._prepared[key] = kernels.PreparedConvolution(*numbers)
        return self._prepared[key](x, relu)

    def extra_repr(self) -> str:
        """The layer's numbers, for printing the network."""
        return _numbers(self.layer)


class LocalConnection(nn.Module):
    """A locally connected layer: one product of matrices a position.

    `weight` is (H'·W', maps, kernel² · C), the last in the order row, column, channel of a window; `bias` is
    (H'·W', maps).
    """

    def __init__(self, layer: Local, shape: tuple[int, ...], device: torch.device | None = None) -> None:
        super().__init__()
        self.layer = layer
        channels, height, width = shape
        rows, columns = (
            window_positions(size + sum(around(layer, size)), layer.kernel, layer.stride) for size in (height, width)
        )
        inputs = layer.kernel**2 * channels
        self.weight = nn.Parameter(torch.empty(rows * columns, layer.channels, inputs, device=device))
        self.bias = nn.Parameter(torch.empty(rows * columns, layer.channels, device=device))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, maps, H', W')."""
        (top, bottom), (left, right) = (around(self.layer, size) for size in x.shape[-2:])
        kernel, stride = self.layer.kernel, self.layer.stride
        x = F.pad(x, (left, right, top, bottom)).permute(2, 3, 0, 1).contiguous()  # (H, W, N, C)
        rows, columns = (window_positions(size, kernel, stride) for size in x.shape[:2])
        # where each of kernel² places of a window lies, for all windows at once: copies of whole rows of channels
        windows = [
            x[i : i + (rows - 1) * stride + 1 : stride, j : j + (columns - 1) * stride + 1 : stride]
            for i in range(kernel)
            for j in range(kernel)
        ]
        seen = torch.cat(windows, 3).flatten(0, 1)  # (H'·W', N, kernel² · C)
        y = torch.baddbmm(self.bias[:, None], seen, self.weight.transpose(1, 2))
        maps = y.view(rows, columns, *y.shape[1:]).permute(2, 3, 0, 1)
        return maps.contiguous(memory_format=torch.channels_last)

    def extra_repr(self) -> str:
        """The layer's numbers, for printing the network."""
        return _numbers(self.layer)


class FullConnection(nn.Linear):
    """A fully connected layer; with `routes` of its own it takes those, see `alexnet.kernels.linear`."""

    routes: Mapping[str, str] | None = None

    def reset_parameters(self) -> None:
        """Nothing: `initialise_layer` draws them."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs) → (N, outputs)."""
        return kernels.linear(x, self.weight, self.bias, self.routes)


def full_connections(net: nn.Module) -> dict[str, tuple[int, int]]:
    """The inputs and outputs of the fully connected layers of `net`, by name."""
    layers = ((name, module) for name, module in net.named_modules() if isinstance(module, nn.Linear))
    return {name: (module.in_features, module.out_features) for name, module in layers}


class Weightless(nn.Module):
    """A layer without weights."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer

    def extra_repr(self) -> str:
        """The layer's numbers, for printing the network."""
        return _numbers(self.layer)


class Scaling(Weightless):
    """Multiplication by one number."""

    layer: Scale

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H, W)."""
        return x * self.layer.factor


class Pooling(Weightless):
    """A max-pooling with any `alexnet.model.spec.Padding`; padding is never the maximum."""

    layer: MaxPool

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H', W')."""
        top, bottom, left, right = self.padding(x)
        if top or bottom or left or right:
            x = F.pad(x, (left, right, top, bottom), value=-math.inf)
        return F.max_pool2d(x, self.layer.kernel, self.layer.stride)

    def padding(self, x: Tensor) -> kernels.Padding:
        """What the layer puts around a map `x` (N, C, H, W)."""
        (top, bottom), (left, right) = (around(self.layer, size) for size in x.shape[-2:])
        return kernels.Padding(top, bottom, left, right)


class AveragePooling(Weightless):
    """An average-pooling with any `alexnet.model.spec.Padding`; padding is no part of an average."""

    layer: AvgPool

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H', W')."""
        (top, bottom), (left, right) = (around(self.layer, size) for size in x.shape[-2:])
        kernel, stride = self.layer.kernel, self.layer.stride
        if not (top or bottom or left or right):
            return F.avg_pool2d(x, kernel, stride)
        sums = F.avg_pool2d(F.pad(x, (left, right, top, bottom)), kernel, stride, divisor_override=1)
        rows, columns = (sums.new_tensor(window_sizes(self.layer, size)) for size in x.shape[-2:])
        return sums / (rows[:, None] * columns)


class LocalResponseNorm(Weightless):
    """Local response normalisation across neighbouring maps, in fp32 whatever the type of its input."""

    layer: ResponseNorm

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H, W)."""
        below, above, k, alpha, beta = norm_window(self.layer)
        return kernels.response_norm(x, below, above, k, alpha, beta, self.layer.towers)


def spatial_numbers(layer: SpatialNorm) -> kernels.Spatial:
    """What the kernels take for `layer`, whose alpha is divided by the positions of a window."""
    return kernels.Spatial(layer.size, layer.k, layer.alpha / layer.size**2, layer.beta)


class SpatialResponseNorm(Weightless):
    """Response normalisation over neighbouring positions of each map, in fp32 whatever the type of its input."""

    layer: SpatialNorm

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H, W)."""
        return kernels.spatial_norm(x, spatial_numbers(self.layer))


class BatchNormalisation(nn.Module):
    """Batch normalisation of each map; in evaluation by the running mean and variance of training.

    Its numbers are fp32 in a working copy too: the running ones would swallow small changes in bf16.
    """

    EPSILON, SHARE = 1e-5, 0.1  # added to the variance; of the newest batch in the running numbers
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(maps))
        self.bias = nn.Parameter(torch.zeros(maps))
        self.register_buffer("running_mean", torch.zeros(maps))
        self.register_buffer("running_var", torch.ones(maps))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H, W)."""
        state = self.running_mean, self.running_var, self.weight, self.bias
        return F.batch_norm(x, *state, self.training, self.SHARE, self.EPSILON)

    @torch.no_grad()
    def reset(self) -> None:
        """Back to the start: nothing is scaled or shifted, no batch has been seen."""
        for tensor, value in ((self.weight, 1), (self.bias, 0), (self.running_mean, 0), (self.running_var, 1)):
            tensor.fill_(value)


class DropoutLayer(Weightless):
    """Dropout whose mask is a function of one number drawn from PyTorch's default generator, and of `stream`."""

    layer: Dropout
    stream = 0  # another one where another layer has the same number drawn

    def forward(self, x: Tensor, relu: bool = False) -> Tensor:
        """What is kept of `x`, or of its positive part; in evaluation all. See `alexnet.model.spec.Dropout`."""
        rate = self.layer.rate
        if self.training and rate:
            x = kernels.relu_dropout(x, rate, int(torch.randint(1 << 62, ())) + self.stream, relu)
        elif relu:
            x = F.relu(x)
        # the kernel has divided by 1 - rate
        return x if self.layer.inverted else x * (1 - rate)


def build(layer: Layer, shape: tuple[int, ...], classes: int) -> nn.Module:
    """The module of a layer whose input is of `shape`; weights are memory yet to be written by `initialise_layer`."""
    device = torch.get_default_device()
    module: nn.Module
    match layer:
        case Conv():
            module = Convolution(layer, shape[0], device)
        case Local():
            module = LocalConnection(layer, shape, device)
        case Linear():
            module = FullConnection(prod(shape), layer.units or classes, device=device)
        case BatchNorm():
            module = BatchNormalisation(shape[0])
        case Scale():
            module = Scaling(layer)
        case Activation():
            if layer.function not in FUNCTIONS:
                raise unknown(f"activation of {layer.name}", layer.function, ACTIVATIONS)
            module = FUNCTIONS[layer.function]()
        case ResponseNorm():
            module = LocalResponseNorm(layer)
        case SpatialNorm():
            module = SpatialResponseNorm(layer)
        case MaxPool():
            module = Pooling(layer)
        case AvgPool():
            module = AveragePooling(layer)
        case Dropout():
            module = DropoutLayer(layer)
    return module


# What `build` makes of a layer; PyTorch's own fully connected layer computes the same.
FUNCTIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}
BUILT: dict[type[Layer], tuple[type[nn.Module], ...]] = {
    Conv: (Convolution,),
    Local: (LocalConnection,),
    Linear: (FullConnection, nn.Linear),
    BatchNorm: (BatchNormalisation,),
    Scale: (Scaling,),
    Activation: tuple(FUNCTIONS.values()),
    ResponseNorm: (LocalResponseNorm,),
    SpatialNorm: (SpatialResponseNorm,),
    MaxPool: (Pooling,),
    AvgPool: (AveragePooling,),
    Dropout: (DropoutLayer,),
}


def has_own_forward(module: nn.Module) -> bool:
    """Whether somebody has given this one module another `forward` than its class has."""
    return "forward" in vars(module)


def is_built(module: nn.Module, layer: Layer) -> bool:
    """Whether `module` is of the kind that `build` makes for `layer`, with the numbers of `layer` and its `forward`."""
    if type(module) not in BUILT[type(layer)] or has_own_forward(module):
        return False
    if isinstance(layer, Activation):
        return type(module) is FUNCTIONS[layer.function]
    own = getattr(module, "layer", layer)
    return own is layer or own == layer


@torch.no_grad()
def initialise_layer(module: nn.Module, layer: Learned, generator: torch.Generator | None = None) -> None:
    """Draws the parameters of `module` anew as `layer` says (paper, section 5, and `INITIALISATIONS`)."""
    if isinstance(module, BatchNormalisation):
        module.reset()
        return
    assert isinstance(module, nn.Conv2d | LocalConnection | nn.Linear) and isinstance(layer, Conv | Local | Linear)
    weight, bias = module.weight, module.bias
    if weight.is_meta:
        return  # PyTorch would import its compiler, for a second and a half, to draw nothing
    inputs = weight.shape[-1] if isinstance(layer, Local) else weight[0].numel()
    assert bias is not None
    bias.fill_(layer.bias)
    match layer.initialisation:
        case "normal":
            weight.normal_(0.0, layer.std, generator=generator)
        case "fan":
            weight.normal_(0.0, layer.std / math.sqrt(inputs), generator=generator)
        case "truncated":
            limit = 2 * layer.std
            nn.init.trunc_normal_(weight, 0.0, layer.std, -limit, limit, generator=generator)
        case "unit":
            limit = math.sqrt(3 / inputs)
            weight.uniform_(-limit, limit, generator=generator)
        case "pytorch":
            limit = 1 / math.sqrt(inputs)
            weight.uniform_(-limit, limit, generator=generator)
            bias.uniform_(-limit, limit, generator=generator)
        case _:
            raise unknown(f"initialisation of {layer.name}", layer.initialisation, INITIALISATIONS)


def _numbers(layer: Layer) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in vars(layer).items() if key != "name")
