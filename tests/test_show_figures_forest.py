import pytest
from layouts import check_layout, texts

from alexnet.show.figures.forest import figure
from alexnet.show.forest import Branch, Forest

BRANCHES = [
    Branch("normalisation", -0.3, -0.9, 0.3, 5, -1.4),
    Branch("A name that is far too long for the room that a row has here", 12.0, None, None, 1),
    Branch("dropout", -9.5, -10.25, -8.75, 5),
]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_no_label_covers_another(count: int) -> None:
    check_layout(figure(Forest("Effects", "Squares are means. " * 6, "points", BRANCHES[:count])))


def test_a_row_has_its_interval_its_mean_and_the_other_number() -> None:
    drawn = figure(Forest("Effects", "", "points", BRANCHES))
    assert "-0.3 [-0.9, +0.3] (n = 5)" in texts(drawn) and "+12.0 (n = 1)" in texts(drawn)
    lines = [line for axes in drawn.axes for line in axes.lines]
    assert [-0.9, 0.3] in [list(line.get_xdata()) for line in lines]
    hollow = [line for line in lines if line.get_markerfacecolor() == "none"]
    assert [list(line.get_xdata()) for line in hollow] == [[-1.4]]


def test_the_numbers_are_plain_types() -> None:
    told = Forest("Effects", "", "points", BRANCHES[:1]).to_json()
    assert told["branches"][0] == {
        "label": "normalisation", "mean": -0.3, "low": -0.9, "high": 0.3, "n": 5, "other": -1.4,
    }  # fmt: skip
