"""Caffe's binary files: networks (.caffemodel) of both generations of layers, and blobs (.binaryproto).

Field numbers are those of BVLC/caffe src/caffe/proto/caffe.proto, and of NVIDIA/caffe's for blobs in raw bytes, which
DIGITS writes since 2017. A network's file holds its layers whole, with their
parameters, so that what the weights are for can be checked and not only assumed. The first generation of 2013 (V0) is
refused: Caffe's own `upgrade_net_proto_binary` makes it the third.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet.errors import WeightsError
from alexnet.model.spec import Activation, Conv, Layer, Linear, MaxPool, ResponseNorm
from alexnet.weights.caffe.wire import Message
from alexnet.weights.foreign.importing import read_weights


@dataclass(frozen=True)
class Generation:
    """The field numbers of one generation of layer messages: V1 until 2014, V2 since."""

    name: str
    layers: int  # in the network's message; all others in the layer's
    layer_name: int
    kind: int
    bottoms: int
    tops: int
    blobs: int
    transform: int
    parameters: Mapping[str, int]  # by kind of layer


V1 = Generation(
    "V1", 2, 4, 5, 2, 3, 6, 36, {"Convolution": 10, "InnerProduct": 17, "LRN": 18, "Pooling": 19, "ReLU": 30}
)
V2 = Generation(
    "V2", 100, 1, 2, 3, 4, 7, 100, {"Convolution": 106, "InnerProduct": 117, "LRN": 118, "Pooling": 121, "ReLU": 123}
)
V1_KINDS = {  # V2 has the words themselves; other numbers are layers that no AlexNet has
    1: "Accuracy", 4: "Convolution", 5: "Data", 6: "Dropout", 9: "HDF5Data", 12: "ImageData", 14: "InnerProduct",
    15: "LRN", 17: "Pooling", 18: "ReLU", 20: "Softmax", 21: "SoftmaxWithLoss", 22: "Split", 24: "WindowData",
    29: "MemoryData", 32: "DummyData", 36: "Silence",
}  # fmt: skip

RAW = {0: "<f8", 1: "<f4", 2: "<f2"}  # numbers in raw bytes, by NVCaffe's enum Type; 3 and 4 are integers

# (field, the only value known here, what it is), by kind of layer.
ONLY = {
    "Convolution": ((2, 1, "bias_term"), (16, 1, "axis"), (18, 1, "dilation")),
    "InnerProduct": ((2, 1, "bias_term"), (5, 1, "axis"), (6, 0, "transpose")),
    "LRN": ((4, 0, "norm_region"),),
    "Pooling": ((1, 0, "pool"), (4, 0, "pad"), (9, 0, "pad_h"), (10, 0, "pad_w"), (12, 0, "global_pooling")),
    "ReLU": (),
}


@dataclass(frozen=True)
class CaffeLayer:
    """A layer of a file: its blobs, and what its parameters say in this project's terms.

    `row` is None for layers that are passed over, like data and loss, and where the file does not say. The row of a
    layer with weights has 0 maps or units: how many they are is the weights' to say.
    """

    name: str
    kind: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    blobs: tuple[NDArray[np.float32], ...]
    row: Layer | None


@dataclass(frozen=True)
class CaffeNet:
    """A network's file. `input_size` is the side of its input or of the crops it was trained on, None where unsaid."""

    generation: str
    layers: tuple[CaffeLayer, ...]
    input_size: int | None


def read_caffemodel(path: Path) -> CaffeNet:
    """The network in a .caffemodel file, the blobs being views of what was read.

    Raises WeightsError for a file that is missing, damaged or too large, and for layers that do what no AlexNet does.
    """
    net = Message(memoryview(read_weights(path)), str(path))
    found = [generation for generation in (V1, V2) if generation.layers in net]
    if len(found) != 1:
        raise WeightsError(
            f"{path} has layers of {'both generations (V1 and V2)' if found else 'no generation that is known'}; "
            "is it a .caffemodel?"
        )
    (generation,) = found
    messages = net.messages(generation.layers, "layer")
    if generation is V1 and any(1 in message for message in messages):
        raise WeightsError(
            f"{path} has layers of the first generation (V0, 2013); run Caffe's upgrade_net_proto_binary on it first."
        )
    return CaffeNet(
        generation.name,
        tuple(_layer(message, generation) for message in messages),
        _input_size(net, messages, generation),
    )


