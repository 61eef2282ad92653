"""A network as an ONNX graph, written node by node from its spec. N images, C maps, H×W positions, K classes.

Every layer's output is a value under the layer's own name (`conv1`, `norm1`, … `fc8`: the logits), so that each stage
can be looked at; what a layer takes on the way is called `norm1/squares` and the like. Parameters have the names that
they have in PyTorch (`conv1.weight`). Dropout is left out: in use it does nothing, unless it is that of 2012.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.data.augment import centre_mean, fixed_views
from alexnet.data.preparation import Preparation
from alexnet.data.statistics import InputStatistics
from alexnet.errors import ConfigError, unknown
from alexnet.model.account import LayerAccount, account
from alexnet.model.lrn import Window, norm_window
from alexnet.model.modules import BatchNormalisation
from alexnet.model.spec import (
    Activation,
    AvgPool,
    BatchNorm,
    Conv,
    Dropout,
    Layer,
    Linear,
    Local,
    MaxPool,
    ResponseNorm,
    Scale,
    SpatialNorm,
    Spec,
    Windowed,
)
from alexnet.weights.onnx.extra import onnx_package

# Those of ONNX 1.6 (September 2019), which ONNX Runtime reads since 1.0. Nothing here gained by a later opset.
OPSET, IR_VERSION = 11, 6

FORMS = {
    "images": "uint8 RGB photographs (N, {side}, {side}, 3): the crop, the mean and all else is done inside",
    "views": "float32 views (N, C, H, W), cropped, and with the mean subtracted, by whoever runs the file",
}
"""What a file takes in, for a reader; the side is that of the model's preparation."""

PROBABILITIES = "probabilities"


@dataclass(frozen=True)
class GraphOptions:
    """What an ONNX file takes in, one of `FORMS`, and whether its response normalisations are elementary operations."""

    input: str = "images"
    decompose_lrn: bool = False


def build_graph(spec: Spec, options: GraphOptions, preparation: Preparation, statistics: InputStatistics) -> Any:
    """The GraphProto of `spec` without the parameters: those are initialisers for the caller to append.

    Its outputs are the logits, under the last layer's name, and "probabilities", both float32 (N, K). Raises
    ConfigError for an unknown input, or one that the network cannot take.
    """
    if options.input not in FORMS:
        raise unknown("input of an ONNX file", options.input, FORMS)
    nodes = _Nodes(decompose_lrn=options.decompose_lrn)
    rows = account(spec).rows
    if options.input == "images":
        value = _prepare(nodes, spec, preparation, centre_mean(statistics, spec.input_size))
    else:
        value = "views"
    shape: tuple[int, ...] = (spec.channels, spec.input_size, spec.input_size)
    for layer, row in zip(spec.layers, rows, strict=True):
        value = _layer(nodes, layer, row, value, shape)
        shape = row.output
    nodes.add("Softmax", [value], PROBABILITIES, axis=1)
    helper, types = onnx_package().helper, onnx_package().TensorProto

    def described(name: str, shape: tuple[int, ...], kind: int = types.FLOAT) -> Any:
        return helper.make_tensor_value_info(name, kind, ["N", *shape])

    return helper.make_graph(
        nodes.nodes,
        spec.name,
        inputs=[
            described("images", (preparation.side, preparation.side, 3), types.UINT8)
            if options.input == "images"
            else described("views", (spec.channels, spec.input_size, spec.input_size))
        ],
        outputs=[described(value, shape), described(PROBABILITIES, shape)],
        initializer=nodes.constants,
        value_info=[described(row.name, row.output) for row in rows if row.name in nodes.names - {value}],
        doc_string=spec.summary,
    )


