"""Caffe's files as tests need them: .caffemodel of both generations and the prototxt that goes with them.

Field numbers from BVLC/caffe src/caffe/proto/caffe.proto, written here a second time: the reader has its own.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet.model.net import AlexNet
from alexnet.model.spec import Conv, Dropout, Layer, Linear, MaxPool, ResponseNorm, Spec
from alexnet.model.variants import variant

WIDTHS = {"conv1": 12, "conv2": 16, "conv3": 14, "conv4": 12, "conv5": 8, "fc6": 24, "fc7": 20}
Weights = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]  # by layer


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def field(number: int, value: int | float | str | bytes) -> bytes:
    """A field on the wire: a varint, an fp32 number, or counted bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def blob(array: NDArray[np.floating], *, legacy: bool = False, packed: bool = True, double: bool = False) -> bytes:
    """A BlobProto; `legacy` gives it four dimensions, ones in front."""
    if legacy:
        sizes = (1,) * (4 - array.ndim) + array.shape
        shape = b"".join(field(number, size) for number, size in enumerate(sizes, start=1))
    else:
        shape = field(7, field(1, b"".join(map(varint, array.shape))))
    kind, number, wire = ("<f8", 8, 1) if double else ("<f4", 5, 5)
    content = array.astype(kind).tobytes()
    if packed:
        return shape + field(number, content)
    size = np.dtype(kind).itemsize
    parts = (content[start : start + size] for start in range(0, len(content), size))
    return shape + b"".join(varint(number << 3 | wire) + part for part in parts)


def small(name: str, *, classes: int = 10) -> Spec:
    """The variant with few maps."""

    def fewer(layer: Layer) -> Layer:
        if isinstance(layer, Conv):
            return replace(layer, channels=WIDTHS[layer.name])
        return replace(layer, units=WIDTHS[layer.name]) if layer.name in WIDTHS else layer

    return replace(variant(name, classes=classes).mapped(fewer))


def random_weights(spec: Spec, seed: int = 0) -> Weights:
    """Weights that keep signals at their size from layer to layer; biases to be seen."""
    rng = np.random.default_rng(seed)
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in AlexNet(spec).state_dict().items()}
    found = {}
    for layer in spec.layers:
        if isinstance(layer, Conv | Linear):
            shape = shapes[f"{layer.name}.weight"]
            std = np.sqrt(2 / np.prod(shape[1:]))
            found[layer.name] = (
                rng.normal(0, std, shape).astype(np.float32),
                rng.normal(0, 1, shape[0]).astype(np.float32),
            )
    return found


def _parameters(layer: Layer) -> tuple[str, bytes, str]:
    """The kind, the parameters' message and their text."""
    match layer:
        case Conv():
            numbers = {"num_output": (1, layer.channels), "kernel_size": (4, layer.kernel)}
            if layer.padding:
                numbers["pad"] = (3, layer.padding)
            if layer.stride != 1:
                numbers["stride"] = (6, layer.stride)
            if layer.groups != 1:
                numbers["group"] = (5, layer.groups)
            return "Convolution", *_both("convolution_param", numbers)
        case Linear():
            return "InnerProduct", *_both("inner_product_param", {"num_output": (1, layer.units or 0)})
        case MaxPool():
            return "Pooling", *_both("pooling_param", {"kernel_size": (2, layer.kernel), "stride": (3, layer.stride)})
        case ResponseNorm():  # k is left out where it is Caffe's default
            numbers = {"local_size": (1, layer.n), "alpha": (2, layer.alpha), "beta": (3, layer.beta)}
            if layer.k != 1:
                numbers["k"] = (5, layer.k)
            return "LRN", *_both("lrn_param", numbers)
        case Dropout():
            return "Dropout", *_both("dropout_param", {"dropout_ratio": (1, layer.rate)})
    return "ReLU", b"", ""


def _both(name: str, numbers: Mapping[str, tuple[int, int | float]]) -> tuple[bytes, str]:
    text = "".join(f"    {key}: {value}\n" for key, (_, value) in numbers.items())
    return b"".join(field(number, value) for number, value in numbers.values()), f"  {name} {{\n{text}  }}\n"


