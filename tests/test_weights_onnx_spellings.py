"""The ways in which exporters write a layer: each is read as what ONNX Runtime computes from the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from onnx_making import run, zoo_model

from alexnet.errors import WeightsError
from alexnet.weights.onnx.importing import import_onnx

pytestmark = pytest.mark.usefixtures("one_thread")

Change = Callable[[Any], None]


def node(content: Any, output: str) -> Any:
    return next(node for node in content.graph.node if node.output[0] == output)


def array(content: Any, name: str) -> Any:
    return numpy_helper.to_array(next(each for each in content.graph.initializer if each.name == name))


def put(content: Any, name: str, numbers: Any) -> None:
    """The constant of that name holds `numbers` from now on."""
    graph = content.graph
    for held in (graph.initializer, graph.input):
        for each in [each for each in held if each.name == name]:
            held.remove(each)
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(numbers), name))


def forget(content: Any, name: str) -> None:
    for held in (content.graph.initializer, content.graph.input):
        for each in [each for each in held if each.name == name]:
            held.remove(each)


def add_behind(content: Any, output: str, bias: str, *, first: bool = False) -> None:
    """The last input of the node that gives `output` is added by a node of its own."""
    found = node(content, output)
    place = list(content.graph.node).index(found)
    del found.input[2:]
    found.output[0] = f"{output}_before"
    pair = [bias, found.output[0]] if first else [found.output[0], bias]
    content.graph.node.insert(place + 1, helper.make_node("Add", pair, [output], name=f"add_{output}"))


def conv_without_biases(content: Any) -> None:
    del node(content, "r8").input[2]
    forget(content, "conv3_b_0")


def conv_and_add(content: Any) -> None:
    for number, (output, bias) in enumerate((("r0", "conv1_b_0"), ("r4", "conv2_b_0"))):
        shape = ((-1, 1, 1), (1, -1, 1, 1))[number]
        put(content, bias, array(content, bias).reshape(shape))
        add_behind(content, output, bias, first=bool(number))


def gemm_transposed(content: Any) -> None:
    for output in ("r16", "r20"):
        found = node(content, output)
        others = [each for each in found.attribute if each.name != "transB"]
        del found.attribute[:]
        found.attribute.extend(others)  # transB is 0 where a file does not say
        put(content, found.input[1], array(content, found.input[1]).T)


def gemm_without_biases(content: Any) -> None:
    del node(content, "r24").input[2]
    forget(content, "fc8_b_0")


def gemm_biases_of_other_shapes(content: Any) -> None:
    put(content, "fc6_b_0", array(content, "fc6_b_0")[None])
    put(content, "fc7_b_0", np.float32(3.0))


def matmul_and_add(content: Any) -> None:
    for output, first in (("r16", False), ("r20", True), ("r24", False)):
        found = node(content, output)
        put(content, found.input[1], array(content, found.input[1]).T)
        bias = found.input[2]
        add_behind(content, output, bias, first=first)
        found.op_type = "MatMul"
        del found.attribute[:]


def matmul_alone(content: Any) -> None:
    gemm_without_biases(content)
    found = node(content, "r24")
    put(content, found.input[1], array(content, found.input[1]).T)
    found.op_type = "MatMul"
    del found.attribute[:]


def weights_of_two_layers(content: Any) -> None:
    """fc7 and fc8 alike, one of them transposed."""
    put(content, "fc7_w_0", array(content, "fc7_w_0"))
    found = node(content, "r24")
    found.input[1] = "fc7_w_0"
    forget(content, "fc8_w_0")
    del found.attribute[:]
    put(content, "fc8_b_0", np.linspace(-5, 5, 24, dtype=np.float32))
    content.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 24


CHANGES = [
    conv_without_biases, conv_and_add, gemm_transposed, gemm_without_biases, gemm_biases_of_other_shapes,
    matmul_and_add, matmul_alone, weights_of_two_layers,
]  # fmt: skip


def spelled(change: Change) -> Any:
    content = zoo_model()
    content.opset_import[0].version = 11
    content.ir_version = 6
    change(content)
    onnx.checker.check_model(content)
    return content


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_layer_written_in_another_way_answers_as_onnx_runtime_does(change: Change, tmp_path: Path) -> None:
    content = spelled(change)
    onnx.save(content, tmp_path / "net.onnx")
    model = import_onnx(tmp_path / "net.onnx", keep_bgr=True)
    view = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 70
    stages = {"r1": "relu1", "r5": "relu2", "r9": "relu3", "r17": "relu6", "r21": "relu7", "r24": "fc8"}
    stages = {{"r24": "r24"}.get(value, value): layer for value, layer in stages.items()}
    expected = run(content, {"data_0": view.numpy()}, list(stages))
    with torch.no_grad():
        found = model.net.stages(view, list(stages.values()))
    for value, layer in stages.items():
        assert expected[value].std() > 0.1, layer
        most = 1e-5 * np.abs(expected[value]).max()
        np.testing.assert_allclose(found[layer], expected[value], rtol=0, atol=most, err_msg=layer)


def test_the_numbers_stay_bit_for_bit(tmp_path: Path) -> None:
    plain = zoo_model()
    onnx.save(plain, tmp_path / "plain.onnx")
    onnx.save(spelled(matmul_and_add), tmp_path / "net.onnx")
    models = [import_onnx(tmp_path / name) for name in ("plain.onnx", "net.onnx")]
    for name, tensor in models[0].net.state_dict().items():
        assert torch.equal(models[1].net.state_dict()[name], tensor), name


def other_biases(content: Any) -> None:
    """One number a column of the maps is none a map."""
    put(content, "conv1_b_0", np.ones((54, 1), np.float32))
    add_behind(content, "r0", "conv1_b_0")


def two_constants(content: Any) -> None:
    add_behind(content, "r20", "fc7_b_0")
    found = node(content, "r20")
    found.input[0] = "fc6_b_0"


def a_sum_of_two_layers(content: Any) -> None:
    add_behind(content, "r20", "r17")


@pytest.mark.parametrize("change", [other_biases, two_constants, a_sum_of_two_layers], ids=lambda each: each.__name__)
def test_an_addition_that_is_no_bias_is_refused_by_its_name(change: Change, tmp_path: Path) -> None:
    content = zoo_model()
    change(content)
    onnx.save(content, tmp_path / "net.onnx")
    with pytest.raises(WeightsError, match=r"the node 'add_\w+' is a Add, which is in no AlexNet known here"):
        import_onnx(tmp_path / "net.onnx")
