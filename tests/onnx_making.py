"""Small networks of every variant, and ONNX files to hold them against."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from alexnet.data.source import Category
from alexnet.data.statistics import InputStatistics
from alexnet.model.net import AlexNet
from alexnet.model.spec import BatchNorm, Conv, Layer, Linear, Local, Spec
from alexnet.weights.model_dir import Model

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / "light_bvlc_alexnet.onnx"


def narrow(spec: Spec, by: int = 8, units: int = 24, classes: int = 10) -> Spec:
    """`spec` with its own geometry but a fraction of the maps: hundreds of times less to compute."""

    def change(layer: Layer) -> Layer:
        match layer:
            case Conv() | Local():
                return replace(layer, channels=layer.channels // by)
            case Linear(units=int()):
                return replace(layer, units=units)
        return layer

    return replace(spec.mapped(change), classes=classes)


def lively(spec: Spec, seed: int = 0) -> AlexNet:
    """A network in which every layer matters: outputs of a size that response normalisation acts on, biases too."""
    generator = torch.Generator().manual_seed(seed)
    net = AlexNet(spec, generator=generator).eval()
    views = some_views(spec, 2, generator)
    with torch.no_grad():
        for layer in spec.layers:
            module: Any = net.get_submodule(layer.name)
            if isinstance(layer, BatchNorm):
                for parameter in net.get_submodule(layer.name).state_dict().values():
                    parameter.uniform_(0.5, 2.0, generator=generator)
            if not isinstance(layer, Conv | Local | Linear):
                continue
            module.weight.normal_(generator=generator)
            module.bias.zero_()
            module.weight *= 60 / net.stages(views, [layer.name])[layer.name].std()
            module.bias.normal_(0.0, 20.0, generator=generator)
    return net


def some_views(spec: Spec, count: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(count, spec.channels, spec.input_size, spec.input_size, generator=generator) * 70


def model_of(net: AlexNet, **changes: Any) -> Model:
    """`net` with class names, and a mean image that differs from pixel to pixel."""
    rng = np.random.default_rng(0)
    mean = rng.uniform(90, 140, (256, 256, 3)).astype(np.float32)
    categories = tuple(Category(f"key{i}", f"Class №{i}") for i in range(net.spec.classes))
    return replace(Model(net, categories, InputStatistics.of_mean(mean), {"trained_with": "nothing"}), **changes)


def run(content: Any, feed: dict[str, NDArray[Any]], names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """The values called `names` of an ONNX model in ONNX Runtime."""
    watched = onnx.ModelProto()
    watched.CopyFrom(content)
    del watched.graph.output[:]
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(list(names), feed), strict=True))


def zoo_model(by: int = 8, units: int = 24, classes: int = 10, seed: int = 0) -> Any:
    """bvlcalexnet as the model zoo has it, from the package onnx: its very nodes, with random weights in fewer maps.

    The package has constants in place of the weights, all alike, so that all classes get the same probability.
    """
    content = onnx.load(LIGHT)
    graph, rng = content.graph, np.random.default_rng(seed)
    made = [node for node in graph.node if node.op_type == "ConstantOfShape"]
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights = {}
    for node in made:
        name, shape = node.output[0], shapes[node.input[0]].copy()
        layer, kind = name.split("_")[:2]
        rows = {"fc6": units, "fc7": units, "fc8": classes}.get(layer)
        shape[0] = rows or shape[0] // by
        if kind == "w" and layer != "conv1":
            shape[1] = {"fc6": 36 * (256 // by), "fc7": units, "fc8": units}.get(layer) or shape[1] // by
        scale = np.sqrt(2 / np.prod(shape[1:])) if kind == "w" else 5.0
        weights[name] = (rng.standard_normal(shape) * scale).astype(np.float32)
        graph.node.remove(node)
    del graph.initializer[:]
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    flat = numpy_helper.from_array(np.array([1, weights["fc6_w_0"].shape[1]]), "OC2_DUMMY_1")
    graph.initializer.append(flat)
    del graph.input[1:]
    graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims) for tensor in graph.initializer
    )  # files of those years list them
    graph.output[0].CopyFrom(helper.make_tensor_value_info("prob_1", TensorProto.FLOAT, [1, classes]))
    return content
