"""Specs as data: options instead of copies, JSON there and back, errors that name the value."""

import json
from dataclasses import replace

import pytest

from alexnet.errors import ConfigError
from alexnet.model.spec import Activation, Conv, ResponseNorm, Spec
from alexnet.model.variants import PAPER, VARIANTS, variant


def test_the_paper_network_has_its_layers_in_the_papers_order() -> None:
    assert " ".join(layer.name for layer in PAPER.layers) == (
        "conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 pool5 "
        "fc6 relu6 drop6 fc7 relu7 drop7 fc8"
    )


def test_the_paper_network_starts_as_published() -> None:
    biases = {layer.name: layer.bias for layer in PAPER.layers if hasattr(layer, "bias")}
    # section 5: 1 in the second, fourth and fifth convolution and in the fully connected hidden layers, else 0
    ones = {name for name, bias in biases.items() if bias == 1.0}
    assert ones == {"conv2", "conv4", "conv5", "fc6", "fc7"}
    assert {bias for name, bias in biases.items() if name not in ones} == {0.0}
    assert {layer.std for layer in PAPER.layers if hasattr(layer, "std")} == {0.01}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_spec_survives_json(name: str) -> None:
    spec = variant(name, classes=17, input_size=227)
    text = json.dumps(spec.to_json())
    assert Spec.from_json(json.loads(text)) == spec


def test_models_of_format_1_said_ceil_in_a_field_of_its_own() -> None:
    plain = json.loads(json.dumps(PAPER.to_json()))
    for layer in plain["layers"]:
        if layer["kind"] == "conv":
            layer.update({"padding": 0, "ceil": True} if layer["padding"] == "ceil" else {"ceil": False})
    assert Spec.from_json(plain) == PAPER


def test_options_change_one_thing_and_leave_the_named_spec_alone() -> None:
    spec = variant("paper", classes=17, input_size=227, channels=1)
    assert (spec.classes, spec.input_size, spec.channels) == (17, 227, 1)
    assert spec.layers is PAPER.layers
    assert (PAPER.classes, PAPER.input_size, PAPER.channels) == (1000, 224, 3)


def test_the_printed_formula_is_one_option_away() -> None:
    norms = [layer for layer in PAPER.with_norm(convention="printed").layers if isinstance(layer, ResponseNorm)]
    assert [norm.convention for norm in norms] == ["printed", "printed"]


def test_an_unknown_layer_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'conv9'.*did you mean 'conv"):
        PAPER.layer("conv9")


@pytest.mark.parametrize("field", ["input_size", "channels", "classes"])
def test_sizes_below_one_are_refused_with_their_value(field: str) -> None:
    with pytest.raises(ConfigError, match="must be at least 1, not 0"):
        replace(PAPER, **{field: 0})


def test_layers_need_names_of_their_own() -> None:
    with pytest.raises(ConfigError, match="twice: a"):
        Spec("twins", (Conv("a", 8, 3), Activation("a")))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda plain: plain["layers"][0].update(kind="covn"), "Unknown kind of layer 'covn'; did you mean 'conv'"),
        (lambda plain: plain["layers"][0].update(strides=4), "Unknown field of Conv 'strides'; did you mean 'stride'"),
        (lambda plain: plain.update(inputsize=1), "Unknown field of Spec 'inputsize'; did you mean 'input_size'"),
    ],
)
def test_json_of_another_make_is_refused_by_name(damage, sentence: str) -> None:
    plain = json.loads(json.dumps(PAPER.to_json()))
    damage(plain)
    with pytest.raises(ConfigError, match=sentence):
        Spec.from_json(plain)


def test_fields_of_layers_in_files_written_before_they_were_renamed_are_read() -> None:
    plain = variant("tflearn").to_json()
    for layer in plain["layers"]:
        if layer["kind"] == "conv":
            layer["maps"] = layer.pop("channels")
        if layer["kind"] in ("conv", "fc"):
            layer["start"] = layer.pop("initialisation")
    assert Spec.from_json(plain) == variant("tflearn")
