from dataclasses import replace

from alexnet.model.compare import differences, first_difference, functional
from alexnet.model.spec import Conv
from alexnet.model.variants import CAFFENET, ORIGINAL2012, OWT, PAPER, variant


def test_a_network_does_not_differ_from_itself() -> None:
    assert differences(PAPER, replace(PAPER, name="other")) == []


def test_only_the_facts_that_differ_are_told() -> None:
    other = PAPER.mapped(lambda layer: replace(layer, std=0.03) if isinstance(layer, Conv) else layer)
    found = differences(PAPER, other)
    assert [each.layer for each in found] == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    assert [(each.one, each.other) for each in found] == [({"std": 0.01}, {"std": 0.03})] * 5


def test_a_layer_at_another_place_goes_and_comes() -> None:
    moved = [each for each in differences(PAPER, CAFFENET) if each.layer == "pool1"]
    assert [each.one and each.one["after"] for each in moved] == [None, "norm1"]
    assert [each.other and each.other["after"] for each in moved] == ["relu1", None]


def test_a_layer_that_one_network_lacks_is_told_whole() -> None:
    (spatial,) = (each for each in differences(PAPER, ORIGINAL2012) if each.layer == "spatial2")
    assert spatial.one is None
    assert spatial.other == {
        "after": "norm2", "kind": "spatial norm", "size": 5, "k": 1.0, "alpha": 1e-3, "beta": 0.75,
    }  # fmt: skip


def test_numbers_that_a_start_does_not_use_are_left_out() -> None:
    conv1 = differences(PAPER, OWT)[0]
    assert conv1.one is not None and conv1.other is not None
    assert {"std", "bias"} <= {*conv1.one}
    assert not {"std", "bias"} & {*conv1.other}


def test_the_first_layer_that_differs_is_told_in_words() -> None:
    assert first_difference(PAPER.layers, PAPER.layers) == ""
    assert first_difference(PAPER.layers, PAPER.layers[:-1]) == "it has fc8 (fc) where nothing should be"
    assert first_difference(PAPER.layers[:-1], PAPER.layers) == "it has nothing where fc8 (fc) should be"
    assert first_difference(PAPER.layers, PAPER.with_norm(k=1.0).layers) == "k of norm1 is 2.0, not 1.0"
    assert functional(variant("paper", dropout=0.1, start="fan")) == functional(PAPER) != functional(CAFFENET)


def test_padding_is_what_the_rule_comes_to() -> None:
    # at 227 pixels the rule of the paper's network adds nothing, as the rule of Caffe's
    at_227 = differences(variant("paper", input_size=227), CAFFENET)
    assert at_227[0].layer != "conv1"
    assert differences(PAPER, CAFFENET)[0].one == {"padding": (0, 3)}
