import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx_making import lively, model_of, narrow, run, zoo_model

from alexnet.data.preparation import Preparation
from alexnet.errors import ConfigError, WeightsError
from alexnet.model.account import account
from alexnet.model.spec import Dropout
from alexnet.model.variants import networks, variant
from alexnet.weights.caffe.importing import MEAN_PIXEL
from alexnet.weights.description import MODEL
from alexnet.weights.foreign.class_names import unnamed_classes
from alexnet.weights.model_dir import load_model, save_model
from alexnet.weights.onnx.export import build_model
from alexnet.weights.onnx.graph import GraphOptions
from alexnet.weights.onnx.importing import import_onnx

pytestmark = pytest.mark.usefixtures("one_thread")

# The values of the zoo's graph, by the layer that gives them.
ZOO = {
    name: f"r{number}"
    for number, name in {
        0: "conv1", 1: "relu1", 2: "norm1", 3: "pool1", 4: "conv2", 5: "relu2", 6: "norm2", 7: "pool2", 8: "conv3",
        9: "relu3", 10: "conv4", 11: "relu4", 12: "conv5", 13: "relu5", 14: "pool5", 16: "fc6", 17: "relu6",
        20: "fc7", 21: "relu7", 24: "fc8",
    }.items()
}  # fmt: skip


def saved(content: Any, folder: Path) -> Path:
    onnx.save(content, folder / "net.onnx")
    return folder / "net.onnx"


def a_view(size: int = 224) -> torch.Tensor:
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1)) * 70


class LRN(OpRun):  # type: ignore[misc]
    """As ONNX's documentation defines it; that of onnx 1.23 normalises as many maps as there are images."""

    def _run(self, x: NDArray[np.float32], alpha: float, beta: float, bias: float, size: int) -> tuple[Any]:
        y = np.empty_like(x)
        for c in range(x.shape[1]):
            first, last = c - (size - 1) // 2, c + size // 2
            sums = np.square(x[:, max(0, first) : last + 1]).sum(1)
            y[:, c] = x[:, c] / (bias + alpha / size * sums) ** beta
        return (y,)


def in_the_reference(content: Any, feed: dict[str, NDArray[Any]], names: list[str]) -> dict[str, NDArray[np.float32]]:
    found = ReferenceEvaluator(content, new_ops=[LRN]).run(None, feed, intermediate=True)
    return {name: found[name] for name in names}


@pytest.mark.parametrize("engine", [run, in_the_reference], ids=["onnxruntime", "reference"])
def test_the_zoos_alexnet_is_computed_stage_by_stage_as_its_file_does(
    engine: Callable[..., dict[str, NDArray[np.float32]]], tmp_path: Path
) -> None:
    content = zoo_model()
    model = import_onnx(saved(content, tmp_path), keep_bgr=True)
    view = a_view()
    values = {value: layer for layer, value in ZOO.items()}
    found = engine(content, {"data_0": view.numpy()}, [*values, "prob_1"])
    with torch.no_grad():
        expected = model.net.stages(view, ZOO)
    assert set(ZOO) == {layer.name for layer in model.net.spec.layers if not isinstance(layer, Dropout)}
    for value, layer in values.items():
        wanted = found[value]
        assert wanted.std() > 0.1, f"{layer} is too dull to show a difference"
        # sums of up to 1,152 fp32 products in two orders, one after the other
        np.testing.assert_allclose(expected[layer], wanted, rtol=0, atol=1e-5 * np.abs(wanted).max(), err_msg=layer)
    np.testing.assert_allclose(expected["fc8"].softmax(1), found["prob_1"], rtol=0, atol=1e-4)


