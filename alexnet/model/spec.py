"""A network as frozen data: layers in the order they run, and the input they expect.

A `Spec` holds no tensors and no sizes that follow from others: shapes are worked out by `alexnet.model.account`,
modules are built by `alexnet.model.net`. A variation is `dataclasses.replace` of a named spec, never a copy.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Annotated, Any, ClassVar, Self, get_args

from alexnet.errors import ConfigError, unknown
from alexnet.schema import AtMost, FolderName, SchemaError, Within, check

Name = Annotated[str, AtMost(100)]
MAX_SIDE = 4096
Side = Annotated[int, Within(1, MAX_SIDE)]
"""Pixels or positions; nothing here comes near."""

Width = Annotated[int, Within(1, 2**20)]
"""Channels, units, groups or classes."""

Number = Annotated[float, Within(-1e6, 1e6)]
MAX_LAYERS = 500

_Edge = Annotated[int, Within(0, MAX_SIDE)]
Padding = _Edge | tuple[_Edge, _Edge] | Name
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
    "fan": "weights N(0, std / √inputs), biases `bias`",
    "unit": "weights uniform within √(3 / inputs), biases `bias` (tflearn, convolutions)",
    "pytorch": "weights and biases uniform within 1 / √inputs (PyTorch's own)",
}


@dataclass(frozen=True)
class Conv:
    """A convolution with zeros around its input as `padding` says; `initialisation` is one of `INITIALISATIONS`."""

    kind: ClassVar[str] = "conv"
    name: Name
    channels: Width
    kernel: Side
    stride: Side = 1
    padding: Padding = 0
    groups: Width = 1
    initialisation: Name = "normal"
    std: Number = 0.01
    bias: Number = 0.0


@dataclass(frozen=True)
class Local:
    """A convolution whose kernels and biases are not shared: every position has its own.

    A `Linear` layer in which a unit sees a window of the maps, and not all of them. `initialisation` as for `Conv`.
    """

    kind: ClassVar[str] = "local"
    name: Name
    channels: Width
    kernel: Side
    stride: Side = 1
    padding: Padding = 0
    initialisation: Name = "normal"
    std: Number = 0.01
    bias: Number = 0.0


@dataclass(frozen=True)
class Scale:
    """Multiplication by `factor`: for networks that learn from pixels of another scale than 0-255."""

    kind: ClassVar[str] = "scale"
    name: Name
    factor: Number


ACTIVATIONS = ("relu", "tanh")


@dataclass(frozen=True)
class Activation:
    """A pointwise nonlinearity, one of `ACTIVATIONS`: tanh for the paper's comparison (figure 1)."""

    kind: ClassVar[str] = "activation"
    name: Name
    function: Name = "relu"


@dataclass(frozen=True)
class ResponseNorm:
    """Local response normalisation across neighbouring maps (paper, section 3.3).

    `convention` says what `alpha` and `n` mean; `alexnet.model.lrn.CONVENTIONS` lists them. With `towers` above 1 the
    maps are that many equal blocks and no window crosses from one into another, as on the two GPUs of 2012.
    """

    kind: ClassVar[str] = "norm"
    name: Name
    n: Width = 5
    k: Number = 2.0
    alpha: Number = 1e-4
    beta: Number = 0.75
    convention: Name = "original"
    towers: Width = 1


