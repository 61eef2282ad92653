import pytest
import torch
from making import tiny_model

from alexnet.data.source import Category
from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.evaluation.answers import Answer, Prediction, ranked
from alexnet.evaluation.predictor import predict

CATEGORIES = tuple(Category(f"n{index}", name) for index, name in enumerate(("ash", "birch", "cedar")))


def test_answers_are_ranked_best_first_and_equal_ones_by_index() -> None:
    found = ranked(torch.tensor([0.25, 0.5, 0.25]), CATEGORIES, 9)
    assert found == (Answer("birch", "n1", 1, 0.5), Answer("ash", "n0", 0, 0.25), Answer("cedar", "n2", 2, 0.25))
    assert ranked(torch.tensor([0.25, 0.5, 0.25]), CATEGORIES, 1) == found[:1]


def test_an_empty_reason_is_still_an_error() -> None:
    assert Prediction("a", error="").to_json() == {"image": "a", "error": ""}


@pytest.mark.parametrize("top", [0, -1])
def test_less_than_one_answer_is_refused(colours: Store, top: int) -> None:
    with pytest.raises(ConfigError, match=f"top is the number of classes told, at least 1, not {top}"):
        predict(tiny_model(colours), [], top=top)
