import itertools
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx_making import lively, model_of, narrow, run, some_views

from alexnet.data.augment import centre_mean, fixed_views
from alexnet.data.loader import view_batch
from alexnet.data.preparation import Preparation
from alexnet.errors import ConfigError
from alexnet.model.account import account
from alexnet.model.net import AlexNet
from alexnet.model.spec import Dropout, Linear, ResponseNorm, Spec
from alexnet.model.variants import networks, variant
from alexnet.weights.onnx.export import build_model
from alexnet.weights.onnx.graph import IR_VERSION, OPSET, GraphOptions

pytestmark = pytest.mark.usefixtures("one_thread")

NATIVE, ELEMENTARY = GraphOptions("views"), GraphOptions("views", decompose_lrn=True)
# Of a stage's largest number: sums of up to 2,304 fp32 products in two orders, one after the other in eight layers.
ROUNDING = 1e-5


def operators(content: Any) -> list[str]:
    return [node.op_type for node in content.graph.node]


def check_stages(net: AlexNet, options: GraphOptions) -> Any:
    """Every layer's output in ONNX Runtime against PyTorch's; the ONNX model."""
    content = build_model(model_of(net), options)
    onnx.checker.check_model(content, full_check=True)
    views = some_views(net.spec, 2, torch.Generator().manual_seed(1))
    names = [layer.name for layer in net.spec.layers if not (isinstance(layer, Dropout) and layer.inverted)]
    with torch.no_grad():
        expected = net.stages(views, names)
    found = run(content, {"views": views.numpy()}, names)
    for name in names:
        wanted = expected[name].numpy()
        assert wanted.std() > 0.1, f"{name} is too dull to show a difference"
        np.testing.assert_allclose(found[name], wanted, rtol=0, atol=ROUNDING * np.abs(wanted).max(), err_msg=name)
    return content


@pytest.mark.parametrize("options", [NATIVE, ELEMENTARY], ids=["native", "elementary"])
@pytest.mark.parametrize("name", networks())
def test_every_stage_of_every_variant_is_pytorchs(name: str, options: GraphOptions) -> None:
    spec = narrow(variant(name))
    norms = [layer for layer in spec.layers if isinstance(layer, ResponseNorm)]
    content = check_stages(lively(spec), options)
    expected = 0 if options.decompose_lrn else sum(norm.towers for norm in norms)
    assert operators(content).count("LRN") == expected
    assert "Dropout" not in operators(content)


@pytest.mark.parametrize(
    "option",
    [
        {"activation": "tanh"},
        {"batch_norm": True},
        {"norm": False},
        {"pooling": "plain"},
        {"pool_kind": "average"},
        {"groups": 1},
        {"half": True},
        {"without": "conv4"},
        {"pixels": "scaled"},
        {"channels": 1, "input_size": 99},
    ],
    ids=lambda option: "-".join(option),
)
def test_every_option_is_pytorchs(option: dict[str, Any]) -> None:
    spec, usual = variant("paper", **option), variant("paper")
    assert spec != usual
    net = lively(narrow(replace(spec, input_size=min(spec.input_size, 115))))
    if option == {"activation": "tanh"}:  # numbers of which tanh is not just the sign
        with torch.no_grad():
            for parameter in net.parameters():
                parameter /= 60
    check_stages(net, NATIVE)


def norm_alone(n: int, convention: str, towers: int = 1) -> Spec:
    norm = ResponseNorm("norm", n=n, k=1.5, alpha=0.02, beta=0.6, convention=convention, towers=towers)
    return Spec("norm", (norm, Linear("fc", None)), input_size=3, channels=8, classes=2)


CASES = [
    (n, convention, towers)
    for n, convention, towers in itertools.product((1, 2, 3, 4, 5, 9), ("original", "printed", "onnx"), (1, 2))
]


@pytest.mark.parametrize(("n", "convention", "towers"), [*CASES, (5, "tensorflow", 1)])
def test_response_norm_is_that_of_its_convention(n: int, convention: str, towers: int) -> None:
    spec = norm_alone(n, convention, towers)
    x = np.random.default_rng(n).normal(0, 20, (2, 8, 3, 3)).astype(np.float32)
    expected = by_the_formula(x, n, convention, towers)
    content = build_model(model_of(AlexNet(spec)), NATIVE)
    found = run(content, {"views": x}, ["norm"])["norm"]
    # exponents and quotients of fp32, after sums of at most nine squares, of which ONNX Runtime keeps a running one
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # ONNX Runtime's LRN takes odd windows only; the printed formula has no others
    assert ("LRN" in operators(content)) == (n % 2 == 1 or convention == "printed")