@dataclass(frozen=True)
class SpatialNorm:
    """Response normalisation inside each map, over `size` × `size` positions: in the 2012 code, not in the paper.

    y = x · (k + `alpha` / `size`² · Σ x²)^-`beta`, positions outside the map counting as 0.
    """

    kind: ClassVar[str] = "spatial norm"
    name: Name
    size: Side = 5
    k: Number = 1.0
    alpha: Number = 1e-3
    beta: Number = 0.75


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation of each map (Ioffe and Szegedy 2015): none of the networks has it, all of them can.

    Its scale learns as a weight does, its shift as a bias.
    """

    kind: ClassVar[str] = "batch norm"
    name: Name


@dataclass(frozen=True)
class MaxPool:
    """A max-pooling; overlapping where `kernel` exceeds `stride` (paper, section 3.4). Padding is never the maximum."""

    kind: ClassVar[str] = "pool"
    name: Name
    kernel: Side = 3
    stride: Side = 2
    padding: Padding = 0


@dataclass(frozen=True)
class AvgPool:
    """An average-pooling: a window at the border is the mean of what lies inside the map, as in the 2012 code.

    (cuda-convnet, `kLocalPool` and `AvgPooler` of cudaconv2/conv_util.cuh: the sum is divided by that region's size.)
    """

    kind: ClassVar[str] = "average pool"
    name: Name
    kernel: Side = 3
    stride: Side = 2
    padding: Padding = 0


@dataclass(frozen=True)
class Linear:
    """A fully connected layer, the maps flattened in C, H, W order; `units` None means one unit a class."""

    kind: ClassVar[str] = "fc"
    name: Name
    units: Width | None
    initialisation: Name = "normal"
    std: Number = 0.01
    bias: Number = 0.0


@dataclass(frozen=True)
class Dropout:
    """Dropout with probability `rate`.

    `inverted`: kept activations are divided by 1 - `rate` in training, nothing happens at test. Otherwise they stay as
    they are in training and all are multiplied by 1 - `rate` at test, as the paper writes it (section 4.2) and the 2012
    code did. The two compute the same function of rescaled weights, but do not learn alike from the same start.
    """

    kind: ClassVar[str] = "dropout"
    name: Name
    rate: Annotated[float, Within(0, 1)] = 0.5
    inverted: bool = True


Layer = (
    Scale | Conv | Local | Activation | ResponseNorm | SpatialNorm | BatchNorm | MaxPool | AvgPool | Linear | Dropout
)
LAYERS: dict[str, type[Layer]] = {layer.kind: layer for layer in get_args(Layer)}
Windowed = Conv | Local | MaxPool | AvgPool
Learned = Conv | Local | Linear | BatchNorm


@dataclass(frozen=True)
class Spec:
    """A network: `layers` applied in order to `channels` × `input_size` × `input_size` images of `classes` classes."""

    name: Annotated[str, AtMost(200), FolderName()]  # every option may leave a difference in it
    layers: Annotated[tuple[Layer, ...], AtMost(MAX_LAYERS)]
    input_size: Side = 224
    channels: Side = 3
    classes: Width = 1000
    summary: Annotated[str, AtMost(10_000)] = field(default="", compare=False)
    source: Annotated[str, AtMost(10_000)] = field(default="", compare=False)

    def __post_init__(self) -> None:
        try:
            check(self, type(self))
        except SchemaError as error:
            raise ConfigError(f"There can be no such network: its {error}.") from error
        names = [layer.name for layer in self.layers]
        if bad := [name for name in names if not name.isprintable() or not name or "." in name]:
            raise ConfigError(f"The layers of {self.name!r} must have printable names without dots, not {bad[0]!r}.")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"The layers of {self.name!r} must have names of their own; twice: {', '.join(twice)}.")

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
        """The spec that `to_json` wrote. Raises ConfigError for anything else."""
        try:
            check(plain, dict[str, Any])
            check(plain.get("layers"), Annotated[list[dict[str, Any]], AtMost(MAX_LAYERS)], "layers")
            layers = [_layer(fields, f"layers[{number}]") for number, fields in enumerate(plain["layers"])]
            spec: Self = _construct(cls, {**plain, "layers": layers})
        except SchemaError as error:
            raise ConfigError(f"There can be no such network: its {error}.") from error
        return spec


def _layer(plain: Mapping[str, Any], where: str) -> Layer:
    fields = {FORMER_FIELDS.get(name, name): value for name, value in plain.items()}
    kind = fields.pop("kind", None)
    if fields.pop("ceil", False):  # how models of format 1 say it
        fields["padding"] = "ceil"
    check(kind, str, f"{where}.kind")
    if kind not in LAYERS:
        raise unknown("kind of layer", kind, LAYERS)
    layer: Layer = _construct(LAYERS[kind], fields, where)
    return layer


def _construct(cls: Any, plain: Mapping[str, Any], where: str = "") -> Any:
    known = [each.name for each in fields(cls)]
    if surplus := [name for name in plain if name not in known]:
        raise unknown(f"field of {cls.__name__}", surplus[0], known)
    for each in fields(cls):
        if each.name not in plain and each.default is MISSING:
            raise SchemaError(f"{where}{'.' if where else ''}{each.name} is missing")
    return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()})
