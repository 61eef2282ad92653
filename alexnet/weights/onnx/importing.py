"""ONNX files as models: those that `alexnet export` wrote, and Caffe's two networks as the ONNX model zoo has them.

A graph is held against the network that it is to be, node by node, so that the model answers as its file does. The
zoo's bvlcalexnet takes 224 pixels where Caffe's takes 227, and makes 54, 26, 12 and, padded at the end, 6 positions of
them: so does the model.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from alexnet.errors import ConfigError, WeightsError
from alexnet.model.account import account
from alexnet.model.geometry import around
from alexnet.model.spec import Conv, Dropout, Layer, MaxPool, Spec
from alexnet.model.variants import variant
from alexnet.weights.caffe.importing import MODELS, caffe_model
from alexnet.weights.description import MODEL, from_texts
from alexnet.weights.exported import exported_model
from alexnet.weights.foreign.class_names import Names
from alexnet.weights.foreign.importing import Foreign
from alexnet.weights.model_dir import Model
from alexnet.weights.onnx.graph import FORMS, GraphOptions, build_graph
from alexnet.weights.onnx.read import Chain, OnnxLayer, read_chain, read_onnx, read_tensors
from alexnet.weights.onnx.spellings import spell

_COMPARED = {"function", "kernel", "stride", "groups", "n", "k", "alpha", "beta", "convention", "towers"}


def import_onnx(path: Path, *, classes: Names = None, mean: Path | None = None, keep_bgr: bool = False) -> Model:
    """The model in an ONNX file.

    A file that `alexnet export` wrote gives back the model that it was made from, and takes no other arguments than a
    function of `classes` that calls them as the file does. Of
    others, bvlc_alexnet and caffenet are known, in whatever widths, and taken to come from Caffe: see
    `alexnet.weights.caffe.importing.caffe_model` for the arguments. Raises WeightsError when the file is damaged,
    computes anything else, or keeps numbers elsewhere than beside it; ConfigError when the package onnx is missing.
    """
    content = read_onnx(path)
    tensors = read_tensors(content.graph, path)
    texts = {entry.key: entry.value for entry in content.metadata_props}
    if MODEL in texts:
        surplus = ConfigError(f"{path} brings its classes, mean and order of colours along; leave those options out.")
        if isinstance(classes, Path) or mean or keep_bgr:
            raise surplus
        model = _of_ours(content.graph, tensors, texts, path)
        if classes is not None and classes(len(model.categories)) != model.categories:
            raise surplus
        return model
    spell(content.graph, tensors)
    chain = read_chain(content, tensors, path)
    spec, said = _recognised(chain, path)
    with_weights = [layer for layer in chain.layers if layer.parameters]
    learned = [layer for layer in spec.layers if layer.kind in ("conv", "fc")]
    names = {
        f"{ours.name}.{part}": name
        for ours, theirs in zip(learned, with_weights, strict=True)
        for part, name in zip(("weight", "bias"), theirs.parameters, strict=True)
    }
    # what nodes take besides is a shape or a rate; what no node takes is left for `make_model` to complain of
    taken = {name for node in content.graph.node for name in node.input} - set(names.values())
    found = Foreign(path, "ONNX", names, _as_torch(tensors, taken, path), said)
    return caffe_model(spec, found, classes=classes, mean=mean, keep_bgr=keep_bgr)


def _of_ours(graph: Any, tensors: Mapping[str, NDArray[Any]], texts: Mapping[str, str], path: Path) -> Model:
    """The model that was exported, if the graph is still what is written for it."""
    known = from_texts(texts, path)
    options = GraphOptions(graph.input[0].name if graph.input else "")
    if options.input not in FORMS:
        raise WeightsError(f"{path} takes {options.input!r}, which is no input that this version knows.")
    try:
        expected = [
            build_graph(known.spec, replace(options, decompose_lrn=decompose), known.preparation, known.statistics)
            for decompose in (False, True)
        ]
    except Exception as error:  # numbers of which no network can be made fail in any way
        raise WeightsError(f"What {path} says of its network does not fit together: {error}") from error
    constants = {tensor.name for graph in expected for tensor in graph.initializer}
    for place in reversed([i for i, tensor in enumerate(graph.initializer) if tensor.name not in constants]):
        del graph.initializer[place]
    if graph not in expected:
        raise WeightsError(
            f"{path} was changed after `alexnet export` wrote it, or another version of this program did: its graph is "
            f"not that of {known.spec.name!r}; export it again."
        )
    return exported_model(path, "ONNX, of alexnet export", known, _as_torch(tensors, constants, path))


def _as_torch(tensors: Mapping[str, NDArray[Any]], without: set[str], path: Path) -> dict[str, torch.Tensor]:
    found = {name: array for name, array in tensors.items() if name not in without}
    for name, array in found.items():
        if array.dtype.kind != "f":
            raise WeightsError(f"{path}: {name!r} holds {array.dtype} numbers; quantised networks are not read.")
    return {name: torch.from_numpy(array) for name, array in found.items()}


def _recognised(chain: Chain, path: Path) -> tuple[Spec, tuple[str, ...]]:
    """The variant whose layers these are, with the file's input size and padding; and what was to be said of that."""
    kinds = [each.layer.kind for each in chain.layers]
    for usual in map(variant, MODELS):
        if [layer.kind for layer in usual.layers if not isinstance(layer, Dropout)] == kinds:
            break
    else:
        raise WeightsError(f"{path} is neither {' nor '.join(MODELS)}: its layers are {', '.join(kinds)}.")
    theirs = iter(chain.layers)
    layers = [
        layer if isinstance(layer, Dropout) else _same(layer, next(theirs), usual, path) for layer in usual.layers
    ]
    spec = replace(usual, layers=tuple(layers), input_size=chain.input_size)
    try:
        rows = account(spec).rows
    except ConfigError as error:  # too few pixels
        raise WeightsError(f"{path} is no network that can work: {error}") from error
    size, other = spec.input_size, []
    for place, (layer, row) in enumerate(zip(usual.layers, rows, strict=True)):
        if isinstance(layer, Conv | MaxPool):
            if around(layer, size) == row.padding:
                layers[place] = layer  # by its rule, which holds for other input sizes too
            else:
                other.append(layer.name)
            size = row.output[-1]
    said = [f"{chain.input_size} pixels, as the file takes"] if chain.input_size != usual.input_size else []
    said += [f"padding of {', '.join(other)} as in the file"] if other else []
    return replace(spec, layers=tuple(layers)), tuple(said)


def _same(ours: Layer, theirs: OnnxLayer, spec: Spec, path: Path) -> Layer:
    """Our layer with the padding of theirs. Raises WeightsError when they differ otherwise than in width."""
    for field in fields(ours):
        expected, found = getattr(ours, field.name), getattr(theirs.layer, field.name)
        if field.name in _COMPARED and found != expected:
            raise WeightsError(
                f"{path}: the node {theirs.name!r} has {field.name} {found}, expected {expected} as in {spec.name!r}."
            )
    if isinstance(ours, Conv | MaxPool) and isinstance(theirs.layer, Conv | MaxPool):
        return replace(ours, padding=theirs.layer.padding)
    return ours
