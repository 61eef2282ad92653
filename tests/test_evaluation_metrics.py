import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from alexnet.errors import DataError
from alexnet.evaluation.metrics import Tally


def naive(probabilities: list[list[float]], labels: list[int], classes: int) -> dict[str, object]:
    """Errors by sorting every answer, ties to the lower index."""
    wrong1 = wrong5 = 0
    loss = 0.0
    confusion = [[0] * classes for _ in range(classes)]
    for answer, label in zip(probabilities, labels, strict=True):
        ranked = sorted(range(classes), key=lambda index: (-answer[index], index))
        wrong1 += ranked[0] != label
        wrong5 += label not in ranked[:5]
        loss -= math.log(answer[label])
        confusion[label][ranked[0]] += 1
    return {"top1": wrong1, "top5": wrong5, "loss": loss / len(labels), "confusion": confusion}


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[list[float]], list[int], int]:
    """Some photographs' probabilities among few different values, so that ties are many; labels; classes."""
    classes = draw(st.integers(1, 9))
    count = draw(st.integers(1, 12))
    weights = draw(
        st.lists(st.lists(st.integers(1, 4), min_size=classes, max_size=classes), min_size=count, max_size=count)
    )
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count))
    return [[weight / sum(row) for weight in row] for row in weights], labels, classes


def tallied(probabilities: list[list[float]] | Tensor, labels: list[int], classes: int, *, batch: int = 100) -> Tally:
    tally = Tally(classes)
    rows, truth = torch.as_tensor(probabilities, dtype=torch.float64), torch.tensor(labels)
    for part, targets in zip(rows.split(batch), truth.split(batch), strict=True):
        tally.add(part, targets)
    return tally


@settings(deadline=None)
@given(answers())
def test_counts_are_those_of_sorting_every_answer(case: tuple[list[list[float]], list[int], int]) -> None:
    _, labels, _ = case
    tally, expected = tallied(*case), naive(*case)
    assert (tally.top1_wrong, tally.top5_wrong) == (expected["top1"], expected["top5"])
    assert tally.confusion.tolist() == expected["confusion"]
    # sums of a dozen float64 in another order
    assert tally.loss == pytest.approx(expected["loss"], rel=1e-12, abs=1e-12)
    assert tally.images == len(labels)
    assert tally.top1_error == expected["top1"] / len(labels)


@settings(deadline=None)
@given(answers(), st.integers(1, 13))
def test_counts_do_not_depend_on_batches(case: tuple[list[list[float]], list[int], int], batch: int) -> None:
    whole, parts = tallied(*case), tallied(*case, batch=batch)
    assert torch.equal(whole.confusion, parts.confusion)
    assert (whole.top1_wrong, whole.top5_wrong) == (parts.top1_wrong, parts.top5_wrong)


@settings(deadline=None)
@given(answers())
def test_top1_error_and_confusion_tell_the_same(case: tuple[list[list[float]], list[int], int]) -> None:
    tally = tallied(*case)
    assert tally.top1_wrong == tally.images - int(tally.confusion.trace())
    assert tally.top5_wrong <= tally.top1_wrong


def test_a_constant_answer_is_right_for_one_class_only() -> None:
    tally = tallied([[0.1] * 10] * 10, list(range(10)), 10)
    assert tally.top1_error == 0.9
    assert tally.top5_error == 0.5


def test_with_up_to_five_classes_the_top5_error_is_zero() -> None:
    assert tallied([[0.1, 0.2, 0.3, 0.25, 0.15]] * 5, [0, 1, 2, 3, 4], 5).top5_error == 0
    assert tallied([[0.1, 0.2, 0.3, 0.2, 0.15, 0.05]], [5], 6).top5_error == 1


def test_errors_of_classes_are_shares_of_their_own_photographs() -> None:
    probabilities = torch.eye(3)[[0, 0, 1, 2]]
    tally = tallied(probabilities, [0, 1, 1, 1], 3)
    assert tally.class_errors() == [0.0, pytest.approx(2 / 3), None]


def test_an_impossible_true_class_costs_much_but_not_infinity() -> None:
    tally = tallied(torch.tensor([[1.0, 0.0]]), [1], 2)
    assert 600 < tally.loss < 700


def test_nothing_counted_is_a_sentence() -> None:
    with pytest.raises(DataError, match="no photograph to count"):
        _ = Tally(3).top1_error


def test_json_holds_counts_and_errors_from_0_to_1() -> None:
    tally = tallied(torch.eye(3)[[0, 1, 1, 0]], [0, 1, 0, 0], 3)
    plain = json.loads(json.dumps(tally.to_json(), allow_nan=False))
    assert plain["images"] == 4
    assert plain["top1_error"] == 0.25
    assert plain["top5_error"] == 0
    assert plain["confusion"] == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert plain["class_errors"] == [pytest.approx(1 / 3), 0.0, None]
    assert set(plain) == {
        "images", "top1_error", "top5_error", "loss", "balanced_error", "class_errors", "class_scores", "confusion"
    }  # fmt: skip


def test_answers_among_the_classes_present_leave_the_others_out() -> None:
    probabilities = torch.tensor([[0.5, 0.2, 0.1, 0.2], [0.1, 0.3, 0.2, 0.4]])
    tally = Tally(4, present=[1, 3])
    tally.add(probabilities, torch.tensor([1, 3]))
    assert tally.top1_wrong == 1  # the first answer to the first is class 0
    assert tally.among is not None
    assert tally.among.confusion.tolist() == [[1, 0], [0, 1]]  # of classes 1 and 3; a tie goes to the lower
    # -ln(0.2 / 0.4) and -ln(0.4 / 0.7), averaged
    assert tally.among.loss == pytest.approx((0.693147 + 0.559616) / 2, rel=1e-5)
    assert tally.to_json()["among_present"] == tally.among.to_json()
    assert Tally(4, present=range(4)).among is None


def test_precision_recall_f1_and_the_balanced_error_of_an_uneven_set_by_hand() -> None:
    tally = Tally(4)
    # true class, first answer: 6 of class 0 (4 right), 2 of class 1 (1 right), none of 2 and 3; 3 is never answered
    for true, answer in [(0, 0)] * 4 + [(0, 1)] * 2 + [(1, 1), (1, 2)]:
        tally.add(torch.eye(4)[[answer]], torch.tensor([true]))
    scores = tally.class_scores()
    assert scores[0] == {"precision": 1.0, "recall": 4 / 6, "f1": 8 / 10}
    assert scores[1] == {"precision": 1 / 3, "recall": 1 / 2, "f1": 2 / 5}
    assert scores[2] == {"precision": 0.0, "recall": None, "f1": 0.0}
    assert scores[3] == {"precision": None, "recall": None, "f1": None}
    assert tally.top1_error == 3 / 8
    assert tally.balanced_error == pytest.approx((2 / 6 + 1 / 2) / 2)
