import copy
import io
import pickle
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from making import damaged, tiny_model
from numpy.typing import NDArray
from onnx_making import lively, model_of, narrow
from PIL import Image

from alexnet.data.preparation import Preparation
from alexnet.data.store import Store
from alexnet.errors import ConfigError, WeightsError
from alexnet.evaluation.evaluate import evaluate
from alexnet.evaluation.extract import extract
from alexnet.evaluation.predictor import Predictor, predict
from alexnet.kernels import routes, use_twin
from alexnet.model.device import place
from alexnet.model.variants import variant
from alexnet.weights.model_dir import Model, save_model
from alexnet.weights.onnx.export import build_model
from alexnet.weights.onnx.graph import GraphOptions

pytestmark = pytest.mark.usefixtures("one_thread")
FP32 = place("cpu", "fp32")


@pytest.fixture(scope="module")
def photographs(colours: Store) -> list[tuple[str, bytes]]:
    """Photographs of two shapes, neither of them prepared, and something that is none."""
    files: list[tuple[str, bytes]] = []
    for position in range(4):
        file = io.BytesIO()
        Image.fromarray(colours.read(position)).resize((300, 280 + 40 * position)).save(file, "png")
        files.append((f"{position}.png", file.getvalue()))
    return [*files[:2], ("broken.png", b"no image"), *files[2:]]


@pytest.fixture(scope="module")
def model() -> Model:
    """Prepared in every way otherwise than the default."""
    spec = replace(narrow(variant("paper")), input_size=115)
    preparation = Preparation("squash", "bilinear", "BGR", (58.4, 57.1, 57.4), "crop")
    made = model_of(lively(spec), preparation=preparation)
    with torch.no_grad():  # logits of which softmax does not make one class of all
        made.net.get_parameter("fc8.weight").mul_(0.01)
        made.net.get_parameter("fc8.bias").mul_(0.01)
    return made


@pytest.mark.parametrize(("taken", "crops"), [("images", 1), ("views", 1), ("views", 10)])
def test_a_file_answers_as_the_model_it_was_made_of(
    model: Model, photographs: list[tuple[str, bytes]], tmp_path: Path, taken: str, crops: int
) -> None:
    onnx.save(build_model(model, GraphOptions(taken)), tmp_path / "net.onnx")
    found = list(Predictor(tmp_path / "net.onnx").stream(photographs, top=3, crops=crops))
    expected = list(Predictor(model, placement=FP32).stream(photographs, top=3, crops=crops))
    assert [each.image for each in found] == [name for name, _ in photographs]
    assert [each.error for each in found] == [each.error for each in expected]
    assert sum(each.error is not None for each in found) == 1
    for each, other in zip(found, expected, strict=True):
        for mine, theirs in zip(each.answers, other.answers, strict=True):
            assert (mine.name, mine.key, mine.index) == (theirs.name, theirs.key, theirs.index)
            # logits of about 1 that agree to 1e-5 of their size
            assert mine.probability == pytest.approx(theirs.probability, abs=1e-5)


def test_ten_crops_of_a_file_that_crops_itself_are_refused(model: Model, tmp_path: Path) -> None:
    onnx.save(build_model(model, GraphOptions("images")), tmp_path / "net.onnx")
    with pytest.raises(ConfigError, match="for ten crops, export the model with --input views"):
        Predictor(tmp_path / "net.onnx").stream([], crops=10)


def test_stages_with_nan_are_a_sentence(colours: Store) -> None:
    predictor = Predictor(damaged(tiny_model(colours)), placement=FP32)
    with pytest.raises(WeightsError, match="The network 'tiny' has NaN or infinity in relu1: its weights are damaged"):
        predictor.stages(colours.read(0), ["relu1", "fc2"])


