import numpy as np
import pytest
from layouts import check_layout, texts
from naming import names

from alexnet.evaluation.answers import Answer
from alexnet.show.figures import errors as drawn_errors
from alexnet.show.figures import predictions as drawn_predictions
from alexnet.show.predictions import Answered, Errors, Predictions

SQUARE = np.full((64, 64, 3), 90, np.uint8)


def entry(classes: tuple[str, ...], number: int, known: bool = True) -> Answered:
    count = min(5, len(classes))
    shares = [0.9, 0.07, 0.02, 0.004, 0.001]
    answers = tuple(
        Answer(classes[(number + place) % len(classes)], "", (number + place) % len(classes), shares[place])
        for place in range(count)
    )
    true = answers[1] if number % 2 else Answer(classes[number % len(classes)], "", number % len(classes), 0.9)
    return Answered(f"a/very/long/path/{number}" * 4 + "水.jpg", SQUARE, answers, true if known else None)


@pytest.mark.parametrize("classes", [2, 10, 17, 101, 1000])
@pytest.mark.parametrize("count", [1, 9])
def test_nothing_overlaps_for_any_classes_and_names(classes: int, count: int) -> None:
    entries = tuple(entry(names(classes), number) for number in range(count))
    check_layout(drawn_predictions.figure(Predictions("paper", "some", entries)))
    check_layout(drawn_errors.figure(Errors("paper", "some", 50, count, entries)))


def test_photographs_without_classes_have_the_names_of_their_files() -> None:
    figure = drawn_predictions.figure(Predictions("paper", "one photograph", (entry(names(10), 0, known=False),)))
    check_layout(figure)
    assert any(text.startswith("a/very/long") and text.endswith("…") for text in texts(figure))


def test_the_class_is_marked_by_more_than_its_colour() -> None:
    figure = drawn_predictions.figure(Predictions("paper", "some", (entry(("a", "b", "c", "d", "e"), 1),)))
    assert "✓ c" in texts(figure)


def test_no_mistake_at_all_is_said() -> None:
    figure = drawn_errors.figure(Errors("paper", "some", 50, 0, ()))
    check_layout(figure)
    assert "None of 50 photographs is answered wrongly, so there is nothing to show." in " ".join(texts(figure))


def test_dollars_are_dollars() -> None:
    figure = drawn_predictions.figure(Predictions("paper", "some", (entry(("$5 to $9", r"a$\foo$"), 0),)))
    assert "✓ $5 to $9" in texts(figure)
    check_layout(figure)  # drawing it as mathematics would fail


def test_what_tells_classes_of_one_name_apart_is_not_cut_off() -> None:
    crane, other = (Answer(f"crane (n0201284{end})", f"n0201284{end}", end, 0.9 - 0.1 * end) for end in (1, 2))
    mistake = Answered("x.jpg", SQUARE, (crane, other), other)
    figure = drawn_errors.figure(Errors("paper", "some", 50, 1, (mistake,)))
    assert {"said c… (n02012841)", "is cr… (n02012842)"} <= set(texts(figure))
    check_layout(figure)