def read_blob(message: Message) -> NDArray[np.float32]:
    """The numbers of a BlobProto in their shape, four-dimensional where it is an old one's.

    Raises WeightsError when there are not as many as the shape says.
    """
    if shape := message.message(7, "shape"):
        sizes = shape.integers(1)
    else:
        sizes = [message.integer(field) for field in (1, 2, 3, 4)]
    numbers = message.floats(5)
    if not numbers.size:
        numbers = message.doubles(8).astype(np.float32)
    if not numbers.size and 12 in message:
        numbers = _raw(message)
    if len(sizes) > 4 or min(sizes, default=0) < 1 or prod(sizes) != numbers.size:
        raise WeightsError(
            f"{message.where} has {numbers.size:,} numbers for a shape of {sizes[:8]}; the file is cut off, of "
            "another network, or keeps numbers in a form that is not known here."
        )
    return numbers.reshape(sizes)


def _raw(message: Message) -> NDArray[np.float32]:
    """The numbers of a blob of NVCaffe."""
    kind, content = message.integer(10), message.content(12)
    if kind not in RAW:
        raise WeightsError(f"{message.where} holds integers (type {kind}); quantised networks are not read.")
    if len(content) % np.dtype(RAW[kind]).itemsize:
        raise message.damaged(f"field 12 is {len(content):,} bytes, which hold no whole numbers")
    return np.frombuffer(content, RAW[kind]).astype(np.float32)


def _layer(message: Message, generation: Generation) -> CaffeLayer:
    name = message.text(generation.layer_name)
    message.where += f" ({name!r})"
    if generation is V1:
        number = message.integer(generation.kind)
        kind = V1_KINDS.get(number, f"number {number}")
    else:
        kind = message.text(generation.kind)
    row = None
    if kind in generation.parameters:
        parameters = message.message(generation.parameters[kind], "parameters")
        if parameters or kind not in ("Convolution", "InnerProduct"):
            row = _row(name, kind, parameters or Message(memoryview(b""), message.where))
    return CaffeLayer(
        name,
        kind,
        tuple(message.texts(generation.bottoms)),
        tuple(message.texts(generation.tops)),
        tuple(read_blob(blob) for blob in message.messages(generation.blobs, "blob")),
        row,
    )


def _row(name: str, kind: str, parameters: Message) -> Layer:
    for field, known, what in ONLY[kind]:
        if found := sorted(set(parameters.integers(field)) - {known}):
            raise WeightsError(f"{parameters.where}: {what} is {found[0]}, where every AlexNet has {known}.")
    match kind:
        case "Convolution":
            kernel, stride = _side(parameters, 4, 11, 12), _side(parameters, 6, 13, 14, 1)
            padding = _side(parameters, 3, 9, 10)
            return Conv(name, 0, kernel, stride, padding, groups=parameters.integer(5, 1))
        case "InnerProduct":
            return Linear(name, 0)
        case "Pooling":
            return MaxPool(name, _side(parameters, 2, 5, 6), _side(parameters, 3, 7, 8, 1), "ceil")
        case "LRN":
            alpha, beta, k = parameters.number(2, 1.0), parameters.number(3, 0.75), parameters.number(5, 1.0)
            return ResponseNorm(name, parameters.integer(1, 5), k, alpha, beta)
    if slope := parameters.number(1, 0.0):
        raise WeightsError(f"{parameters.where}: negative_slope is {slope}, where every AlexNet has 0.")
    return Activation(name)


def _side(parameters: Message, both: int, height: int, width: int, default: int = 0) -> int:
    """A size in pixels, given once, or once a dimension, or in fields for each. Raises WeightsError for two sizes."""
    fields = parameters.integers(both) or [*parameters.integers(height), *parameters.integers(width)]
    found = sorted(set(fields)) or [default]
    if len(found) > 1:
        raise WeightsError(f"{parameters.where}: {found[0]} × {found[1]} is not square, as in every AlexNet.")
    return found[0]


def _input_size(net: Message, layers: list[Message], generation: Generation) -> int | None:
    """The side of the input that the network declares, or of the crops in its data layer."""
    shapes = [net.integers(4), *(shape.integers(1) for shape in net.messages(8, "input shape"))]
    sides = set()
    for layer in layers:
        if transform := layer.message(generation.transform, "transformation"):
            if (scale := transform.number(1, 1.0)) != 1:
                raise WeightsError(
                    f"{layer.where} multiplies its input by {scale}, where every AlexNet takes 0 to 255."
                )
            sides.add(transform.integer(3))
        if generation is V2 and (parameters := layer.message(143, "input")):
            shapes += [shape.integers(1) for shape in parameters.messages(1, "shape")]
    for shape in shapes:
        sides.update(shape[2:4])
    sides -= {0}
    if len(sides) > 1 or min(sides, default=1) < 1:
        raise WeightsError(
            f"{net.where} takes inputs of {' and '.join(map(str, sorted(sides)))} pixels, expected one size."
        )
    return sides.pop() if sides else None