def test_a_file_that_answers_nan_is_a_sentence(
    model: Model, photographs: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    broken = lively(model.net.spec)
    with torch.no_grad():
        broken.get_parameter("conv1.weight")[0] = float("nan")
    onnx.save(build_model(replace(model, net=broken), GraphOptions()), tmp_path / "net.onnx")
    with pytest.raises(WeightsError, match="'paper' answers NaN"):
        list(Predictor(tmp_path / "net.onnx").stream(photographs))


def test_a_file_has_no_stages_and_no_other_placement(model: Model, tmp_path: Path) -> None:
    onnx.save(build_model(model, GraphOptions()), tmp_path / "net.onnx")
    square = np.zeros((256, 256, 3), np.uint8)
    with pytest.raises(ConfigError, match="for a stage, take the model that it was made from"):
        Predictor(tmp_path / "net.onnx").stages(square, ["fc7"])
    with pytest.raises(ConfigError, match="run on the CPU in fp32"):
        Predictor(tmp_path / "net.onnx", placement=place("cpu", "bf16"))


def test_votes_are_of_each_view_and_average_to_the_answer(
    model: Model, photographs: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    onnx.save(build_model(model, GraphOptions("views")), tmp_path / "net.onnx")
    for predictor in (Predictor(model, placement=FP32), Predictor(tmp_path / "net.onnx")):
        squares = [predictor.read(content).pixels for name, content in photographs if name != "broken.png"]
        votes = predictor.votes(squares, 10)
        assert votes.shape == (4, 10, len(model.categories))
        np.testing.assert_allclose(votes.mean(1), predictor.answer(squares, 10), atol=1e-6)
        assert np.abs(votes - votes.mean(1, keepdims=True)).max() > 1e-4


def test_a_lesion_by_a_hook_or_another_forward_is_refused_and_not_ignored(colours: Store) -> None:
    lesioned = tiny_model(colours)
    handle = lesioned.net.conv1.register_forward_hook(lambda module, given, output: output * 0)
    for use in (Predictor, lambda model: extract(model, [], "relu2"), lambda model: evaluate(model, colours)):
        with pytest.raises(ConfigError, match=r"conv1 of 'tiny' has forward hooks"):
            use(lesioned)
    handle.remove()
    lesioned.net.conv1.forward = torch.zeros_like
    with pytest.raises(ConfigError, match=r"conv1 of 'tiny' was given another forward"):
        predict(lesioned, [])


def test_a_predictor_is_copied_pickled_and_sent_to_processes_after_use_too(colours: Store) -> None:
    predictor = Predictor(tiny_model(colours), placement=FP32)
    square = colours.read(0)
    expected = predictor.answer([square])
    assert np.array_equal(copy.deepcopy(predictor).answer([square]), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(predictor)).answer([square]), expected)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert np.allclose(pool.submit(predictor.answer, [square]).result(), expected, rtol=1e-5)
    assert np.array_equal(predictor.answer([square]), expected)


OUTSIDE = {
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "a default device": lambda: torch.device("meta"),
}


@pytest.mark.parametrize("outside", OUTSIDE)
@pytest.mark.parametrize("twin", [False, True])
def test_what_holds_outside_changes_no_answer(
    model: Model, colours: Store, tmp_path: Path, outside: str, twin: bool
) -> None:
    square, known = colours.read(0), tiny_model(colours)
    save_model(known, tmp_path / "model")
    prepared = replace(model.preparation, std=(58.4, 57.1, 57.4))
    models = [known, model, replace(model, preparation=prepared), tmp_path / "model"]

    def found(predictor: Predictor) -> list[NDArray[np.float32]]:
        first = predictor.description.spec.layers[0].name
        return [
            predictor.answer([square] * 3),
            predictor.answer([]),
            predictor.votes([square]),
            next(predictor.stages_of([square], [first]))[first],
            predictor.probabilities(square),
            predictor.views(square).inputs,
        ]

    with use_twin() if twin else nullcontext():
        for each in models:
            predictor = Predictor(each, placement=FP32)
            expected = found(predictor)
            with OUTSIDE[outside]():
                seen = found(predictor), found(Predictor(each, placement=FP32))
            for these in seen:
                assert all(np.array_equal(*pair) for pair in zip(these, expected, strict=True))


def test_routes_are_measured_in_their_own_numbers_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    types = []

    def route(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        types.append((torch.is_autocast_enabled("cpu"), x.device.type))
        return torch.nn.functional.linear(x, weight, bias)

    monkeypatch.setitem(routes.ROUTES["forward"], "torch", route)
    with torch.autocast("cpu", torch.bfloat16), torch.device("meta"):
        routes.routes_here(routes.Product("forward", 2, 3, 4, torch.float32))
    assert types == [(False, "cpu")]
