from layouts import check_layout, texts

from alexnet.show.bundles import Bundle, Bundles
from alexnet.show.figures.bundles import figure

RELU = Bundle("relu", [[(0.1, 60.0), (0.3, 40.0), (0.5, 20.0)], [(0.1, 70.0), (0.3, 50.0)]])
TANH = Bundle("tanh", [[(0.1, 60.0), (0.3, 50.0), (0.5, 49.0)]])
BUNDLES = Bundles("Training error", "Thin: a seed.", [("fan-in", [RELU, TANH]), ("published", [TANH])], [25.0])


def test_the_mean_goes_as_far_as_all_runs() -> None:
    assert RELU.mean() == [(0.1, 65.0), (0.3, 45.0)] and Bundle("none", []).mean() == []


def test_no_label_covers_another() -> None:
    check_layout(figure(BUNDLES))
    check_layout(figure(Bundles("Nothing", "", [("empty", [Bundle("none", [])])])))


def test_seeds_are_thin_and_means_thick_over_the_levels() -> None:
    drawn = figure(BUNDLES)
    widths = [line.get_linewidth() for line in drawn.axes[1].lines]
    assert widths == [0.7, 0.6, 0.6, 2.0, 0.6, 2.0]
    assert {"fan-in", "published", "relu", "tanh", "epoch"} <= set(texts(drawn))


def test_the_numbers_are_plain_types() -> None:
    told = BUNDLES.to_json()
    assert told["panels"][1]["bundles"][0] == {"name": "tanh", "runs": [[(0.1, 60.0), (0.3, 50.0), (0.5, 49.0)]]}