def test_the_zoos_geometry_is_kept_and_told(tmp_path: Path) -> None:
    model = import_onnx(saved(zoo_model(), tmp_path))
    spec = model.net.spec
    assert (spec.name, spec.input_size) == ("bvlc_alexnet", 224)
    outputs = {row.name: row.output[-1] for row in account(spec).rows}
    assert [outputs[name] for name in ("conv1", "pool1", "pool2", "pool5")] == [54, 26, 12, 6]
    assert model.provenance["conversions"][:2] == [
        "224 pixels, as the file takes",
        "padding of pool1, pool2 as in the file",
    ]
    assert model.preparation == Preparation("squash", "bilinear", "RGB", mean_at="crop")
    assert model.statistics.mean_image[0, 0].tolist() == list(MEAN_PIXEL)


def test_conv1_turned_to_rgb_answers_the_same_for_rgb(tmp_path: Path) -> None:
    path, view = saved(zoo_model(), tmp_path), a_view()
    kept, turned = import_onnx(path, keep_bgr=True), import_onnx(path)
    assert (kept.preparation.channels, turned.preparation.channels) == ("BGR", "RGB")
    with torch.no_grad():
        # the three products of a pixel in another order
        torch.testing.assert_close(turned.net(view.flip(1)), kept.net(view), rtol=1e-4, atol=1e-4)


def test_caffes_own_geometry_is_the_variant_itself(tmp_path: Path) -> None:
    content = zoo_model()
    for size in content.graph.input[0].type.tensor_type.shape.dim[2:]:
        size.dim_value = 227
    pool5 = [node for node in content.graph.node if node.op_type == "MaxPool"][-1]
    next(each for each in pool5.attribute if each.name == "pads").ints[:] = [0, 0, 0, 0]
    model = import_onnx(saved(content, tmp_path))
    assert model.net.spec == replace(narrow(variant("bvlc_alexnet")), classes=10)
    assert model.provenance["conversions"][0] == "conv1 turned from BGR to RGB"


def test_caffenet_is_told_from_it_by_its_order(tmp_path: Path) -> None:
    model = model_of(lively(narrow(variant("caffenet"))))
    content = build_model(model, GraphOptions("views"))
    del content.metadata_props[:], content.graph.output[0]  # as another program would write it
    found = import_onnx(saved(content, tmp_path), keep_bgr=True)
    assert found.net.spec == model.net.spec
    views = a_view(227)
    with torch.no_grad():
        torch.testing.assert_close(found.net(views), model.net(views), rtol=0, atol=0)


@pytest.mark.parametrize("opset", [11, 12, 13, 22])
def test_later_opsets_are_read_alike(opset: int, tmp_path: Path) -> None:
    content = zoo_model()
    content.ir_version = 4
    expected = import_onnx(saved(content, tmp_path))
    later = onnx.version_converter.convert_version(content, opset)
    found = import_onnx(saved(later, tmp_path))
    assert found.net.spec == expected.net.spec
    for name, tensor in expected.net.state_dict().items():
        assert torch.equal(found.net.state_dict()[name], tensor), name


def nodes(content: Any, kind: str) -> list[Any]:
    return [node for node in content.graph.node if node.op_type == kind]


def attribute(node: Any, name: str) -> Any:
    return next(each for each in node.attribute if each.name == name)


def an_alias(content: Any) -> None:
    content.opset_import[0].domain = "ai.onnx"


def a_domain_beside(content: Any) -> None:
    content.opset_import.add(domain="ai.onnx.ml", version=2)


def kernels_left_to_the_weights(content: Any) -> None:
    for node in nodes(content, "Conv"):
        node.attribute.remove(attribute(node, "kernel_shape"))


def a_batch_of_ten(content: Any) -> None:
    content.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 10
    shape = next(each for each in content.graph.initializer if each.name == "OC2_DUMMY_1")
    shape.CopyFrom(numpy_helper.from_array(np.array([10, numpy_helper.to_array(shape)[1]]), "OC2_DUMMY_1"))


def a_shape_in_a_node(content: Any) -> None:
    shape = next(each for each in content.graph.initializer if each.name == "OC2_DUMMY_1")
    content.graph.initializer.remove(shape)
    sizes = numpy_helper.to_array(shape).tolist()
    content.graph.node.insert(0, helper.make_node("Constant", [], ["OC2_DUMMY_1"], value_ints=sizes))


