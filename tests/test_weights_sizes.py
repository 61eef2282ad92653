from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from making import tiny_model, tiny_spec
from torch import nn

from alexnet.data.statistics import InputStatistics
from alexnet.data.store import Store
from alexnet.model.variants import variant
from alexnet.weights.model_dir import Model
from alexnet.weights.pytorch.torchvision import MEAN, STD, import_torchvision, plain_network
from alexnet.weights.sizes import at_size

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    """torchvision's network from PyTorch's own layers, with weights that bring every layer to life."""
    net, generator = plain_network(5), torch.Generator().manual_seed(0)
    for parameter in net.parameters():
        fan = parameter[0].numel()
        parameter.data.normal_(0, (2 / fan) ** 0.5 if fan > 1 else 0.1, generator=generator)
    return net.eval()


@pytest.fixture(scope="module")
def imported(theirs: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("weights") / "net.pth"
    torch.save(theirs.state_dict(), path)
    return import_torchvision(path)


@pytest.mark.parametrize("size", [64, 97, 130, 224, 289])
def test_torchvisions_network_answers_at_any_size_as_torchvisions_own(
    theirs: nn.Module, imported: Model, size: int
) -> None:
    """Its last maps have sides of 1, 2, 3, 6 and 8 here, and the average of 6 × 6 positions is theirs."""
    found = at_size(imported, replace(variant("owt"), input_size=size), 256)
    images = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = theirs(images)
        assert expected.std() > 0.1, "the answers differ"
        torch.testing.assert_close(found.net(images), expected, rtol=1e-4, atol=1e-4)
    assert found.net.spec.input_size == size


def test_what_was_folded_is_said_and_the_same_size_is_left_alone(imported: Model) -> None:
    said = at_size(imported, replace(variant("owt"), input_size=64), 256).provenance["conversions"]
    assert said[-1] == "torchvision's averaging of the last maps folded into fc6, for views of 64 pixels"
    assert at_size(imported, variant("owt"), 256) is imported


def test_one_colour_is_the_same_mean_at_any_side(imported: Model) -> None:
    found = at_size(imported, variant("owt"), 72)
    assert found.statistics.mean_image.shape == (72, 72, 3)
    assert (found.statistics.mean_image == np.float32(MEAN)).all()
    assert found.preparation == replace(imported.preparation, side=72) and found.preparation.std == STD


def test_a_mean_image_and_other_networks_are_left_as_they_are(colours: Store) -> None:
    model = tiny_model(colours)
    assert at_size(model, tiny_spec(), 72) is model
    image = np.linspace(0, 255, 256 * 256 * 3).reshape(256, 256, 3)
    model = replace(model, statistics=InputStatistics.of_mean(image))
    assert at_size(model, replace(tiny_spec(), input_size=48), 72) is model


def test_a_network_made_at_another_size_than_torchvisions_keeps_its_own_average(colours: Store, tmp_path: Path) -> None:
    """Of one position at 64 pixels: at 97, whose maps have four, each is worth a quarter."""
    small = replace(variant("owt", classes=3), input_size=64)
    model = tiny_model(colours, spec=small)
    found = at_size(model, replace(small, input_size=97), 256)
    weight, before = (each.net.get_parameter("fc6.weight") for each in (found, model))
    torch.testing.assert_close(weight, before.repeat_interleave(4, dim=1) / 4)
