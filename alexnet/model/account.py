"""What a network costs, from its spec alone: shapes, receptive fields, neurons, parameters, multiply-adds, bytes."""

from bisect import bisect_left
from dataclasses import asdict, dataclass, replace
from math import prod
from typing import Any

from alexnet.errors import ConfigError
from alexnet.model.geometry import around, window_positions, window_sizes
from alexnet.model.spec import (
    MAX_SIDE,
    Activation,
    AvgPool,
    BatchNorm,
    Conv,
    Dropout,
    Linear,
    Local,
    MaxPool,
    ResponseNorm,
    Scale,
    SpatialNorm,
    Spec,
    Windowed,
)

BYTES_PER_NUMBER = 4  # fp32
# A thousand times what the paper's network has of each: a layer with more would hang, or take all memory.
MAX_NUMBERS, MAX_MACS = 10**9, 10**12


@dataclass(frozen=True)
class LayerAccount:
    """One layer's account, for one image.

    `output` is (C, H, W), or (units,) after flattening. `padding` is (left and top, right and bottom) zeros.
    `receptive_field` is the side in input pixels that one output sees, without clipping at the border; None where the
    whole input is seen. `neurons` are counted as the paper does, at the outputs of convolutions and fully connected
    layers. `macs` are multiply-adds without biases; `flops` are 2 × `macs`. Pointwise layers and pooling count none.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    kernel: int | None = None
    stride: int | None = None
    padding: tuple[int, int] | None = None
    groups: int | None = None
    receptive_field: int | None = None
    neurons: int = 0
    parameters: int = 0
    macs: int = 0

    @property
    def flops(self) -> int:
        """Multiplications and additions counted apart."""
        return 2 * self.macs

    @property
    def parameter_bytes(self) -> int:
        """The parameters as fp32."""
        return BYTES_PER_NUMBER * self.parameters

    @property
    def output_bytes(self) -> int:
        """One image's output as fp32."""
        return BYTES_PER_NUMBER * prod(self.output)


