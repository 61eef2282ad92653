"""A network as frozen data: layers in the order they run, and the input they expect.

A `Spec` holds no tensors and no sizes that follow from others: shapes are worked out by `alexnet.model.account`,
modules are built by `alexnet.model.net`. A variation is `dataclasses.replace` of a named spec, never a copy.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Self, get_args

from alexnet.errors import ConfigError, unknown

Padding = int | tuple[int, int] | str
"""What lies around a map: as much on each side; (at the left and top, at the right and bottom); or a rule.

"ceil" appends at the right and bottom alone, as much as it takes for the last window to be whole: the rule of the 2012
code, whose kernels read 0 outside the image, and the reason why 224 pixels give 55 positions there. "same" is
TensorFlow's: ⌈size / stride⌉ positions, what that takes shared between both ends, the odd one at the right and bottom.
"""

FORMER_FIELDS = {"maps": "channels", "start": "initialisation"}
"""Fields of layers that files written before version 0.2 call by other names."""

# How parameters start. Drawn anew for every weight; `std` and `bias` are the layer's.
INITIALISATIONS = {
    "normal": "weights N(0, std), biases `bias` (the paper, Caffe)",
    "truncated": "weights N(0, std) without what lies beyond two std, biases `bias` (tflearn, fully connected)",
    "unit": "weights uniform within √(3 / inputs), biases `bias` (tflearn, convolutions)",
    "pytorch": "weights and biases uniform within 1 / √inputs (PyTorch's own)",
}


@dataclass(frozen=True)
class Conv:
    """A convolution with zeros around its input as `padding` says; `initialisation` is one of `INITIALISATIONS`."""

    kind: ClassVar[str] = "conv"
    name: str
    channels: int
    kernel: int
    stride: int = 1
    padding: Padding = 0
    groups: int = 1
    initialisation: str = "normal"
    std: float = 0.01
    bias: float = 0.0


@dataclass(frozen=True)
class Scale:
    """Multiplication by `factor`: for networks that learn from pixels of another scale than 0-255."""

    kind: ClassVar[str] = "scale"
    name: str
    factor: float


ACTIVATIONS = ("relu", "tanh")


@dataclass(frozen=True)
class Activation:
    """A pointwise nonlinearity, one of `ACTIVATIONS`: tanh for the paper's comparison (figure 1)."""

    kind: ClassVar[str] = "activation"
    name: str
    function: str = "relu"


@dataclass(frozen=True)
class ResponseNorm:
    """Local response normalisation across neighbouring maps (paper, section 3.3).

    `convention` says what `alpha` and `n` mean; `alexnet.model.lrn.CONVENTIONS` lists them. With `towers` above 1 the
    maps are that many equal blocks and no window crosses from one into another, as on the two GPUs of 2012.
    """

    kind: ClassVar[str] = "norm"
    name: str
    n: int = 5
    k: float = 2.0
    alpha: float = 1e-4
    beta: float = 0.75
    convention: str = "original"
    towers: int = 1


@dataclass(frozen=True)
class SpatialNorm:
    """Response normalisation inside each map, over `size` × `size` positions: in the 2012 code, not in the paper.

    y = x · (k + `alpha` / `size`² · Σ x²)^-`beta`, positions outside the map counting as 0.
    """

    kind: ClassVar[str] = "spatial norm"
    name: str
    size: int = 5
    k: float = 1.0
    alpha: float = 1e-3
    beta: float = 0.75


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation of each map (Ioffe and Szegedy 2015): none of the networks has it, all of them can.

    Its scale learns as a weight does, its shift as a bias.
    """

    kind: ClassVar[str] = "batch norm"
    name: str


@dataclass(frozen=True)
class MaxPool:
    """A max-pooling; overlapping where `kernel` exceeds `stride` (paper, section 3.4). Padding is never the maximum."""

    kind: ClassVar[str] = "pool"
    name: str
    kernel: int = 3
    stride: int = 2
    padding: Padding = 0


@dataclass(frozen=True)
class Linear:
    """A fully connected layer, the maps flattened in C, H, W order; `units` None means one unit a class."""

    kind: ClassVar[str] = "fc"
    name: str
    units: int | None
    initialisation: str = "normal"
    std: float = 0.01
    bias: float = 0.0


@dataclass(frozen=True)
class Dropout:
    """Dropout with probability `rate`.

    `inverted`: kept activations are divided by 1 - `rate` in training, nothing happens at test. Otherwise they stay as
    they are in training and all are multiplied by 1 - `rate` at test, as the paper writes it (section 4.2) and the 2012
    code did. The two compute the same function of rescaled weights, but do not learn alike from the same start.
    """

    kind: ClassVar[str] = "dropout"
    name: str
    rate: float = 0.5
    inverted: bool = True


Layer = Scale | Conv | Activation | ResponseNorm | SpatialNorm | BatchNorm | MaxPool | Linear | Dropout
LAYERS: dict[str, type[Layer]] = {layer.kind: layer for layer in get_args(Layer)}
Learned = Conv | Linear | BatchNorm


@dataclass(frozen=True)
class Spec:
    """A network: `layers` applied in order to `channels` × `input_size` × `input_size` images of `classes` classes."""

    name: str
    layers: tuple[Layer, ...]
    input_size: int = 224
    channels: int = 3
    classes: int = 1000
    summary: str = field(default="", compare=False)
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        names = [layer.name for layer in self.layers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"The layers of {self.name!r} must have names of their own; twice: {', '.join(twice)}.")
        for value, what in ((self.input_size, "input size"), (self.channels, "channels"), (self.classes, "classes")):
            if value < 1:
                raise ConfigError(f"The {what} of {self.name!r} must be at least 1, not {value}.")

    def layer(self, name: str) -> Layer:
        """The layer called `name`. Raises ConfigError, naming the nearest, when there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise unknown(f"layer of {self.name!r}", name, (layer.name for layer in self.layers))

    def mapped(self, change: Callable[[Layer], Layer]) -> Self:
        """The same network with `change` applied to each layer."""
        return replace(self, layers=tuple(map(change, self.layers)))

    def with_norm(self, **changes: Any) -> Self:
        """The same network with fields of every response normalisation changed.

        The formula as the paper prints it: `with_norm(convention="printed")`.
        """
        return self.mapped(lambda layer: replace(layer, **changes) if isinstance(layer, ResponseNorm) else layer)

    def to_json(self) -> dict[str, Any]:
        """The spec as plain JSON types; `from_json` gives it back."""
        layers = [{"kind": layer.kind, **asdict(layer)} for layer in self.layers]
        return {**asdict(self), "layers": layers}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """The spec that `to_json` wrote. Raises ConfigError for an unknown kind of layer or field."""
        layers = []
        for fields in plain["layers"]:
            fields = dict(fields)
            kind = fields.pop("kind")
            if fields.pop("ceil", False):  # how models of format 1 say it
                fields["padding"] = "ceil"
            fields = {FORMER_FIELDS.get(name, name): value for name, value in fields.items()}
            if kind not in LAYERS:
                raise unknown("kind of layer", kind, LAYERS)
            layers.append(_construct(LAYERS[kind], fields))
        spec: Self = _construct(cls, {**plain, "layers": tuple(layers)})
        return spec


def _construct(cls: Any, fields: Mapping[str, Any]) -> Any:
    surplus = sorted(set(fields) - set(cls.__dataclass_fields__))
    if surplus:
        raise unknown(f"field of {cls.__name__}", surplus[0], cls.__dataclass_fields__)
    return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})
