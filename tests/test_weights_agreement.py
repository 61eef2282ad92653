from dataclasses import replace

import pytest
import torch
from onnx_making import lively, model_of, narrow

from alexnet.errors import WeightsError
from alexnet.model.variants import variant
from alexnet.weights.agreement import TOLERANCE, Agreement, agree, sample_photographs, views_of
from alexnet.weights.model_dir import Model

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model() -> Model:
    return model_of(lively(replace(narrow(variant("paper")), input_size=99)))


def test_the_sample_holds_extremes_and_no_picture_twice() -> None:
    for side in (32, 110, 256):
        pictures = sample_photographs(side)
        assert pictures.shape == (5, side, side, 3)
        assert len({picture.tobytes() for picture in pictures}) == 5
    assert (pictures.min(), pictures.max()) == (0, 255)


def test_the_same_answers_agree(model: Model) -> None:
    views = views_of(model, sample_photographs(256))
    sizes: list[int] = []

    def answer(batch: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        logits: torch.Tensor = model.net(batch)
        return logits

    found = agree(model, answer, views, views, "x")
    assert sizes == [1, 4]
    assert isinstance(found, Agreement)
    # matrix products may sum in another order for another number of rows
    assert found.difference <= 1e-5 * found.largest
    assert found.inputs == 5


def test_other_answers_are_refused(model: Model) -> None:
    views = views_of(model, sample_photographs(256))
    largest = float(model.net(views).detach().abs().max())
    for error, passes in ((0.5, True), (2.0, False), (float("nan"), False)):

        def answer(batch: torch.Tensor, error: float = error) -> torch.Tensor:
            logits: torch.Tensor = model.net(batch).clone()
            logits[-1, 0] += error * TOLERANCE * largest
            return logits

        if passes:
            agree(model, answer, views, views, "x")
        else:
            with pytest.raises(
                WeightsError, match=r"^x does not answer as the network does: logits differ by .* No file"
            ):
                agree(model, answer, views, views, "x")


@pytest.mark.parametrize("change", [{"convention": "printed"}, {"k": 1.9}, {"n": 3}, {"beta": 0.76}])
def test_a_misunderstood_normalisation_is_found(model: Model, change: dict[str, float]) -> None:
    other = lively(model.net.spec.with_norm(**change))
    other.load_state_dict(model.net.state_dict())
    views = views_of(model, sample_photographs(256))
    with pytest.raises(WeightsError, match="does not answer as the network does"):
        agree(model, other, views, views, "x")


def test_networks_of_other_channels_are_compared_too() -> None:
    grey = model_of(lively(replace(narrow(variant("paper", channels=1)), input_size=99)))
    views = views_of(grey, sample_photographs(256))
    assert views.shape == (5, 1, 99, 99)
    agree(grey, grey.net, views, views, "x")
