"""Specs as data: options instead of copies, JSON there and back, errors that name the value."""

import json
import math
import re
from dataclasses import asdict, replace
from typing import Any

import pytest

from alexnet.errors import ConfigError
from alexnet.model.spec import Activation, Conv, Layer, ResponseNorm, Spec
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
@pytest.mark.parametrize("value", [0, -(2**63), 2**63, True, 1.0, "1", None, math.nan])
def test_sizes_that_cannot_be_are_refused_with_their_value(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"its {field} is {value!r}, expected")):
        replace(PAPER, **{field: value})


@pytest.mark.parametrize(
    ("layer", "change", "said"),
    [
        ("norm1", {"n": 2**63}, "layers[2].n is 9223372036854775808, expected a number from 1 to 1,048,576"),
        ("norm1", {"alpha": math.nan}, "layers[2].alpha is nan, expected a finite number"),
        ("norm1", {"beta": "0.75"}, "layers[2].beta is '0.75', expected a finite number"),
        ("norm1", {"convention": 7}, "layers[2].convention is 7, expected a text"),
        ("pool1", {"kernel": 10**6}, "layers[3].kernel is 1000000, expected a number from 1 to 4,096"),
        ("pool1", {"padding": -(2**63)}, "layers[3].padding is -9223372036854775808, expected"),
        ("pool1", {"padding": (1, 2, 3)}, "layers[3].padding is (1, 2, 3), expected"),
        ("conv1", {"kernel": 11.0}, "layers[0].kernel is 11.0, expected a whole number"),
        ("conv1", {"name": "conv1.weight"}, "printable names without dots"),
        ("conv1", {"name": "\x1b[31m"}, "printable names without dots"),
        ("fc8", {"units": 10**400}, "expected a number from 1 to"),
    ],
)
def test_layers_that_cannot_be_are_refused_with_their_place(layer: str, change: dict[str, Any], said: str) -> None:
    def changed(each: Layer) -> Layer:
        return replace(each, **change) if each.name == layer else each

    with pytest.raises(ConfigError, match=re.escape(said)):
        PAPER.mapped(changed)
    plain = {**PAPER.to_json(), "layers": [{"kind": each.kind, **asdict(changed(each))} for each in PAPER.layers]}
    with pytest.raises(ConfigError, match=re.escape(said)):
        Spec.from_json(plain)


def test_more_layers_than_any_network_has_are_refused() -> None:
    many = tuple(Activation(f"a{number}") for number in range(100_000))
    with pytest.raises(ConfigError, match="layers has a length of 100,000, expected at most 500"):
        Spec("many", many)


@pytest.mark.parametrize(
    "plain",
    [None, [], "paper", 7, {}, {"layers": None}, {"layers": {}}, {"layers": [[]]}, {"layers": [None]}]
    + [{"layers": [{"kind": kind, "name": "a"}]} for kind in (None, [], {}, 7, "conv")],
)
def test_json_that_is_no_network_is_refused(plain: Any) -> None:
    with pytest.raises(ConfigError, match="There can be no such network: its"):
        Spec.from_json(plain)


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


@pytest.mark.parametrize("name", ["", "..", "a/../../escaped", "a\\b", "two\nlines"])
def test_a_name_that_is_none_for_a_folder_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"no such network: its name is .*, expected a text that can name a folder"):
        replace(PAPER, name=name)
