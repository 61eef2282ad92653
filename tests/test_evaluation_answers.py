import torch

from alexnet.data.source import Category
from alexnet.evaluation.answers import Answer, Prediction, ranked

CATEGORIES = tuple(Category(f"n{index}", name) for index, name in enumerate(("ash", "birch", "cedar")))


def test_answers_are_ranked_best_first_and_equal_ones_by_index() -> None:
    found = ranked(torch.tensor([0.25, 0.5, 0.25]), CATEGORIES, 9)
    assert found == (Answer("birch", "n1", 1, 0.5), Answer("ash", "n0", 0, 0.25), Answer("cedar", "n2", 2, 0.25))
    assert ranked(torch.tensor([0.25, 0.5, 0.25]), CATEGORIES, 1) == found[:1]


def test_an_empty_reason_is_still_an_error() -> None:
    assert Prediction("a", error="").to_json() == {"image": "a", "error": ""}
