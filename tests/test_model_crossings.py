from dataclasses import replace

import pytest

from alexnet.errors import ConfigError
from alexnet.model.crossings import Crossing, crossings, shares, with_crossings
from alexnet.model.spec import Conv
from alexnet.model.variants import variant


def test_the_crossings_of_the_paper_are_those_counted_by_hand() -> None:
    assert crossings(variant("paper")) == {
        "norm1": Crossing(2 * 55 * 55, 2 * 55 * 55),  # windows of 5 reach 2 maps over the border
        "norm2": Crossing(2 * 27 * 27, 2 * 27 * 27),
        "conv3": Crossing(128 * 13 * 13, 128 * 13 * 13),
        "fc6": Crossing(9216 // 2, 9216 // 2),
        "fc7": Crossing(2048, 2048),
        "fc8": Crossing(2048, 2048),
        "logits": Crossing(500, 0),  # each tower computes the whole loss
    }
    assert not {"norm1", "norm2"} & crossings(variant("original2012")).keys()


def test_a_norm_after_the_pool_crosses_with_the_pooled_maps() -> None:
    assert crossings(variant("caffenet"))["norm1"] == Crossing(2 * 27 * 27, 2 * 27 * 27)


def test_moving_the_crossings_changes_the_groups_and_nothing_else() -> None:
    paper = variant("paper")
    assert with_crossings(paper, ("conv3",)) == paper
    moved = with_crossings(paper, ("conv4",))
    assert [layer.groups for layer in moved.layers if isinstance(layer, Conv)] == [1, 2, 2, 1, 2]
    assert "conv4" in crossings(moved) and "conv3" not in crossings(moved)
    for name in ("conv1", "fc6", "conv9"):
        with pytest.raises(ConfigError, match=f"'{name}' cannot cross in 'paper': only its convolutions after conv1"):
            with_crossings(paper, (name,))


def test_a_tower_more_has_the_odd_unit() -> None:
    assert shares(17) == (9, 8) and shares(1000) == (500, 500)


def test_a_network_of_one_class_cannot_be_halved() -> None:
    with pytest.raises(ConfigError, match="cannot stand in two towers"):
        crossings(replace(variant("paper"), classes=1))
