"""Options on any variant: what each changes, what it leaves, and what it refuses."""

import math
from dataclasses import replace

import pytest
import torch

from alexnet.errors import ConfigError
from alexnet.model.account import account
from alexnet.model.net import AlexNet
from alexnet.model.options import LEFT_OUT, OPTIONS, with_options
from alexnet.model.spec import (
    Activation,
    AvgPool,
    BatchNorm,
    Conv,
    Dropout,
    Linear,
    Local,
    MaxPool,
    ResponseNorm,
    Scale,
    Spec,
)
from alexnet.model.variants import (
    CAFFENET,
    ONE_COLUMN_HALF,
    ORIGINAL2012,
    OWT,
    PAPER,
    TFLEARN,
    UNGROUPED,
    VARIANTS,
    networks,
    variant,
)

OTHERS = {
    "classes": 19,
    "input_size": 231,
    "channels": 1,
    "half": True,
    "without": "conv4",
    "activation": "tanh",
    "norm": False,
    "pooling": "plain",
    "pool_kind": "average",
    "groups": 4,
    "batch_norm": True,
    "pixels": "scaled",
    "start": "fan",
    "relu_first": True,
    "spatial": False,
    "biases": "zero",
    "dropout": 0.25,
}
# What has no place in a network: halves of one tower, pixels scaled twice, zeros for biases drawn with weights.
NO_PLACE = {(name, "half") for name in ("one_column_half", "owt", "owt_lrn", "ungrouped", "tflearn")}
NO_PLACE |= {("tflearn", "pixels"), ("owt", "biases")}
# What a network is like already.
AS_IT_IS = {("owt", "norm"), ("tflearn", "biases")}
AS_IT_IS |= {(name, "spatial") for name in VARIANTS if name != "original2012"}
AS_IT_IS |= {(name, "relu_first") for name in VARIANTS if name not in ("original2012", "owt_lrn")}


def kinds(spec: Spec, kind: type) -> list:
    return [layer for layer in spec.layers if isinstance(layer, kind)]


def test_every_option_is_tried_here() -> None:
    assert {*OTHERS} == {*OPTIONS}


@pytest.mark.parametrize("name", VARIANTS)
def test_any_variant_takes_all_options_at_once(name: str) -> None:
    left_out = ("half", "pixels")  # biases can be 0 where a start is given
    given = {
        option: value for option, value in OTHERS.items() if (name, option) not in NO_PLACE or option not in left_out
    }
    spec = variant(name, **given)
    with torch.device("meta"):
        net = AlexNet(spec).eval()
        assert net(torch.empty(2, 1, 231, 231)).shape == (2, 19)
    assert not kinds(spec, ResponseNorm)
    assert {layer.function for layer in kinds(spec, Activation)} == {"tanh"}
    assert not kinds(spec, MaxPool)
    assert {(layer.kernel, layer.stride) for layer in kinds(spec, AvgPool)} == {(2, 2)}
    assert {layer.rate for layer in kinds(spec, Dropout)} == {0.25}
    assert [layer.groups for layer in kinds(spec, Conv)] == [1, 4, 1, 4]
    assert [layer.name for layer in kinds(spec, BatchNorm)] == ["bn1", "bn2", "bn3", "bn5"]
    assert {(layer.initialisation, layer.bias) for layer in kinds(spec, Conv | Linear)} == {("fan", 0.0)}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_left_out_changes_nothing_and_given_twice_no_more_than_once(name: str, option: str) -> None:
    spec = VARIANTS[name]
    assert with_options(spec, **dict.fromkeys(OPTIONS)) == spec
    if (name, option) in NO_PLACE:
        with pytest.raises(ConfigError):
            with_options(spec, **{option: OTHERS[option]})
        return
    once = with_options(spec, **{option: OTHERS[option]})
    assert with_options(once, **{option: OTHERS[option]}) == once
    assert once != spec or (name, option) in AS_IT_IS


