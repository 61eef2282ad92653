"""Caffe's two AlexNets, bvlc_alexnet and caffenet, as released and as fine-tuned.

Convolutions and fully connected layers have the same order of numbers there as in PyTorch. Colours come in the order
BGR; unless asked not to, the import turns conv1 round, which is exact.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from io import BytesIO
from itertools import takewhile, zip_longest
from math import prod
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet.data.preparation import DEFAULT, SIDES, Preparation
from alexnet.data.statistics import InputStatistics
from alexnet.errors import WeightsError, unknown
from alexnet.model.spec import Conv, Layer, Linear, Spec
from alexnet.model.variants import variant
from alexnet.weights.caffe.caffemodel import CaffeLayer, CaffeNet, read_blob, read_caffemodel
from alexnet.weights.caffe.wire import Message
from alexnet.weights.foreign.class_names import Names
from alexnet.weights.foreign.importing import Foreign, make_model, read_weights
from alexnet.weights.model_dir import Model

MODELS = ("bvlc_alexnet", "caffenet")
MEAN_PIXEL: Final = (123.0, 117.0, 104.0)
"""R, G, B: the rounded channel means of Caffe's mean image, which its users subtract where they have no image."""

_KINDS = {"conv": "Convolution", "activation": "ReLU", "norm": "LRN", "pool": "Pooling", "fc": "InnerProduct"}
_WITH_WEIGHTS = {"Convolution", "InnerProduct"}
_COMPARED = {"function", "kernel", "stride", "padding", "groups", "n", "k", "alpha", "beta", "convention", "towers"}
# Layers that change nothing in use, or come before and after all that a network computes.
_PASSED_OVER = {
    "Accuracy", "Data", "Dropout", "DummyData", "HDF5Data", "ImageData", "Input", "MemoryData", "Silence", "Softmax",
    "SoftmaxWithLoss", "Split", "WindowData",
}  # fmt: skip


def import_caffe(
    path: Path,
    *,
    classes: Names = None,
    mean: Path | None = None,
    keep_bgr: bool = False,
    model: str | None = None,
) -> Model:
    """The model in a .caffemodel file whose layers are those of one of `MODELS`, in whatever widths.

    `model` says which of the two it is; needed only where the file holds weights without the layers between them.
    `mean` is Caffe's mean image (see `read_mean`); without it the mean pixel is subtracted. With `keep_bgr` conv1 stays
    as it is and the model takes BGR. For `classes` and errors see `make_model`.
    """
    net = read_caffemodel(path)
    spec = _recognised(net, path, model)
    names, tensors = {}, {}
    learned = [layer for layer in spec.layers if isinstance(layer, Conv | Linear)]
    with_weights = [layer for layer in net.layers if layer.kind in _WITH_WEIGHTS]
    for ours, theirs in zip(learned, with_weights, strict=True):
        for part, blob in zip(("weight", "bias"), _parameters(theirs, ours, path), strict=True):
            names[f"{ours.name}.{part}"] = f"{theirs.name}.{part}"
            tensors[f"{theirs.name}.{part}"] = torch.from_numpy(blob)
    if len(tensors) < len(names):
        raise WeightsError(f"{path} has two layers of one name.")
    return caffe_model(
        spec,
        Foreign(path, f"Caffe, {net.generation} layers", names, tensors),
        classes=classes,
        mean=mean,
        keep_bgr=keep_bgr,
    )


def caffe_model(spec: Spec, found: Foreign, *, classes: Names, mean: Path | None, keep_bgr: bool) -> Model:
    """The model of weights that come from Caffe, conv1 in BGR: with Caffe's preparation, turned to RGB or not."""
    tensors, said = dict(found.tensors), list(found.conversions)
    first = found.names[f"{spec.layers[0].name}.weight"]
    if keep_bgr:
        said.append("conv1 kept in BGR")
    elif first in tensors and tensors[first].ndim == 4:
        tensors[first] = tensors[first].flip(1)
        said.append("conv1 turned from BGR to RGB")
    side = DEFAULT.side
    if mean is None:
        statistics = InputStatistics.of_mean(MEAN_PIXEL, side)
        said.append("mean pixel 123, 117, 104 (RGB) for want of a mean image")
    else:
        image = read_mean(mean)
        side = len(image)
        statistics = InputStatistics.of_mean(image, side)
        said.append(f"mean image {mean.name} turned from BGR to RGB")
    if spec.input_size > side:
        known = "by default" if mean is None else f"by the mean image {mean}"
        raise WeightsError(
            f"{found.path} takes crops of {spec.input_size} × {spec.input_size} pixels, but photographs would be "
            f"{side} × {side} {known}; give the mean image of the photographs that the network was trained on."
        )
    preparation = Preparation(
        resize="squash",
        interpolation="bilinear",
        channels="BGR" if keep_bgr else "RGB",
        mean_at="crop",
        side=side,
    )
    found = replace(found, tensors=tensors, conversions=tuple(said))
    return make_model(spec, found, statistics=statistics, preparation=preparation, classes=classes)


