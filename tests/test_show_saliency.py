import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commanding import alexnet, refusal
from layouts import check_layout, texts
from making import damaged, tiny_model
from PIL import Image
from torch import Tensor

from alexnet.data.store import Store
from alexnet.errors import ConfigError, WeightsError
from alexnet.model.net import AlexNet
from alexnet.show.figures.saliency import figure
from alexnet.show.saliency import Heat, Saliency, gradcam, gradient, occlusion, saliency
from alexnet.weights.model_dir import Model, save_model


@pytest.fixture
def model(colours: Store, one_thread: None) -> Model:
    return tiny_model(colours)


def view(seed: int = 0) -> Tensor:
    return 50 * torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def plain(net: AlexNet, x: Tensor, category: int) -> tuple[Tensor, Tensor, Tensor]:
    """The logit, relu1 and x of the network stage by stage in float64, with their graph."""
    x = x.double().requires_grad_()
    stages = x
    for name in net.names:
        stages = stages.flatten(1) if name == "fc2" else stages
        stages = torch.nn.Module.__call__(net.double().get_submodule(name), stages)
        if name == "relu1":
            relu1 = stages
    return stages[0, category], relu1, x


def test_the_gradient_is_that_of_float64(model: Model) -> None:
    found = gradient(model.net, view(), 2)
    logit, _, x = plain(model.net, view(), 2)
    (expected,) = torch.autograd.grad(logit, x)
    assert torch.allclose(found.double(), expected[0].abs().amax(0), rtol=1e-4, atol=1e-7)


def test_the_gradient_is_the_change_that_a_small_step_makes(model: Model) -> None:
    found = gradient(model.net, view(), 1)
    row, column = divmod(int(found.argmax()), 32)
    net, steps = model.net.double(), []
    for channel in range(3):
        x = view().double()
        x[0, channel, row, column] += 1e-4
        with torch.no_grad():
            steps.append(float((net(x) - net(view().double()))[0, 1] / 1e-4))
    assert max(map(abs, steps)) == pytest.approx(float(found.max()), rel=1e-3)


def test_gradcam_weighs_maps_by_their_mean_gradient(model: Model) -> None:
    found = gradcam(model.net, view(), 3)
    logit, relu1, _ = plain(model.net, view(), 3)
    (slope,) = torch.autograd.grad(logit, relu1)
    expected = (slope.mean((2, 3))[0][:, None, None] * relu1[0]).sum(0)
    assert torch.allclose(found.double(), expected.detach(), rtol=1e-4, atol=1e-6)


class Sees(torch.nn.Module):
    """A network whose first class is the brightness of a few pixels."""

    def forward(self, x: Tensor) -> Tensor:
        bright = x[:, :, 20:24, 8:12].mean((1, 2, 3))
        return torch.stack([bright, torch.zeros_like(bright)], 1)


def test_occlusion_points_at_the_one_bright_square() -> None:
    x = torch.zeros(1, 3, 32, 32)
    x[:, :, 20:24, 8:12] = 4.0
    found = occlusion(Sees(), x, 0, window=8, stride=2)  # type: ignore[arg-type]
    row, column = divmod(int(found.argmax()), found.shape[1])
    assert found.shape == (17, 17)
    assert abs(2 * row - 22) <= 4 and abs(2 * column - 10) <= 4
    whole, hidden = torch.tensor([4.0, 0.0]).softmax(0)[0], 0.5
    assert float(found.max()) == pytest.approx(float(whole) - hidden)
    assert float(found[0, 16]) == 0


def test_a_class_is_found_by_name_or_the_first_answer_is_taken(model: Model, colours: Store) -> None:
    told = saliency(model, colours.read(0), "a", ["gradient"], category="coal")
    assert told.category == "Coal"
    first = saliency(model, colours.read(0), "a", ["gradient"])
    assert first.share >= told.share
    with pytest.raises(ConfigError, match="Unknown class 'cole'"):
        saliency(model, colours.read(0), "a", category="cole")
    with pytest.raises(ConfigError, match="Unknown method 'grad'; did you mean 'gradcam'"):
        saliency(model, colours.read(0), "a", ["grad"])
    with pytest.raises(ConfigError, match="The window is from 1 to 32 pixels"):
        saliency(model, colours.read(0), "a", window=33)


def test_a_key_goes_before_a_name_and_a_name_of_several_is_refused(model: Model, colours: Store) -> None:
    named = ("blue", "coal", "amber", "crane", "crane", "Fuchsia")
    classes = tuple(replace(each, name=name) for each, name in zip(model.categories, named, strict=True))
    model = replace(model, categories=classes)

    def shown(category: str | int) -> tuple[str, float]:
        found = saliency(model, colours.read(0), "a", ["gradient"], category=category)
        return found.category, found.share

    for index, told in enumerate((*named[:3], "crane (drab)", "crane (emerald)", "Fuchsia")):
        assert shown(index) == shown(classes[index].key) == (told, shown(index)[1])
    assert len({shown(index)[1] for index in range(6)}) == 6
    assert shown("Fuchsia") == shown(5) and shown("crane (emerald)") == shown(4)
    with pytest.raises(ConfigError, match="2 classes are named 'crane'; give the key of one: drab, emerald"):
        shown("crane")
    with pytest.raises(ConfigError, match="There is no class 6; the model's are 0 to 5"):
        shown(6)


def test_a_network_that_answers_nan_is_a_sentence(model: Model, colours: Store) -> None:
    with pytest.raises(WeightsError, match="The network 'tiny' answers NaN instead of probabilities"):
        saliency(damaged(model), colours.read(0), "a")


def test_the_model_is_left_as_it_was(model: Model, colours: Store) -> None:
    saliency(model, colours.read(0), "a")
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.net.parameters())


def test_a_method_that_finds_nothing_says_so() -> None:
    heats = (Heat("gradient", np.ones((8, 8))), Heat("gradcam", np.zeros((3, 3))), Heat("occlusion", np.zeros((5, 5))))
    square = np.zeros((64, 64, 3), np.uint8)
    drawn = figure(Saliency("paper", "x" * 300, square, (4, 4, 60, 60), "水仙 $x$", 0.5, 32, heats))
    check_layout(drawn)
    assert texts(drawn).count("Nothing speaks for this class here.") == 2


def test_the_command_draws_and_prints(model: Model, colours: Store, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model")
    Image.fromarray(colours.read(0)).save(tmp_path / "a.png")
    words = ("show", "saliency", tmp_path / "model", tmp_path / "a.png")
    told = json.loads(alexnet(*words, "--method", "gradcam,occlusion", "--json").stdout)
    assert [each["method"] for each in told["methods"]] == ["gradcam", "occlusion"]
    assert told["box"] == [112, 112, 144, 144]
    assert alexnet(*words, "-o", tmp_path / "s.png").stdout == f"Picture  {tmp_path / 's.png'}\n"
    assert "cannot be read" in refusal("show", "saliency", tmp_path / "model", tmp_path / "none.png")[1]
