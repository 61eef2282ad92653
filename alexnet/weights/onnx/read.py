"""Strangers' ONNX files, read as the chain of layers that an AlexNet is.

Whatever is not known here to compute the same is refused by its name in the file; nothing is guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.errors import WeightsError
from alexnet.model.spec import Activation, Conv, Layer, Linear, MaxPool, Padding, ResponseNorm
from alexnet.weights.foreign.importing import MAX_BYTES, read_weights
from alexnet.weights.onnx.external import bring_in
from alexnet.weights.onnx.extra import onnx_package

OPSETS = range(1, 27)  # in all of which the operators below mean the same, but for `FORMER`
DOMAINS = ("", "ai.onnx")  # two names of ONNX's own operators
REQUIRED = None
# The operators that an AlexNet is made of, with their attributes as they are where a file does not say.
OPERATORS: dict[str, dict[str, Any]] = {
    "Conv": {
        "auto_pad": "NOTSET",
        "dilations": [1, 1],
        "group": 1,
        "kernel_shape": [],  # then the weights say it
        "pads": [0, 0, 0, 0],
        "strides": [1, 1],
    },
    "Dropout": {"ratio": 0.5, "seed": 0},
    "Flatten": {"axis": 1},
    "Gemm": {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0},
    "LRN": {"alpha": 1e-4, "beta": 0.75, "bias": 1.0, "size": REQUIRED},
    "MaxPool": {
        "auto_pad": "NOTSET",
        "ceil_mode": 0,
        "dilations": [1, 1],
        "kernel_shape": REQUIRED,
        "pads": [0, 0, 0, 0],
        "storage_order": 0,
        "strides": [1, 1],
    },
    "Relu": {},
    "Reshape": {"allowzero": 0},
    "Softmax": {"axis": 1},
}
# Attributes that operators had before an opset, by (operator, opset).
FORMER: dict[tuple[str, int], dict[str, Any]] = {
    ("Dropout", 6): {"consumed_inputs": []},
    ("Dropout", 7): {"is_test": 0},
    ("Gemm", 7): {"broadcast": 0},
    ("Relu", 6): {"consumed_inputs": []},
    ("Reshape", 5): {"consumed_inputs": [], "shape": REQUIRED},
}
# Attributes that may have these values only.
ONLY: dict[tuple[str, str], tuple[Any, ...]] = {
    ("Conv", "auto_pad"): ("NOTSET",),
    ("Conv", "dilations"): ([1, 1],),
    ("Dropout", "is_test"): (1,),
    ("Flatten", "axis"): (1,),
    ("Gemm", "alpha"): (1.0,),
    ("Gemm", "beta"): (1.0,),
    ("Gemm", "broadcast"): (1,),
    ("Gemm", "transA"): (0,),
    ("Gemm", "transB"): (1,),
    ("MaxPool", "auto_pad"): ("NOTSET",),
    ("MaxPool", "ceil_mode"): (0, 1),
    ("MaxPool", "dilations"): ([1, 1],),
    ("MaxPool", "storage_order"): (0,),
    ("Reshape", "allowzero"): (0,),
    ("Softmax", "axis"): (1, -1),
}


CONSTANTS = ("value", "value_int", "value_ints", "value_float", "value_floats")  # what a Constant may hold here


@dataclass(frozen=True)
class OnnxLayer:
    """What a node does in this project's terms, with 0 maps or units, and the file's names for weights and biases."""

    name: str
    layer: Layer
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class Chain:
    """A file's layers in order, without dropout, and the side of the square RGB or BGR input in pixels."""

    input_size: int
    layers: tuple[OnnxLayer, ...]


def read_onnx(path: Path) -> Any:
    """The ModelProto in a file. Raises WeightsError when it is missing, damaged or too large."""
    raw = read_weights(path)
    try:
        content = onnx_package().load_model_from_string(raw)
    except Exception as error:  # protobuf's DecodeError, whichever protobuf it is
        raise WeightsError(f"{path} is damaged, or no ONNX file: {error}.") from error
    if not content.graph.node:
        raise WeightsError(f"{path} is damaged, or no ONNX file: it holds no graph.")
    return content