def read_mean(path: Path) -> NDArray[np.float32]:
    """A mean image (side, side, 3) in RGB from Caffe's BGR in C, H, W order: a .binaryproto or a .npy file.

    Its side, usually 256, is that of the photographs that the network was trained on. Raises WeightsError when the file
    is neither, or of a shape that photographs here cannot have.
    """
    content = read_weights(path)
    if content.startswith(b"\x93NUMPY"):
        try:
            found = np.load(BytesIO(content), allow_pickle=False)
        except Exception as error:  # damaged and foreign files fail in any way
            raise WeightsError(f"The mean image {path} is damaged: {error}") from error
    else:
        found = read_blob(Message(memoryview(content), str(path)))
    shape = found.shape[found.ndim - 3 :]
    square = len(shape) == 3 and shape[0] == 3 and shape[1] == shape[2]
    if not square or found.size != prod(shape) or found.dtype.kind != "f":
        raise WeightsError(
            f"The mean image {path} has shape {found.shape} of {found.dtype}; it should be (3, side, side) floats."
        )
    side, (least, greatest) = shape[1], SIDES
    if not least <= side <= greatest:
        raise WeightsError(
            f"The mean image {path} is of {side} × {side} pixels; photographs are prepared to {least} × {least} up to "
            f"{greatest} × {greatest}."
        )
    image = found.reshape(shape)[::-1].transpose(1, 2, 0).astype(np.float32)
    if not np.isfinite(image).all():
        raise WeightsError(f"The mean image {path} holds NaN or infinity.")
    return np.ascontiguousarray(image)


def _recognised(net: CaffeNet, path: Path, model: str | None) -> Spec:
    """The variant whose layers these are, at the input size that the file says."""
    if model is not None and model not in MODELS:
        raise unknown("model of Caffe", model, MODELS)
    layers = [layer for layer in net.layers if layer.kind not in _PASSED_OVER]
    for layer in net.layers:
        if layer.blobs and layer.kind not in _WITH_WEIGHTS:
            raise WeightsError(f"{path}: the layer {layer.name!r} ({layer.kind}) has weights, as in no AlexNet.")
    bare = {layer.kind for layer in layers} == _WITH_WEIGHTS
    if bare and model is None:
        raise WeightsError(f"{path} holds weights without the layers between them; say --model {' or '.join(MODELS)}.")
    known = _WITH_WEIGHTS if bare else set(_KINDS.values())
    specs = [variant(name) for name in ((model,) if model else MODELS)]
    rows = [[layer for layer in spec.layers if _KINDS.get(layer.kind) in known] for spec in specs]
    spec, expected = max(zip(specs, rows, strict=True), key=lambda trial: _alike(trial[1], layers))
    for ours, theirs in zip_longest(expected, layers):
        if ours is None or theirs is None or _KINDS[ours.kind] != theirs.kind:
            found = f"{theirs.name!r} ({theirs.kind})" if theirs else "no more layers"
            wanted = f"{ours.name} ({_KINDS[ours.kind]})" if ours else "no more layers"
            raise WeightsError(f"{path} is not {model or ' or '.join(MODELS)}: it has {found}, expected {wanted}.")
        if theirs.row:
            _check_same(ours, theirs.row, path, spec)
    if not bare:
        _check_chain(net.layers, path)
    return replace(spec, input_size=net.input_size or spec.input_size)


def _alike(ours: Sequence[Layer], theirs: Sequence[CaffeLayer]) -> int:
    """How many layers from the first on are of the same kind."""
    pairs = zip(ours, theirs, strict=False)
    return sum(1 for _ in takewhile(lambda pair: _KINDS[pair[0].kind] == pair[1].kind, pairs))


def _check_chain(layers: Sequence[CaffeLayer], path: Path) -> None:
    """Raises WeightsError unless each layer takes what the one before it gives."""
    given: set[str] | None = None  # the names of that; the input's is nobody's business
    for layer in layers:
        if layer.kind in ("Split", "Dropout") and given and given & set(layer.bottoms):
            given |= set(layer.tops)
        if layer.kind not in _KINDS.values():
            continue
        if len(layer.bottoms) != 1 or len(layer.tops) != 1 or (given and not given & set(layer.bottoms)):
            raise WeightsError(
                f"{path}: the layer {layer.name!r} takes {', '.join(map(repr, layer.bottoms)) or 'nothing'}, expected "
                "the output of the layer before it."
            )
        given = set(layer.tops)


def _check_same(ours: Layer, theirs: Layer, path: Path, spec: Spec) -> None:
    """Raises WeightsError when two layers of a kind do not compute the same, but for their widths."""
    for field in fields(ours):
        expected, found = getattr(ours, field.name), getattr(theirs, field.name)
        if field.name in _COMPARED and found != expected:
            raise WeightsError(
                f"{path}: the layer {theirs.name!r} has {field.name} {found}, expected {expected} as in {spec.name!r}."
            )


def _parameters(layer: CaffeLayer, ours: Conv | Linear, path: Path) -> list[NDArray[np.float32]]:
    """Weights and biases without the sizes of 1 that old files have in front."""
    if len(layer.blobs) != 2:
        raise WeightsError(
            f"{path}: the layer {layer.name!r} has {len(layer.blobs)} blobs, expected weights and biases."
        )
    ranks = (4 if isinstance(ours, Conv) else 2, 1)
    shapes = [blob.shape[blob.ndim - rank :] for blob, rank in zip(layer.blobs, ranks, strict=True)]
    return [
        np.array(blob.reshape(shape) if blob.size == prod(shape) else blob)  # a copy: they lie anywhere in the file
        for blob, shape in zip(layer.blobs, shapes, strict=True)
    ]
