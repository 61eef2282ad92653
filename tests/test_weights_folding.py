from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from making import tiny_model, tiny_spec

from alexnet.data.augment import fixed_views, view_means
from alexnet.data.loader import view_batch
from alexnet.data.preparation import Preparation
from alexnet.data.statistics import InputStatistics
from alexnet.data.store import Store
from alexnet.errors import WeightsError
from alexnet.model.net import AlexNet
from alexnet.model.spec import Linear, Scale
from alexnet.weights.folding import fold, folded
from alexnet.weights.model_dir import Model

pytestmark = pytest.mark.usefixtures("one_thread")

STD, MEAN = (58.395, 57.12, 57.375), (123.675, 116.28, 103.53)
PREPARATIONS = [
    Preparation(std=STD),
    Preparation(channels="BGR", mean_at="crop"),
    Preparation(channels="BGR", std=STD),
]


def foreign(store: Store, preparation: Preparation, spec=None) -> Model:  # type: ignore[no-untyped-def]
    """A model whose first layer has learned from what `preparation` makes of photographs."""
    model = tiny_model(store, seed=3, spec=spec)
    conv = next(module for module in model.net.children() if isinstance(module, torch.nn.Conv2d))
    gain = 20.0 if preparation.std else 1.0
    conv.weight.data *= torch.linspace(0.3, gain, 3)[:, None, None]  # colours that are not alike
    return replace(model, preparation=preparation, statistics=InputStatistics.of_mean(MEAN))


def seen(model: Model, photographs: list[np.ndarray]) -> torch.Tensor:
    """What the network takes in, by the code that predicts."""
    views = fixed_views(model.net.spec.input_size, 256, 10)
    mean = view_means(model.statistics, model.net.spec.input_size, views, model.preparation)
    return view_batch(photographs, views, mean, preparation=model.preparation)


@pytest.mark.parametrize("preparation", PREPARATIONS, ids=str)
def test_the_answers_stay_what_they_are(colours: Store, preparation: Preparation) -> None:
    model = foreign(colours, preparation)
    photographs = [colours.read(position) for position in range(6)]
    found = folded(model)
    assert (found.preparation.std, found.preparation.channels) == (None, "RGB")
    assert found.preparation.resizing == preparation.resizing
    with torch.inference_mode():
        expected = model.net(seen(model, photographs)).softmax(1)
        answers = found.net(seen(found, photographs)).softmax(1)
    assert expected.std(0).max() > 0.01, "the photographs' answers differ"
    torch.testing.assert_close(answers, expected, rtol=0, atol=2e-5)  # fp32 sums of terms up to 255 · weight


@pytest.mark.parametrize("preparation", PREPARATIONS, ids=str)
def test_in_float64_nothing_is_lost(colours: Store, preparation: Preparation) -> None:
    model = foreign(colours, preparation)
    raw = torch.rand(8, 3, 32, 32, dtype=torch.float64) * 255 - torch.tensor(MEAN).double()[:, None, None]
    theirs = raw / torch.tensor(preparation.std or (1, 1, 1), dtype=torch.float64)[:, None, None]
    if preparation.channels == "BGR":
        theirs = theirs.flip(1)
    net, other = deepcopy(model.net).double(), deepcopy(model.net).double()
    other.conv1.weight.data = fold(model.net.conv1.weight, preparation)
    with torch.inference_mode():
        expected, answers = net(theirs), other(raw)
    assert expected.softmax(1).std(0).max() > 0.01, "the photographs' answers differ"
    torch.testing.assert_close(answers.softmax(1), expected.softmax(1), rtol=0, atol=1e-9)


def test_what_was_done_is_said_and_the_model_given_is_left_alone(colours: Store) -> None:
    model = foreign(colours, Preparation(channels="BGR", std=STD))
    before = model.net.conv1.weight.clone()
    found = folded(model)
    assert torch.equal(model.net.conv1.weight, before)
    assert found.provenance["conversions"] == [
        "the division by standard deviations and the order BGR folded into conv1, for RGB from 0 to 255"
    ]
    assert found.statistics is model.statistics
    assert all(torch.equal(found.net.state_dict()[name], tensor) for name, tensor in model.net.state_dict().items()
               if name != "conv1.weight")  # fmt: skip


def test_a_model_of_plain_photographs_is_returned_itself(colours: Store) -> None:
    model = tiny_model(colours)
    assert folded(model) is model


def test_a_scale_before_the_convolution_changes_nothing(colours: Store) -> None:
    spec = tiny_spec()
    scaled = replace(spec, layers=(Scale("scale", 1 / 255), *spec.layers))
    model = foreign(colours, Preparation(std=STD), scaled)
    photographs = [colours.read(0)]
    with torch.inference_mode():
        expected, answers = model.net(seen(model, photographs)), folded(model).net(seen(folded(model), photographs))
    torch.testing.assert_close(answers, expected, rtol=1e-5, atol=1e-6)


def test_a_network_that_begins_otherwise_is_refused(colours: Store) -> None:
    spec = replace(tiny_spec(), layers=(Linear("fc1", None),))
    model = Model(AlexNet(spec), colours.classes, colours.statistics, {}, Preparation(channels="BGR"))
    with pytest.raises(WeightsError, match=r"takes BGR on the scale 0-255, which only a convolution"):
        folded(model)