def of_opset_six(content: Any) -> None:
    content.opset_import[0].version = 6
    for node in nodes(content, "Gemm"):
        node.attribute.append(helper.make_attribute("broadcast", 1))
    for node in nodes(content, "Dropout"):
        node.attribute.append(helper.make_attribute("is_test", 1))


def of_opset_three(content: Any) -> None:
    of_opset_six(content)
    content.opset_import[0].version = 3
    (reshape,) = nodes(content, "Reshape")
    shape = next(each for each in content.graph.initializer if each.name == reshape.input[1])
    content.graph.initializer.remove(shape)
    reshape.attribute.append(helper.make_attribute("shape", numpy_helper.to_array(shape).tolist()))
    content.graph.input.remove(next(each for each in content.graph.input if each.name == shape.name))
    del reshape.input[1]
    for node in nodes(content, "Relu"):
        node.attribute.append(helper.make_attribute("consumed_inputs", [0]))


@pytest.mark.parametrize(
    "change",
    [
        an_alias,
        a_domain_beside,
        kernels_left_to_the_weights,
        a_batch_of_ten,
        a_shape_in_a_node,
        of_opset_six,
        of_opset_three,
    ],
)
def test_what_exporters_write_otherwise_is_the_same_model(change: Callable[[Any], None], tmp_path: Path) -> None:
    content = zoo_model()
    expected = import_onnx(saved(content, tmp_path))
    change(content)
    found = import_onnx(saved(content, tmp_path))
    assert found.net.spec == expected.net.spec
    for name, tensor in expected.net.state_dict().items():
        assert torch.equal(found.net.state_dict()[name], tensor), name


def test_poolings_that_round_up_are_computed_as_the_file_does(tmp_path: Path) -> None:
    """At 224 pixels rounding up and down differ: pool1 has 27 or 26 positions."""
    content = zoo_model()
    for node in nodes(content, "MaxPool"):
        node.attribute.append(helper.make_attribute("ceil_mode", 1))
        attribute(node, "pads").ints[:] = [0, 0, 0, 0]
    content.opset_import[0].version = 10  # where ceil_mode came
    model = import_onnx(saved(content, tmp_path), keep_bgr=True)
    assert [row.output[-1] for row in account(model.net.spec).rows if row.kind == "pool"] == [27, 13, 6]
    view = a_view()
    found = run(content, {"data_0": view.numpy()}, ["prob_1"])["prob_1"]
    with torch.no_grad():
        np.testing.assert_allclose(model.net(view).softmax(1), found, rtol=0, atol=1e-4)


def test_a_dropout_that_works_in_use_is_refused(tmp_path: Path) -> None:
    content = zoo_model()
    of_opset_six(content)
    attribute(nodes(content, "Dropout")[0], "is_test").i = 0
    with pytest.raises(WeightsError, match=r"the node 'n18' has is_test 0, expected 1"):
        import_onnx(saved(content, tmp_path))


@pytest.mark.parametrize("taken", ["images", "views"])
@pytest.mark.parametrize("name", networks())
def test_what_was_exported_comes_back(name: str, taken: str, tmp_path: Path) -> None:
    model = model_of(lively(narrow(variant(name))), preparation=Preparation(std=(58.4, 57.1, 57.4)))
    form = GraphOptions(taken, decompose_lrn=taken == "views")
    found = import_onnx(saved(build_model(model, form), tmp_path))
    assert found.net.spec == model.net.spec
    assert not found.net.training
    state = found.net.state_dict()
    assert list(state) == list(model.net.state_dict())
    for key, tensor in model.net.state_dict().items():
        assert torch.equal(state[key], tensor), key
    assert (found.categories, found.preparation) == (model.categories, model.preparation)
    assert np.array_equal(found.statistics.mean_image, model.statistics.mean_image)
    assert found.provenance["trained_with"] == "nothing"
    assert found.provenance["imported_from"] == "net.onnx"
    save_model(found, tmp_path / "model")
    assert load_model(tmp_path / "model").net.spec == model.net.spec