def test_a_network_of_other_layers_says_so_in_its_name() -> None:
    named = {option: variant("original2012", **{option: value}).name for option, value in OTHERS.items()}
    assert named == {
        "classes": "original2012",
        "input_size": "original2012",
        "channels": "original2012",
        "dropout": "original2012",
        "half": "original2012+half",
        "without": "original2012+without-conv4",
        "activation": "original2012+tanh",
        "norm": "original2012+no-norm",
        "pooling": "original2012+plain-pooling",
        "pool_kind": "original2012+average-pools",
        "groups": "original2012+groups4",
        "batch_norm": "original2012+batch-norm",
        "pixels": "original2012+scaled-pixels",
        "start": "original2012+fan-start",
        "relu_first": "original2012+relu-first",
        "spatial": "original2012+no-spatial-norm",
        "biases": "original2012+zero-biases",
    }
    usual = {"half": False, "activation": "relu", "norm": True, "pooling": "overlapping", "pool_kind": "max"}
    usual |= {"groups": 2, "batch_norm": False, "pixels": "raw", "start": "published", "biases": "published"}
    assert variant("paper", **usual) == PAPER


def test_what_was_run_becomes_what_is_printed_but_for_towers_and_rounding() -> None:
    printed = variant("original2012", start="printed", relu_first=True, spatial=False)
    learned = [(layer.name, layer.std, layer.bias) for layer in kinds(printed, Conv | Linear)]
    assert learned == [(layer.name, layer.std, layer.bias) for layer in kinds(variant("paper"), Conv | Linear)]
    assert [layer.name for layer in printed.layers] == [layer.name for layer in variant("paper").layers]
    others = {ResponseNorm: {"towers": 1}, MaxPool: {"padding": 0}, Dropout: {"inverted": True}}
    assert printed.mapped(lambda layer: replace(layer, **others.get(type(layer), {}))).layers == variant("paper").layers
    for first, then in (("fan", "printed"), ("printed", "fan"), ("printed", "published")):
        with pytest.raises(ConfigError, match="not as published any more"):
            with_options(variant("original2012", start=first), start=then)
    with pytest.raises(ConfigError, match="relu_first is true or left out"):
        variant("paper", relu_first=False)
    with pytest.raises(ConfigError, match="has no spatial normalisation to keep"):
        variant("paper", spatial=True)


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


def test_half_of_the_paper_network_is_the_one_that_the_paper_compares_with() -> None:
    assert variant("paper", half=True).layers == ONE_COLUMN_HALF.layers
    half = with_options(ORIGINAL2012, half=True)
    assert [(layer.channels, layer.groups) for layer in kinds(half, Conv)] == [
        (48, 1),
        (128, 1),
        (192, 1),
        (192, 1),
        (256, 1),
    ]
    assert [layer.units for layer in kinds(half, Linear)] == [4096, 4096, None]
    assert {layer.towers for layer in kinds(half, ResponseNorm)} == {1}
    others = [layer for layer in half.layers if not isinstance(layer, Conv | ResponseNorm)]
    assert others == [layer for layer in ORIGINAL2012.layers if not isinstance(layer, Conv | ResponseNorm)]


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_layer_goes_with_its_activation_and_leaves_its_pooling(name: str) -> None:
    number = name[-1]
    for usual in (PAPER, ORIGINAL2012, CAFFENET):
        spec = with_options(usual, without=name)
        gone = {name, f"relu{number}", f"drop{number}"}
        assert spec.layers == tuple(layer for layer in usual.layers if layer.name not in gone)
    assert not kinds(with_options(variant("paper", batch_norm=True), without="conv5"), BatchNorm)[4:]


