"""Options on any variant: what each changes, what it leaves, and what it refuses."""

import pytest
import torch

from alexnet.errors import ConfigError
from alexnet.model.account import account
from alexnet.model.net import AlexNet
from alexnet.model.options import OPTIONS, with_options
from alexnet.model.spec import Activation, BatchNorm, Conv, Dropout, Linear, MaxPool, ResponseNorm, Spec
from alexnet.model.variants import CAFFENET, ORIGINAL2012, OWT, PAPER, VARIANTS, variant

OTHERS = {
    "classes": 19,
    "input_size": 231,
    "channels": 1,
    "activation": "tanh",
    "norm": False,
    "pooling": "plain",
    "groups": 4,
    "batch_norm": True,
    "dropout": 0.25,
}


def kinds(spec: Spec, kind: type) -> list:
    return [layer for layer in spec.layers if isinstance(layer, kind)]


def test_every_option_is_tried_here() -> None:
    assert {*OTHERS} == {*OPTIONS}


@pytest.mark.parametrize("name", VARIANTS)
def test_any_variant_takes_all_options_at_once(name: str) -> None:
    spec = variant(name, **OTHERS)
    with torch.device("meta"):
        net = AlexNet(spec).eval()
        assert net(torch.empty(2, 1, 231, 231)).shape == (2, 19)
    assert not kinds(spec, ResponseNorm)
    assert {layer.function for layer in kinds(spec, Activation)} == {"tanh"}
    assert {(layer.kernel, layer.stride) for layer in kinds(spec, MaxPool)} == {(2, 2)}
    assert {layer.rate for layer in kinds(spec, Dropout)} == {0.25}
    assert [layer.groups for layer in kinds(spec, Conv)] == [1, 4, 1, 4, 4]
    assert [layer.name for layer in kinds(spec, BatchNorm)] == ["bn1", "bn2", "bn3", "bn4", "bn5"]


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_left_out_changes_nothing_and_given_twice_no_more_than_once(name: str, option: str) -> None:
    spec = VARIANTS[name]
    assert with_options(spec, **dict.fromkeys(OPTIONS)) == spec
    once = with_options(spec, **{option: OTHERS[option]})
    assert with_options(once, **{option: OTHERS[option]}) == once
    assert once != spec or (name, option) == ("owt", "norm")


def test_a_network_of_other_layers_says_so_in_its_name() -> None:
    named = {option: variant("original2012", **{option: value}).name for option, value in OTHERS.items()}
    assert named == {
        "classes": "original2012",
        "input_size": "original2012",
        "channels": "original2012",
        "dropout": "original2012",
        "activation": "original2012+tanh",
        "norm": "original2012+no-norm",
        "pooling": "original2012+plain-pooling",
        "groups": "original2012+groups4",
        "batch_norm": "original2012+batch-norm",
    }
    assert variant("paper", activation="relu", norm=True, pooling="overlapping", groups=2, batch_norm=False) == PAPER


def test_plain_pooling_keeps_the_sizes_of_maps() -> None:
    """Section 3.4 compares with pooling that "produces output of equivalent dimensions"."""
    for spec in VARIANTS.values():
        plain = with_options(spec, pooling="plain")
        assert [row.output for row in account(plain).rows] == [row.output for row in account(spec).rows], spec.name


def test_without_groups_the_paper_network_is_the_ungrouped_one() -> None:
    assert account(variant("paper", groups=1)).total("parameters") == 62_378_344
    assert account(variant("ungrouped", groups=2)).total("parameters") == 60_965_224


def test_groups_are_the_towers_of_lrn_where_lrn_has_towers() -> None:
    assert {layer.towers for layer in kinds(with_options(ORIGINAL2012, groups=1), ResponseNorm)} == {1}
    assert {layer.towers for layer in kinds(with_options(CAFFENET, groups=4), ResponseNorm)} == {1}


def test_batch_normalisation_stands_between_a_convolution_and_what_follows() -> None:
    names = [layer.name for layer in with_options(ORIGINAL2012, batch_norm=True).layers]
    assert names[:7] == ["conv1", "bn1", "norm1", "pool1", "relu1", "conv2", "bn2"]
    bare = with_options(variant("paper", batch_norm=True), batch_norm=False)
    assert bare.layers == PAPER.layers
    added = account(variant("paper", batch_norm=True)).total("parameters") - account(PAPER).total("parameters")
    assert added == 2 * (96 + 256 + 384 + 384 + 256), "biases of the convolutions stay"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"activation": "rleu"}, "Unknown activation 'rleu'; did you mean 'relu'"),
        ({"pooling": "average"}, "Unknown pooling 'average'; did you mean 'overlapping'"),
        ({"batchnorm": True}, "Unknown option of a network 'batchnorm'; did you mean 'batch_norm'"),
        ({"groups": 0}, "groups must be at least 1, not 0"),
        ({"groups": 5}, r"conv2 of 'owt\+groups5': 64 input channels do not divide into 5 groups"),
        ({"dropout": 1.0}, "dropout rate must be from 0 to below 1, not 1.0"),
        ({"norm": True}, "'owt' has no response normalisation to keep"),
        ({"classes": 0}, "classes is 0, expected a number from 1 to"),
        ({"input_size": 62}, "62 pixels is too small for 'owt'.* smallest input that works is 63 pixels"),
    ],
)
def test_what_does_not_fit_is_a_sentence(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        with_options(OWT, **given)


def test_an_option_that_a_network_has_no_place_for_changes_nothing_in_it() -> None:
    bare = Spec("bare", (Linear("fc1", None),), 4)
    assert with_options(bare, pooling="plain", activation="tanh", dropout=0.5, batch_norm=True) == bare