CHANGES: dict[str, Callable[[Any], Any]] = {
    "node": lambda graph: graph.node.remove(graph.node[-1]),
    "attribute": lambda graph: graph.node[0].attribute.remove(graph.node[0].attribute[0]),
    "mean": lambda graph: next(t for t in graph.initializer if t.name == "mean").CopyFrom(
        numpy_helper.from_array(np.zeros((224, 224, 3), np.float32), "mean")
    ),
    "order": lambda graph: graph.output.reverse(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_graph_changed_after_the_export_is_refused(change: str, tmp_path: Path) -> None:
    content = build_model(model_of(lively(narrow(variant("paper")))), GraphOptions("images"))
    CHANGES[change](content.graph)
    with pytest.raises(WeightsError, match=r"net\.onnx was changed after `alexnet export` wrote it"):
        import_onnx(saved(content, tmp_path))


def test_parameters_are_held_against_the_network_named(tmp_path: Path) -> None:
    content = build_model(model_of(lively(narrow(variant("owt")))), GraphOptions("views"))
    parameters = content.graph.initializer
    kept = parameters.pop()
    with pytest.raises(WeightsError, match=rf"missing: {kept.name}"):
        import_onnx(saved(content, tmp_path))
    parameters.extend([kept, numpy_helper.from_array(np.zeros(3, np.float32), "surplus")])
    with pytest.raises(WeightsError, match="of no use there: surplus"):
        import_onnx(saved(content, tmp_path))
    del parameters[-1]
    for layer, shape in (("fc7", (30, 24)), ("fc8", (10, 30))):
        parameter = next(each for each in parameters if each.name == f"{layer}.weight")
        parameter.CopyFrom(numpy_helper.from_array(np.zeros(shape, np.float32), f"{layer}.weight"))
    bias = next(each for each in parameters if each.name == "fc7.bias")
    bias.CopyFrom(numpy_helper.from_array(np.zeros(30, np.float32), "fc7.bias"))
    with pytest.raises(WeightsError, match="holds weights of other widths than the 'owt' that it names"):
        import_onnx(saved(content, tmp_path))


def test_numbers_of_which_no_network_can_be_made_are_told(tmp_path: Path) -> None:
    content = build_model(model_of(lively(narrow(variant("owt")))), GraphOptions("views"))
    entry = next(each for each in content.metadata_props if each.key == MODEL)
    for field, value, what in (
        ("stride", 0, r"is damaged: .*stride is 0, expected a number from 1"),
        ("kernel", "a", r"is damaged: .*kernel is 'a'"),
        ("groups", 5, "does not fit together"),
    ):
        plain = json.loads(entry.value)
        plain["spec"]["layers"][0][field] = value
        odd = onnx.ModelProto()
        odd.CopyFrom(content)
        next(each for each in odd.metadata_props if each.key == MODEL).value = json.dumps(plain)
        with pytest.raises(WeightsError, match=rf"What .*net\.onnx says of its (model|network) {what}"):
            import_onnx(saved(odd, tmp_path))


def test_what_a_file_brings_along_is_not_asked_for_twice(tmp_path: Path) -> None:
    path = saved(build_model(model_of(lively(narrow(variant("owt")))), GraphOptions("views")), tmp_path)
    with pytest.raises(ConfigError, match="brings its classes, mean and order of colours along"):
        import_onnx(path, keep_bgr=True)
    with pytest.raises(ConfigError, match="brings its classes, mean and order of colours along"):
        import_onnx(path, classes=unnamed_classes)
    nameless = replace(model_of(lively(narrow(variant("owt")))), categories=unnamed_classes(10))
    path = saved(build_model(nameless, GraphOptions("views")), tmp_path)
    assert import_onnx(path, classes=unnamed_classes).categories == unnamed_classes(10)