def test_a_start_by_the_number_of_inputs_keeps_the_size_of_activations() -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(64, 3, 32, 32, generator=generator) * 64
    for given in ({}, {"pixels": "scaled"}, {"activation": "tanh"}):
        spec = variant("cifar_four", start="fan", **given)
        net = AlexNet(spec, generator=generator).eval()
        # a square: after ReLU the mean of squares is half that of what is rectified, which √2 makes up for
        learned = [layer.name for layer in kinds(spec, Conv | Linear)]
        gain = 2.0 if "activation" not in given else 1.0
        with torch.no_grad():
            found = net.stages(pixels, learned)
        assert found["conv1"].square().mean().item() == pytest.approx(gain, rel=0.1), given
        published = AlexNet(variant("cifar_four"), generator=generator).eval()
        with torch.no_grad():
            faint = published.stages(pixels, learned)
        assert faint["fc4"].std() < 0.01 * found["fc4"].std()


def test_a_start_by_the_number_of_inputs_follows_the_activation_and_the_scale() -> None:
    at_once = variant("cifar_local", activation="tanh", pixels="scaled", start="fan")
    later = with_options(variant("cifar_local", start="fan"), activation="tanh", pixels="scaled")
    assert later.layers == at_once.layers
    assert {layer.std for layer in kinds(at_once, Conv | Local | Linear)} == {1.0}
    raw = kinds(variant("cifar_local", start="fan"), Conv | Local | Linear)
    assert [layer.std for layer in raw] == pytest.approx([math.sqrt(2) / 64] + [math.sqrt(2)] * 4)
    assert kinds(with_options(TFLEARN, start="fan"), Conv)[0].std == pytest.approx(math.sqrt(2) * 255 / 64)


def test_scaled_pixels_are_the_same_network_of_smaller_numbers() -> None:
    spec = variant("cifar_four", pixels="scaled")
    assert spec.layers == (Scale("scale0", 1 / 64), *variant("cifar_four").layers)
    net, plain = AlexNet(spec).eval(), AlexNet(variant("cifar_four")).eval()
    plain.load_state_dict(net.state_dict())
    x = torch.randn(2, 3, 32, 32) * 64
    assert torch.equal(net(x), plain(x / 64))


@pytest.mark.parametrize("name", networks())
def test_biases_at_zero_are_all_that_changes(name: str) -> None:
    spec = variant(name)
    if name == "owt":
        spec = with_options(spec, start="fan")
    zero = with_options(spec, biases="zero")
    assert not any(layer.bias for layer in kinds(zero, Conv | Local | Linear))
    for mine, usual in zip(zero.layers, spec.layers, strict=True):
        assert mine == (replace(usual, bias=0.0) if isinstance(usual, Conv | Local | Linear) else usual)


def test_kinds_of_pooling_keep_their_windows() -> None:
    average = with_options(ORIGINAL2012, pool_kind="average")
    assert [vars(layer) for layer in kinds(average, AvgPool)] == [vars(layer) for layer in kinds(ORIGINAL2012, MaxPool)]
    assert len(kinds(variant("cifar_four", pool_kind="max"), MaxPool)) == 3


@pytest.mark.parametrize(
    ("spec", "given", "sentence"),
    [
        (UNGROUPED, {"half": True}, "no half of 'ungrouped', which is not in two groups; take paper"),
        (PAPER, {"without": "conv2"}, "Unknown layer to leave out 'conv2'"),
        (variant("cifar_local"), {"without": "conv4"}, "Unknown layer of 'cifar_local' 'conv4'"),
        (TFLEARN, {"pixels": "scaled"}, "'tflearn' multiplies pixels by 0.003922 itself"),
        (OWT, {"biases": "zero"}, "Biases of 'owt' start at random, as its weights do; add start=fan"),
        (variant("paper", start="fan"), {"start": "published"}, r"'paper\+fan-start' is not as published any more"),
        (PAPER, {"start": "fann"}, "Unknown start 'fann'; did you mean 'fan'"),
        (PAPER, {"biases": "none"}, "Unknown start of biases 'none'"),
        (PAPER, {"pixels": "256"}, "Unknown scale of pixels '256'"),
        (PAPER, {"pool_kind": "mean"}, "Unknown kind of pooling 'mean'"),
    ],
)
def test_what_a_network_has_no_place_for_is_a_sentence(spec: Spec, given: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        with_options(spec, **given)


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
