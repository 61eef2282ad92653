"""What a stranger's ONNX file may not be: every refusal names what was found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx_making import zoo_model

from alexnet.errors import WeightsError
from alexnet.weights.onnx.importing import import_onnx


def refusal(content: Any, folder: Path) -> str:
    (folder / "net.onnx").write_bytes(content.SerializeToString())
    with pytest.raises(WeightsError) as caught:
        import_onnx(folder / "net.onnx")
    sentence = str(caught.value)
    assert sentence.startswith(f"{folder / 'net.onnx'}")
    return sentence.removeprefix(f"{folder / 'net.onnx'}")


def node(content: Any, output: str) -> Any:
    return next(node for node in content.graph.node if node.output[0] == output)


def tensor(content: Any, name: str) -> Any:
    return next(tensor for tensor in content.graph.initializer if tensor.name == name)


def give(output: str, **attributes: Any) -> Callable[[Any], None]:
    """A change: attributes of the node that gives `output` set, those that are None taken away."""

    def change(content: Any) -> None:
        found = node(content, output)
        kept = [each for each in found.attribute if each.name not in attributes]
        del found.attribute[:]
        found.attribute.extend(kept)
        given = {name: value for name, value in attributes.items() if value is not None}
        found.attribute.extend(helper.make_attribute(name, value) for name, value in given.items())

    return change


def weights(name: str, array: Any) -> Callable[[Any], None]:
    return lambda content: tensor(content, name).CopyFrom(numpy_helper.from_array(np.array(array), name))


def without(name: str) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        content.graph.initializer.remove(tensor(content, name))
        content.graph.input.remove(next(each for each in content.graph.input if each.name == name))

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (give("r0", dilations=[2, 2]), "the node 'n0' has dilations [2, 2], expected [1, 1]"),
        (give("r0", auto_pad="SAME_UPPER"), "the node 'n0' has auto_pad SAME_UPPER, expected NOTSET"),
        (give("r3", kernel_shape=None), "the node 'n3' has kernel_shape None, expected a value"),
        (give("r0", kernel_shape=[11, 7]), "the node 'n0' has a kernel or stride of [11, 7], expected a square"),
        (give("r0", pads=[0, 1, 0, 0]), "the node 'n0' has pads [0, 1, 0, 0], expected as many above as at the left"),
        (give("r0", strides=[2, 2]), "the node 'n0' has stride 2, expected 4 as in 'bvlc_alexnet'"),
        (give("r2", alpha=1e-3), "the node 'n2' has alpha 0.001, expected 0.0001"),
        (give("r2", bias=2.0), "the node 'n2' has k 2.0, expected 1.0"),
        (give("r2", size=4), "the node 'n2' has n 4, expected 5"),
        (give("r3", ceil_mode=1, pads=[0, 0, 1, 1]), "the node 'n3' has pads [0, 0, 1, 1] and ceil_mode 1 at once"),
        (give("r3", surprise=1), "the node 'n3' has the attribute 'surprise', unknown here"),
        (give("r4", group=1), "the node 'n4' has groups 1, expected 2"),
        (give("r16", alpha=2.0), "the node 'n16' has alpha 2.0, expected 1.0"),
        (give("prob_1", axis=0), "the node 'n23' has axis 0, expected 1 or -1"),
        (weights("OC2_DUMMY_1", [2, 1152]), "the node 'n15' shapes its input into something else than rows"),
        (weights("OC2_DUMMY_1", [1, 1, 1152]), "the node 'n15' shapes its input into something else than rows"),
        (without("conv3_w_0"), "lacks the numbers of 'conv3_w_0', which the node 'n8' takes"),
        (weights("fc7_w_0", np.zeros((24, 25), np.float32)), "fc7_w_0 has shape (24, 25), expected (24, 24)"),
        (weights("fc7_w_0", np.full((24, 24), np.nan, np.float32)), "fc7_w_0 holds NaN or infinity"),
        (weights("fc7_w_0", np.zeros((24, 24), np.int8)), "'fc7_w_0' holds int8 numbers; quantised networks are not"),
        (lambda content: content.graph.node.remove(node(content, "r1")), "the node 'n2' takes 'r1', expected 'r0'"),
        (lambda content: node(content, "r1").__setattr__("op_type", "Sigmoid"), "the node 'n1' is a Sigmoid"),
        (lambda content: node(content, "r1").__setattr__("domain", "other"), "the node 'n1' is a Relu"),
        (lambda content: node(content, "r24").input.append("r23"), "lacks the numbers of 'r23', which the node 'n22'"),
        (
            lambda content: content.opset_import[0].__setattr__("version", 99),
            "ONNX, version 99; this package reads versions",
        ),
        (
            lambda content: content.opset_import.add(domain="ai.onnx", version=7),
            "operators of ONNX, version 7 and 9; this package reads",
        ),
        (lambda content: content.graph.output[0].__setattr__("name", "r24"), "answers 'r24', expected 'prob_1'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_an_alexnet_does_not_do_is_refused(change: Callable[[Any], None], sentence: str, tmp_path: Path) -> None:
    content = zoo_model()
    change(content)
    assert sentence in refusal(content, tmp_path)


def test_other_layers_are_refused(tmp_path: Path) -> None:
    content = zoo_model()
    graph = content.graph
    for output in ("r2", "r6"):  # no response normalisation
        removed = node(content, output)
        for follower in graph.node:
            if follower.input[0] == output:
                follower.input[0] = removed.input[0]
        graph.node.remove(removed)
    assert " is neither bvlc_alexnet nor caffenet: its layers are conv, activation, pool, " in refusal(
        content, tmp_path
    )


def test_numbers_that_nobody_takes_are_refused(tmp_path: Path) -> None:
    content = zoo_model()
    content.graph.initializer.append(numpy_helper.from_array(np.zeros(3, np.float32), "surplus"))
    assert "of no use there: surplus" in refusal(content, tmp_path)


def test_numbers_that_are_not_all_there_are_refused(tmp_path: Path) -> None:
    content = zoo_model()
    found = tensor(content, "fc6_w_0")
    found.raw_data = found.raw_data[:-4]
    assert ": 'fc6_w_0' is damaged: " in refusal(content, tmp_path)


def test_an_input_of_another_shape_is_refused(tmp_path: Path) -> None:
    content = zoo_model()
    size = content.graph.input[0].type.tensor_type.shape.dim[3]
    size.dim_value = 225
    assert " takes 'data_0' of shape [1, 3, 224, 225], expected (N, 3, size, size)" in refusal(content, tmp_path)
    size.dim_value = content.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 30
    assert " is no network that can work: An input of 30 pixels is too small" in refusal(content, tmp_path)


@pytest.mark.parametrize("junk", [b"", b"\x08\x07", b"\xff" * 100, b"<html></html>", bytes(1000)])
def test_what_is_no_onnx_file_is_told(junk: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(junk)
    with pytest.raises(WeightsError, match=r"net\.onnx is (damaged, or no ONNX file|a web page)"):
        import_onnx(tmp_path / "net.onnx")
    with pytest.raises(WeightsError, match=r"There is no file .*none\.onnx"):
        import_onnx(tmp_path / "none.onnx")


def test_a_file_cut_off_anywhere_is_told(tmp_path: Path) -> None:
    onnx.save(zoo_model(by=32, units=4), tmp_path / "whole.onnx")
    content = (tmp_path / "whole.onnx").read_bytes()
    for end in np.random.default_rng(0).integers(1, len(content), 20):
        (tmp_path / "net.onnx").write_bytes(content[:end])
        with pytest.raises(WeightsError):
            import_onnx(tmp_path / "net.onnx")
