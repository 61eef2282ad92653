import pytest
from layouts import check_layout, texts

from alexnet.show.figures.forest import figure
from alexnet.show.forest import Branch, Forest, Panel

BRANCHES = [
    Branch("normalisation", -0.3, -0.9, 0.3, 5, -1.4),
    Branch("A name that is far too long for the room that a row has here, and goes on", 12.0, None, None, 1),
    Branch("dropout", -9.5, -10.25, -8.75, 5),
]
RATIOS = [Branch("ReLU", 2.0, 1.5, 2.7, 3, 6.0, "at least"), Branch("tanh", 0.5, None, None, 1, None, "at most")]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_no_label_covers_another(count: int) -> None:
    panels = [Panel("points", BRANCHES[:count]), Panel("times", RATIOS[:count], 1.0)]
    check_layout(figure(Forest("Effects", "Squares are means. " * 6, panels)))


def test_a_row_has_its_interval_its_mean_and_the_other_number() -> None:
    drawn = figure(Forest("Effects", "", [Panel("points", BRANCHES)]))
    assert "−0.3 [−0.9, +0.3] (n = 5)" in texts(drawn) and "+12.0 (n = 1)" in texts(drawn)
    lines = [line for axes in drawn.axes for line in axes.lines]
    assert [-0.9, 0.3] in [list(line.get_xdata()) for line in lines]
    hollow = [line for line in lines if line.get_markerfacecolor() == "none"]
    assert [list(line.get_xdata()) for line in hollow] == [[-1.4]]


def test_what_rounds_to_0_has_no_minus() -> None:
    drawn = figure(Forest("Effects", "", [Panel("points", [Branch("normalisation", -0.12, -0.23, -0.01, 5)])]))
    assert "−0.1 [−0.2, +0.0] (n = 5)" in texts(drawn)


def test_ratios_are_on_a_logarithmic_scale_and_bounds_point_where_the_true_one_lies() -> None:
    drawn = figure(Forest("Effects", "", [Panel("times", RATIOS, 1.0)]))
    assert "≥ 2.00 [1.50, 2.70] (n = 3)" in texts(drawn) and "≤ 0.50 (n = 1)" in texts(drawn)
    (axes,) = (axes for axes in drawn.axes if axes.get_xscale() == "log")
    assert [line.get_marker() for line in axes.lines if line.get_marker() in "<>s"] == [">", "<"]
    assert next(list(line.get_xdata()) for line in axes.lines) == [1.0, 1.0]


def test_points_and_tens_of_points_are_both_to_be_seen() -> None:
    wide = [*BRANCHES, Branch("crops", -28.6, None, None, 1), Branch("decay", -0.3, None, None, 1)]
    drawn = figure(Forest("Effects", "", [Panel("points", wide), Panel("even", BRANCHES[:1])]))
    first, second = (axes for axes in drawn.axes if axes.lines)
    assert (first.get_xscale(), second.get_xscale()) == ("symlog", "linear")
    assert "points; logarithmic beyond ±2" in texts(drawn) and "even" in texts(drawn)
    low, high = first.get_xlim()
    assert low < -28.6 and high > 12 and [tick for tick in first.get_xticks() if tick > 0] == [1, 2, 5, 10]
    check_layout(drawn)


def test_the_numbers_are_plain_types() -> None:
    told = Forest("Effects", "", [Panel("points", BRANCHES[:1])]).to_json()
    assert told["panels"][0]["unit"] == "points" and told["panels"][0]["branches"][0]["low"] == -0.9