class _Nodes:
    """The nodes and constants of a graph that grows; each node is called like its output."""

    def __init__(self, *, decompose_lrn: bool) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.decompose_lrn = decompose_lrn

    @property
    def names(self) -> set[str]:
        return {node.name for node in self.nodes}

    def add(self, operator: str, inputs: list[str], *outputs: str, name: str = "", **attributes: Any) -> str:
        """Adds a node and returns its (first) output."""
        node = onnx_package().helper.make_node(operator, inputs, outputs, name=name or outputs[0], **attributes)
        self.nodes.append(node)
        return outputs[0]

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Adds a constant and returns its name."""
        self.constants.append(onnx_package().numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def number(self, name: str, value: float) -> str:
        """Adds a float32 scalar."""
        return self.constant(name, np.array(value, np.float32))

    def integers(self, name: str, *values: int) -> str:
        """Adds a vector of int64."""
        return self.constant(name, np.array(values, np.int64))


def _prepare(nodes: _Nodes, spec: Spec, preparation: Preparation, mean: NDArray[np.float32]) -> str:
    """From photographs to the views that the network takes: what `alexnet.data` does for the centre crop."""
    if spec.channels != 3:
        raise ConfigError(
            f"{spec.name!r} takes {spec.channels} channels, so its file cannot take photographs, which have three; "
            "let it take views."
        )
    start = int(fixed_views(spec.input_size, preparation.side, 1).top[0])
    end = start + spec.input_size
    crop = [
        nodes.integers("crop/starts", start, start),
        nodes.integers("crop/ends", end, end),
        nodes.integers("crop/axes", 1, 2),
    ]
    value = nodes.add("Cast", ["images"], "images/float", to=onnx_package().TensorProto.FLOAT)
    value = nodes.add("Slice", [value, *crop], "images/crop")
    value = nodes.add("Sub", [value, nodes.constant("mean", mean)], "images/centred")
    if preparation.std is not None:
        std = nodes.constant("std", np.array(preparation.std, np.float32))
        value = nodes.add("Div", [value, std], "images/scaled")
    if preparation.channels == "BGR":
        value = nodes.add("Gather", [value, nodes.integers("bgr", 2, 1, 0)], "images/bgr", axis=3)
    return nodes.add("Transpose", [value], "views", perm=[0, 3, 1, 2])


def _layer(nodes: _Nodes, layer: Layer, row: LayerAccount, x: str, shape: tuple[int, ...]) -> str:
    """Adds what `layer` does to the value `x`, one image of which has `shape`; the name of the output."""
    name = layer.name
    match layer:
        case Conv():
            inputs = [x, f"{name}.weight", f"{name}.bias"]
            return nodes.add("Conv", inputs, name, **_window(layer, row), group=layer.groups)
        case MaxPool():
            return nodes.add("MaxPool", [x], name, **_window(layer, row))
        case AvgPool():
            return nodes.add("AveragePool", [x], name, **_window(layer, row), count_include_pad=0)
        case Local():
            return _local(nodes, layer, row, x, shape)
        case Activation():
            return nodes.add({"relu": "Relu", "tanh": "Tanh"}[layer.function], [x], name)
        case ResponseNorm():
            return _response_norm(nodes, layer, x, shape)
        case Linear():
            if len(shape) > 1:
                x = nodes.add("Flatten", [x], f"{name}/flat", axis=1)
            return nodes.add("Gemm", [x, f"{name}.weight", f"{name}.bias"], name, transB=1)
        case SpatialNorm():
            return _spatial_norm(nodes, layer, x)
        case BatchNorm():
            numbers = [f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
            return nodes.add("BatchNormalization", [x, *numbers], name, epsilon=BatchNormalisation.EPSILON)
        case Scale():
            return nodes.add("Mul", [x, nodes.number(f"{name}/factor", layer.factor)], name)
        case Dropout(inverted=True):
            return x
        case Dropout():
            return nodes.add("Mul", [x, nodes.number(f"{name}/kept", 1 - layer.rate)], name)


def _window(layer: Windowed, row: LayerAccount) -> dict[str, Any]:
    before, after = row.padding or (0, 0)
    pads = [before, before, after, after]
    return {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2, "pads": pads}


def _local(nodes: _Nodes, layer: Local, row: LayerAccount, x: str, shape: tuple[int, ...]) -> str:
    """A product of matrices a position, its windows gathered out of the padded maps laid out in a row."""
    name, (channels, height, _) = layer.name, shape
    before, after = row.padding or (0, 0)
    pads = nodes.integers(f"{name}/pads", 0, 0, before, before, 0, 0, after, after)
    side, (maps, rows, columns) = before + height + after, row.output
    at = np.arange(layer.kernel)[:, None] * side + np.arange(layer.kernel)  # of a window's places, from its corner
    corners = np.arange(rows)[:, None] * side + np.arange(columns)
    places = layer.stride * corners.reshape(-1, 1) + at.reshape(1, -1)
    value = nodes.add("Pad", [x, pads], f"{name}/padded")
    value = nodes.add("Reshape", [value, nodes.integers(f"{name}/row", 0, channels, side**2)], f"{name}/row/maps")
    value = nodes.add("Gather", [value, nodes.constant(f"{name}/places", places)], f"{name}/windows", axis=2)
    value = nodes.add("Transpose", [value], f"{name}/windows/first", perm=[2, 0, 3, 1])  # (H'·W', N, kernel², C)
    inputs = nodes.integers(f"{name}/inputs", rows * columns, -1, layer.kernel**2 * channels)
    value = nodes.add("Reshape", [value, inputs], f"{name}/seen")
    weight = nodes.add("Transpose", [f"{name}.weight"], f"{name}/weight", perm=[0, 2, 1])
    value = nodes.add("MatMul", [value, weight], f"{name}/products")
    bias = nodes.add("Unsqueeze", [f"{name}.bias"], f"{name}/bias", axes=[1])
    value = nodes.add("Add", [value, bias], f"{name}/sums")
    value = nodes.add("Transpose", [value], f"{name}/maps", perm=[1, 2, 0])
    return nodes.add("Reshape", [value, nodes.integers(f"{name}/shape", 0, maps, rows, columns)], name)


def _response_norm(nodes: _Nodes, norm: ResponseNorm, x: str, shape: tuple[int, ...]) -> str:
    """One LRN, or one a tower where there are several; elementary operations for an even number of maps.

    ONNX defines even windows, its own way, but ONNX Runtime and others refuse them.
    """
    window = norm_window(norm)
    n = window.below + 1 + window.above
    if nodes.decompose_lrn or window.below != window.above:
        return _decomposed(nodes, norm, window, x, shape)
    numbers: dict[str, Any] = {"size": n, "alpha": window.alpha * n, "beta": window.beta, "bias": window.k}
    if norm.towers == 1:
        return nodes.add("LRN", [x], norm.name, **numbers)
    towers = [f"{norm.name}/tower{i}" for i in range(norm.towers)]
    nodes.add("Split", [x], *(f"{tower}/maps" for tower in towers), name=f"{norm.name}/split", axis=1)
    parts = [nodes.add("LRN", [f"{tower}/maps"], tower, **numbers) for tower in towers]
    return nodes.add("Concat", parts, norm.name, axis=1)


def _decomposed(nodes: _Nodes, norm: ResponseNorm, window: Window, x: str, shape: tuple[int, ...]) -> str:
    """The sum over neighbouring maps as an average pool along an image whose rows are the maps of a tower."""
    name, (maps, height, width) = norm.name, shape
    n = window.below + 1 + window.above
    rows = nodes.integers(f"{name}/rows", 0, norm.towers, maps // norm.towers, height * width)  # 0: as it is
    whole = nodes.integers(f"{name}/shape", 0, maps, height, width)
    squares = nodes.add("Mul", [x, x], f"{name}/squares")
    mean = nodes.add("Reshape", [squares, rows], f"{name}/squares/rows")
    sizes: dict[str, Any] = {"kernel_shape": [n, 1], "strides": [1, 1], "pads": [window.below, 0, window.above, 0]}
    mean = nodes.add("AveragePool", [mean], f"{name}/mean/rows", **sizes, count_include_pad=1)
    mean = nodes.add("Reshape", [mean, whole], f"{name}/mean")
    return _divided(nodes, name, x, mean, window.k, window.alpha * n, window.beta)


def _spatial_norm(nodes: _Nodes, norm: SpatialNorm, x: str) -> str:
    """The average pool counts what is outside the map as 0, as the norm does."""
    sizes: dict[str, Any] = {"kernel_shape": [norm.size] * 2, "strides": [1, 1], "pads": [norm.size // 2] * 4}
    squares = nodes.add("Mul", [x, x], f"{norm.name}/squares")
    mean = nodes.add("AveragePool", [squares], f"{norm.name}/mean", **sizes, count_include_pad=1)
    return _divided(nodes, norm.name, x, mean, norm.k, norm.alpha, norm.beta)


def _divided(nodes: _Nodes, name: str, x: str, mean: str, k: float, alpha: float, beta: float) -> str:
    """The quotient x · (k + alpha · mean)^-beta."""
    scaled = nodes.add("Mul", [mean, nodes.number(f"{name}/alpha", alpha)], f"{name}/scaled")
    sums = nodes.add("Add", [scaled, nodes.number(f"{name}/k", k)], f"{name}/sum")
    power = nodes.add("Pow", [sums, nodes.number(f"{name}/beta", beta)], f"{name}/power")
    return nodes.add("Div", [x, power], name)