@dataclass(frozen=True)
class Account:
    """The rows of a network and their sums."""

    model: str
    input: tuple[int, int, int]
    rows: tuple[LayerAccount, ...]

    def total(self, field: str) -> int:
        """The sum of a row's number over all layers: "parameters", "neurons", "macs", "flops", "parameter_bytes"."""
        return sum(getattr(row, field) for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """The account as plain JSON types, as `alexnet layers --json` prints it."""
        layers = [
            {
                **asdict(row),
                "flops": row.flops,
                "parameter_bytes": row.parameter_bytes,
                "output_bytes": row.output_bytes,
            }
            for row in self.rows
        ]
        sums = ("parameters", "neurons", "macs", "flops", "parameter_bytes", "output_bytes")
        total = {field: self.total(field) for field in sums}
        return {"model": self.model, "input": list(self.input), "layers": layers, "total": total}


def account(spec: Spec) -> Account:
    """The account of `spec` for one image of its input size.

    Raises ConfigError when a layer does not fit: fewer pixels than its window, or groups that do not divide its
    channels.
    """
    try:
        rows = _rows(spec)
    except _TooSmallError as error:
        raise ConfigError(f"{error} {_remedy(spec)}") from None
    for row in rows:
        if prod(row.output) > MAX_NUMBERS or row.macs > MAX_MACS:
            raise ConfigError(
                f"{row.name} of {spec.name!r} makes {prod(row.output):,} numbers of one image by {row.macs:,} "
                f"multiply-adds; more than {MAX_NUMBERS:,} or {MAX_MACS:,} are no network of this family."
            )
    return Account(spec.name, (spec.channels, spec.input_size, spec.input_size), rows)


def check_classes(spec: Spec) -> None:
    """Raises ConfigError when `spec` does not end in one number for each of its classes."""
    rows = account(spec).rows
    if not rows:
        raise ConfigError(f"The network {spec.name!r} has no layers; end with a Linear layer whose units are None.")
    last, output = rows[-1], rows[-1].output
    if output != (spec.classes,):
        made = " × ".join(map(str, output))
        remedy = "leave its units None" if last.kind == Linear.kind else "end with a Linear layer whose units are None"
        raise ConfigError(
            f"The last layer {last.name} of {spec.name!r} makes {made} numbers, not {spec.classes}; {remedy}."
        )


def smallest_input(spec: Spec) -> int:
    """The least number of pixels that gives every layer of `spec` an output, whatever its own input size.

    Raises ConfigError when no size that a `Spec` may have does. More pixels never give a layer fewer.
    """
    sizes = range(1, MAX_SIDE + 1)
    found = bisect_left(sizes, True, key=lambda size: _fits(spec, size))
    if found == len(sizes):
        raise ConfigError(f"No input of up to {MAX_SIDE:,} pixels is large enough for {spec.name!r}.")
    return sizes[found]


def _fits(spec: Spec, size: int) -> bool:
    try:
        _rows(replace(spec, input_size=size))
    except _TooSmallError:
        return False
    return True


def _remedy(spec: Spec) -> str:
    try:
        return f"The smallest input that works is {smallest_input(spec)} pixels."
    except ConfigError as error:
        return str(error)


class _TooSmallError(ConfigError):
    """Too few pixels reach a layer."""


def _rows(spec: Spec) -> tuple[LayerAccount, ...]:
    here = _Place((spec.channels, spec.input_size, spec.input_size))
    rows = []
    for layer in spec.layers:
        match layer:
            case Conv():
                row, here = _conv(spec, layer, here)
            case Local():
                row, here = _local(spec, layer, here)
            case MaxPool() | AvgPool():
                row, here = _pool(spec, layer, here)
            case Linear():
                row, here = _linear(spec, layer, here)
            case ResponseNorm():
                channels, _ = _maps(spec, layer.name, here)
                _divides(spec, layer.name, channels, "channels", layer.towers, "towers")
                row = LayerAccount(layer.name, layer.kind, here.shape, receptive_field=here.field)
            case SpatialNorm():
                _maps(spec, layer.name, here)
                here = here.windowed(here.shape, layer.size, 1)
                row = LayerAccount(layer.name, layer.kind, here.shape, receptive_field=here.field)
            case BatchNorm():
                channels, _ = _maps(spec, layer.name, here)
                row = LayerAccount(
                    layer.name, layer.kind, here.shape, receptive_field=here.field, parameters=2 * channels
                )
            case Scale() | Activation() | Dropout():
                row = LayerAccount(layer.name, layer.kind, here.shape, receptive_field=here.field)
        rows.append(row)
    return tuple(rows)


@dataclass(frozen=True)
class _Place:
    """Between two layers: the shape there, and the receptive field and spacing of its outputs in input pixels."""

    shape: tuple[int, ...]
    field: int | None = 1  # None: the whole input
    jump: int = 1

    def windowed(self, shape: tuple[int, ...], kernel: int, stride: int) -> "_Place":
        field = None if self.field is None else self.field + (kernel - 1) * self.jump
        return _Place(shape, field, self.jump * stride)


def _conv(spec: Spec, layer: Conv, here: _Place) -> tuple[LayerAccount, _Place]:
    channels, height = _maps(spec, layer.name, here)
    _divides(spec, layer.name, channels, "input channels", layer.groups, "groups")
    _divides(spec, layer.name, layer.channels, "channels", layer.groups, "groups")
    padding = around(layer, height)
    positions = _positions(spec, layer, height, sum(padding))
    there = here.windowed((layer.channels, positions, positions), layer.kernel, layer.stride)
    weights = layer.channels * channels // layer.groups * layer.kernel**2
    more = {"groups": layer.groups, "neurons": prod(there.shape), "parameters": weights + layer.channels}
    return _windowed(layer, there, padding, **more, macs=weights * positions**2), there


def _local(spec: Spec, layer: Local, here: _Place) -> tuple[LayerAccount, _Place]:
    channels, height = _maps(spec, layer.name, here)
    padding = around(layer, height)
    positions = _positions(spec, layer, height, sum(padding))
    there = here.windowed((layer.channels, positions, positions), layer.kernel, layer.stride)
    weights = prod(there.shape) * channels * layer.kernel**2
    neurons = prod(there.shape)
    return _windowed(layer, there, padding, neurons=neurons, parameters=weights + neurons, macs=weights), there


def _pool(spec: Spec, layer: MaxPool | AvgPool, here: _Place) -> tuple[LayerAccount, _Place]:
    channels, height = _maps(spec, layer.name, here)
    padding = around(layer, height)
    if isinstance(layer, AvgPool) and 0 in window_sizes(layer, height):
        raise ConfigError(f"{layer.name} of {spec.name!r} would average windows that lie wholly in its padding.")
    positions = _positions(spec, layer, height, sum(padding))
    there = here.windowed((channels, positions, positions), layer.kernel, layer.stride)
    return _windowed(layer, there, padding), there


def _windowed(
    layer: Conv | Local | MaxPool | AvgPool, there: _Place, padding: tuple[int, int], **counts: int
) -> LayerAccount:
    numbers = {"kernel": layer.kernel, "stride": layer.stride, **counts}
    return LayerAccount(layer.name, layer.kind, there.shape, padding=padding, receptive_field=there.field, **numbers)


def _linear(spec: Spec, layer: Linear, here: _Place) -> tuple[LayerAccount, _Place]:
    inputs, units = prod(here.shape), layer.units or spec.classes
    row = LayerAccount(
        layer.name,
        layer.kind,
        (units,),
        neurons=units,
        parameters=units * (inputs + 1),
        macs=units * inputs,
    )
    return row, _Place((units,), field=None)


def _maps(spec: Spec, name: str, here: _Place) -> tuple[int, int]:
    if len(here.shape) != 3:
        raise ConfigError(f"{name} of {spec.name!r} needs maps but follows a fully connected layer.")
    return here.shape[0], here.shape[1]


def _divides(spec: Spec, name: str, number: int, what: str, parts: int, kind: str) -> None:
    if number % parts:
        raise ConfigError(f"{name} of {spec.name!r}: {number} {what} do not divide into {parts} {kind}.")


def _positions(spec: Spec, layer: Windowed, height: int, padding: int) -> int:
    positions = window_positions(height + padding, layer.kernel, layer.stride)
    if positions < 1:
        raise _TooSmallError(
            f"An input of {spec.input_size} pixels is too small for {spec.name!r}: only {height} × {height} reach "
            f"{layer.name}, whose window is {layer.kernel} × {layer.kernel}."
        )
    return positions