def read_tensors(graph: Any, path: Path) -> dict[str, NDArray[Any]]:
    """The graph's constants by name, copied; numbers that are kept in files beside it are brought in.

    Raises WeightsError for damaged ones, and for files that are elsewhere.
    """
    onnx = onnx_package()
    held = [(tensor.name, tensor) for tensor in graph.initializer]
    constants = [node for node in graph.node if _is_constant(node)]
    held += [(node.output[0], node.attribute[0].t) for node in constants if node.attribute[0].name == "value"]
    found: dict[str, NDArray[Any]] = {
        node.output[0]: np.array(onnx.helper.get_attribute_value(node.attribute[0]))
        for node in constants
        if node.attribute[0].name != "value"
    }
    outside = 0
    for name, tensor in held:
        if name in found:
            raise WeightsError(f"{path} holds {name!r} twice.")
        if onnx.external_data_helper.uses_external_data(tensor):
            outside += bring_in(tensor, path)
            if outside > MAX_BYTES:
                raise WeightsError(f"{path} keeps more than {MAX_BYTES:,} bytes in files beside it; it is no AlexNet.")
        try:
            found[name] = np.array(onnx.numpy_helper.to_array(tensor))
        except (ValueError, TypeError) as error:
            raise WeightsError(f"{path}: {name!r} is damaged: {error}.") from error
    return found


def _is_constant(node: Any) -> bool:
    names = [each.name for each in node.attribute]
    return bool(node.op_type == "Constant" and len(names) == 1 and names[0] in CONSTANTS and node.output)


def read_chain(content: Any, tensors: Mapping[str, NDArray[Any]], path: Path) -> Chain:
    """The layers between a file's one input and its one output, logits or their softmax.

    Raises WeightsError for a graph that is no such chain, or for a node that does what is not known here.
    """
    opset = _opset(content, path)
    graph = content.graph
    inputs = [value for value in graph.input if value.name not in tensors]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise WeightsError(f"{path} has {len(inputs)} inputs and {len(graph.output)} outputs, expected one of each.")
    batch, size = _input(inputs[0], path)
    layers, value = [], inputs[0].name
    for node in graph.node:
        if _is_constant(node):
            continue
        _check_place(node, value, tensors, path)
        if layer := _layer(node, tensors, opset, batch, path):
            layers.append(OnnxLayer(_name(node), layer, tuple(node.input[1:])))
        value = node.output[0]
        if node.op_type == "Softmax":
            break
    if value != graph.output[0].name:
        raise WeightsError(f"{path} answers {graph.output[0].name!r}, expected {value!r}, the end of its layers.")
    return Chain(size, tuple(layers))


def _opset(content: Any, path: Path) -> int:
    """The version of ONNX's operators; other domains may be declared, and `_check_place` sees that no node is theirs.

    A file without versions is of the first one, from before they were written down.
    """
    versions = {each.version for each in content.opset_import if each.domain in DOMAINS} or {1}
    if len(versions) > 1 or not versions <= set(OPSETS):
        raise WeightsError(
            f"{path} is written in operators of ONNX, version {' and '.join(map(str, sorted(versions)))}; this "
            f"package reads versions {OPSETS[0]} to {OPSETS[-1]}, one in a file."
        )
    return int(versions.pop())


def _name(node: Any) -> str:
    return str(node.name or next(iter(node.output), node.op_type))