def by_the_formula(x: NDArray[np.float32], n: int, convention: str, towers: int) -> NDArray[np.float64]:
    """Map by map in float64, from the words of the paper, the code of 2012 and ONNX's documentation."""
    below, above = {
        "original": (n // 2, n - n // 2 - 1),
        "printed": (n // 2, n // 2),
        "onnx": ((n - 1) // 2, n - 1 - (n - 1) // 2),
        "tensorflow": (n // 2, n // 2),
    }[convention]
    alpha = 0.02 / n if convention in ("original", "onnx") else 0.02
    wide, size = x.astype(np.float64), x.shape[1] // towers
    y = np.empty_like(wide)
    for i in range(x.shape[1]):
        first, last = i // size * size, i // size * size + size - 1
        window = wide[:, max(first, i - below) : min(last, i + above) + 1]
        y[:, i] = wide[:, i] / (1.5 + alpha * np.square(window).sum(1)) ** 0.6
    return y


@pytest.mark.parametrize("n", [3, 4, 5, 6])
def test_the_onnx_convention_is_that_of_its_reference_implementation(n: int) -> None:
    x = np.random.default_rng(n).normal(0, 20, (8, 8, 3, 3)).astype(np.float32)
    node = onnx.helper.make_node("LRN", ["x"], ["y"], size=n, alpha=0.02, beta=0.6, bias=1.5)
    # eight images of eight maps: onnx 1.23 normalises as many maps as there are images, and leaves the others
    (expected,) = ReferenceEvaluator(node).run(None, {"x": x})
    found = AlexNet(norm_alone(n, "onnx")).stages(torch.from_numpy(x), ["norm"])["norm"].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    other = AlexNet(norm_alone(n, "original")).stages(torch.from_numpy(x), ["norm"])["norm"].numpy()
    assert np.allclose(other, expected, rtol=1e-5) == (n % 2 == 1)


def test_the_elementary_form_is_right_in_the_reference_evaluator_too() -> None:
    spec = replace(narrow(variant("original2012")), input_size=67)
    net = lively(spec)
    content = build_model(model_of(net), ELEMENTARY)
    views = some_views(spec, 1, torch.Generator().manual_seed(1))
    logits, probabilities = ReferenceEvaluator(content).run(None, {"views": views.numpy()})
    expected = net(views).detach()
    np.testing.assert_allclose(logits, expected, rtol=0, atol=ROUNDING * expected.abs().max())
    np.testing.assert_allclose(probabilities, expected.softmax(1), rtol=0, atol=1e-4)


def test_opencv_reads_the_file_and_agrees() -> None:
    spec = replace(narrow(variant("bvlc_alexnet")), input_size=115)
    net = lively(spec)
    views = some_views(spec, 1, torch.Generator().manual_seed(1))
    content = build_model(model_of(net), NATIVE)
    reader = cv2.dnn.readNetFromONNX(np.frombuffer(content.SerializeToString(), np.uint8))
    reader.setInput(views.numpy(), "views")
    expected = net(views).detach()
    np.testing.assert_allclose(reader.forward("fc8"), expected, rtol=0, atol=ROUNDING * expected.abs().max())


@pytest.mark.parametrize(
    "preparation",
    [Preparation(), Preparation(channels="BGR", mean_at="crop"), Preparation(std=(58.4, 57.1, 57.4))],
    ids=["RGB", "BGR", "std"],
)
def test_photographs_are_prepared_inside_as_outside(preparation: Preparation) -> None:
    spec = replace(narrow(variant("bvlc_alexnet")), input_size=115)  # an odd border: 70 pixels before, 71 behind
    model = model_of(lively(spec), preparation=preparation)
    content = build_model(model, GraphOptions("images"))
    onnx.checker.check_model(content, full_check=True)
    photographs = np.random.default_rng(0).integers(0, 256, (3, 256, 256, 3), dtype=np.uint8)
    expected = view_batch(
        list(photographs), fixed_views(115, 256, 1), centre_mean(model.statistics, 115), preparation=preparation
    )
    found = run(content, {"images": photographs}, ["views", "fc8"])
    assert np.array_equal(found["views"], expected)
    with torch.no_grad():
        logits = model.net(expected)
    np.testing.assert_allclose(found["fc8"], logits, rtol=0, atol=ROUNDING * logits.abs().max())


def test_the_graph_says_what_goes_through_it() -> None:
    spec = narrow(variant("paper"))
    content = build_model(model_of(lively(spec)), GraphOptions("images"))
    shapes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*content.graph.input, *content.graph.output, *content.graph.value_info)
    }
    assert shapes.pop("images") == ["N", 256, 256, 3]
    assert shapes.pop("probabilities") == ["N", 10]
    rows = {row.name: ["N", *row.output] for row in account(spec).rows if row.kind != "dropout"}
    assert shapes == rows
    assert [value.name for value in content.graph.output] == ["fc8", "probabilities"]
    names = {node.name for node in content.graph.node}
    assert len(names) == len(content.graph.node)
    assert set(rows) <= names
    assert (content.ir_version, content.opset_import[0].version) == (IR_VERSION, OPSET) == (6, 11)


def test_what_a_network_cannot_take_is_refused() -> None:
    grey = model_of(AlexNet(replace(narrow(variant("paper", channels=1)), input_size=99)))
    with pytest.raises(ConfigError, match="takes 1 channels, so its file cannot take photographs"):
        build_model(grey, GraphOptions("images"))
    with pytest.raises(ConfigError, match="Unknown input of an ONNX file 'image'; did you mean 'images'"):
        build_model(grey, GraphOptions("image"))