V1 = {
    "layers": 2, "name": 4, "type": 5, "bottom": 2, "top": 3, "blobs": 6, "transform": 36,
    "Convolution": 10, "InnerProduct": 17, "LRN": 18, "Pooling": 19, "Dropout": 12, "ReLU": 30,
}  # fmt: skip
V2 = {
    "layers": 100, "name": 1, "type": 2, "bottom": 3, "top": 4, "blobs": 7, "transform": 100,
    "Convolution": 106, "InnerProduct": 117, "LRN": 118, "Pooling": 121, "Dropout": 108, "ReLU": 123,
}  # fmt: skip
NUMBER = {
    "Convolution": 4, "InnerProduct": 14, "LRN": 15, "Pooling": 17, "ReLU": 18, "Dropout": 6, "Data": 5,
    "SoftmaxWithLoss": 21, "Split": 22, "Tanh": 23,
}  # fmt: skip


def layer_message(
    generation: str,
    name: str,
    kind: str,
    bottoms: Iterable[str],
    tops: Iterable[str],
    *,
    parameters: bytes | None = None,
    blobs: Iterable[bytes] = (),
    transform: bytes = b"",
) -> bytes:
    """The field that is one layer of a network."""
    numbers = {"V1": V1, "V2": V2}[generation]
    content = field(numbers["name"], name)
    content += field(numbers["type"], NUMBER[kind] if generation == "V1" else kind)
    content += b"".join(field(numbers["bottom"], each) for each in bottoms)
    content += b"".join(field(numbers["top"], each) for each in tops)
    content += b"".join(field(numbers["blobs"], each) for each in blobs)
    if parameters is not None:
        content += field(numbers[kind], parameters)
    if transform:
        content += field(numbers["transform"], transform)
    return field(numbers["layers"], content)


def layer_messages(
    spec: Spec, weights: Weights, generation: str = "V2", *, in_place: bool = True, **form: bool
) -> dict[str, bytes]:
    """The layers of a network as it was trained, by name: from data to loss."""
    transform = field(2, 1) + field(3, spec.input_size) + field(4, "data/mean.binaryproto")
    found = {"data": layer_message(generation, "data", "Data", (), ("data", "label"), transform=transform)}
    below = "data"
    for layer in spec.layers:
        kind, parameters, _ = _parameters(layer)
        top = below if in_place and kind in ("ReLU", "Dropout") else layer.name
        if isinstance(layer, Linear) and layer.units is None:
            parameters = field(1, spec.classes)
        blobs = [blob(array, **form) for array in weights.get(layer.name, ())]
        found[layer.name] = layer_message(
            generation, layer.name, kind, (below,), (top,), parameters=parameters, blobs=blobs
        )
        below = top
    found["loss"] = layer_message(generation, "loss", "SoftmaxWithLoss", (below, "label"), ("loss",))
    return found


def caffemodel(spec: Spec, weights: Weights, generation: str = "V2", **form: bool) -> bytes:
    return field(1, "net") + b"".join(layer_messages(spec, weights, generation, **form).values())


def prototxt(spec: Spec) -> str:
    """The network as Caffe's users deploy it, layers in place, with softmax."""
    size = spec.input_size
    lines = [f'name: "net"\ninput: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: {size}\ninput_dim: {size}\n']
    below = "data"
    for layer in spec.layers:
        kind, _, text = _parameters(layer)
        top = below if kind in ("ReLU", "Dropout") else layer.name
        text = text.replace("num_output: 0", f"num_output: {spec.classes}")
        lines.append(
            f'layer {{\n  name: "{layer.name}"\n  type: "{kind}"\n  bottom: "{below}"\n  top: "{top}"\n{text}}}\n'
        )
        below = top
    lines.append(f'layer {{\n  name: "prob"\n  type: "Softmax"\n  bottom: "{below}"\n  top: "prob"\n}}\n')
    return "".join(lines)