def _check_place(node: Any, value: str, tensors: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Raises WeightsError unless the node is a known one, follows the one before it, and has its constants."""
    if node.domain not in DOMAINS or node.op_type not in OPERATORS:
        raise WeightsError(f"{path}: the node {_name(node)!r} is a {node.op_type}, which is in no AlexNet known here.")
    taken = node.input[0] if node.input else "nothing"
    if taken != value or not node.output:
        raise WeightsError(
            f"{path}: the node {_name(node)!r} takes {taken!r}, expected {value!r} of the node before it."
        )
    for name in node.input[1:]:
        if name not in tensors:
            raise WeightsError(f"{path} lacks the numbers of {name!r}, which the node {_name(node)!r} takes.")


def _layer(node: Any, tensors: Mapping[str, NDArray[Any]], opset: int, batch: int, path: Path) -> Layer | None:
    """The node as a layer, None when it leaves numbers as they are. `batch` is the file's, 0 where it is open."""
    found, constants = _attributes(node, opset, path), [tensors[name] for name in node.input[1:]]
    if node.op_type in ("Conv", "Gemm") and len(constants) != 2:
        raise WeightsError(f"{path}: the node {_name(node)!r} has no biases; AlexNets have.")
    match node.op_type:
        case "Conv":
            sides = found["kernel_shape"] or list(constants[0].shape[2:])
            kernel, stride = _one(node, sides, path), _one(node, found["strides"], path)
            return Conv("", 0, kernel, stride, padding=_padding(node, found["pads"], path), groups=found["group"])
        case "MaxPool":
            kernel, stride = _one(node, found["kernel_shape"], path), _one(node, found["strides"], path)
            padding = _padding(node, found["pads"], path)
            if found["ceil_mode"] and padding != 0:
                raise WeightsError(
                    f"{path}: the node {_name(node)!r} has pads {found['pads']} and ceil_mode 1 at once."
                )
            return MaxPool("", kernel, stride, padding="ceil" if found["ceil_mode"] else padding)
        case "LRN":
            n, convention = found["size"], "original" if found["size"] % 2 else "onnx"  # of odd windows the same
            return ResponseNorm("", n, found["bias"], found["alpha"], found["beta"], convention)
        case "Relu":
            return Activation("")
        case "Gemm":
            return Linear("", 0)
        case "Reshape":
            given = [np.array(found["shape"])] if "shape" in found else constants
            if len(given) != 1 or given[0].size != 2 or given[0].flat[0] not in (-1, 0, batch or 1):
                raise WeightsError(f"{path}: the node {_name(node)!r} shapes its input into something else than rows.")
        case "Dropout" if any(constant.dtype == bool and constant.any() for constant in constants):
            raise WeightsError(f"{path}: the node {_name(node)!r} drops units in use, not only in training.")
    return None


def _attributes(node: Any, opset: int, path: Path) -> dict[str, Any]:
    known = dict(OPERATORS[node.op_type])
    for (operator, before), attributes in FORMER.items():
        if operator == node.op_type and opset < before:
            known |= attributes
    found = dict(known)
    for attribute in node.attribute:
        if attribute.name not in known:
            raise WeightsError(f"{path}: the node {_name(node)!r} has the attribute {attribute.name!r}, unknown here.")
        found[attribute.name] = _plain(onnx_package().helper.get_attribute_value(attribute))
    for name, value in found.items():
        allowed = ONLY.get((node.op_type, name))
        if (allowed and value not in allowed) or value is REQUIRED:
            wanted = " or ".join(map(str, allowed)) if allowed else "a value"
            raise WeightsError(f"{path}: the node {_name(node)!r} has {name} {value}, expected {wanted}.")
    return found


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return value.decode("utf-8", "replace")
        case float():
            return float(str(np.float32(value)))  # the decimal that somebody wrote: 0.0001, not 0.00009999999747
        case str() | int():
            return value
    return list(value)


def _one(node: Any, sizes: list[int], path: Path) -> int:
    if len(sizes) != 2 or sizes[0] != sizes[1] or sizes[0] < 1:
        raise WeightsError(f"{path}: the node {_name(node)!r} has a kernel or stride of {sizes}, expected a square.")
    return sizes[0]


def _padding(node: Any, pads: list[int], path: Path) -> Padding:
    if len(pads) != 4 or pads[0] != pads[1] or pads[2] != pads[3] or min(pads) < 0:
        raise WeightsError(
            f"{path}: the node {_name(node)!r} has pads {pads}, expected as many above as at the left, and as many "
            "below as at the right."
        )
    return pads[0] if pads[0] == pads[2] else (pads[0], pads[2])


def _input(value: Any, path: Path) -> tuple[int, int]:
    """The number of images in a batch, 0 where it is open, and the side of an image in pixels."""
    sizes = [size.dim_value for size in value.type.tensor_type.shape.dim]  # 0: open
    if len(sizes) != 4 or sizes[1] != 3 or sizes[2] != sizes[3] or sizes[2] < 1:
        raise WeightsError(f"{path} takes {value.name!r} of shape {sizes}, expected (N, 3, size, size).")
    return int(sizes[0]), int(sizes[2])
