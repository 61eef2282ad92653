import json
import math
import re
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alexnet.errors import ConfigError
from alexnet.training.recipe import LayerRate, Recipe, parse_assignments, read_recipe, settings_table
from alexnet.training.recipes import RECIPES

PAPER = Recipe()
# A recipe in which no field has its default.
ODD = Recipe(
    name="odd, with a comma",
    epochs=7,
    batch_size=12,
    accumulate=3,
    seed=99,
    lr=1 / 3,
    momentum=0.0,
    weight_decay=1e-300,
    bias_rate=2.5,
    last_rate=7.0,
    early_stop=9,
    class_weights=0.5,
    bias_falls=False,
    bias_decay=False,
    warmup=0.1,
    schedule="steps",
    lr_factor=0.5,
    lr_steps=(3, 5),
    patience=2,
    max_falls=0,
    layer_rates=(LayerRate("conv1", 4, 1e-5), LayerRate("fc3", 0, 0.0)),
    random_crop=False,
    crop_area=0.5,
    crop_aspect=1.5,
    mirror=False,
    colour_noise=0.25,
    colour_noise_epochs=6,
    noise_divisor=1.1,
    crop_group=32,
    reshuffle=False,
    mixup=0.2,
    label_smoothing=0.1,
    holdout=0.0,
    model="owt",
    half=True,
    without="conv4",
    activation="tanh",
    norm=False,
    pooling="plain",
    pool_kind="average",
    groups=1,
    batch_norm=True,
    pixels="scaled",
    start="fan",
    relu_first=True,
    spatial=False,
    biases="zero",
    dropout=0.0,
)


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("lr=0.003", 0.003),
        ("lr=3e-3", 0.003),
        ("epochs=12", 12),
        ("mirror=false", False),
        ("mirror=True", True),
        ("schedule=cosine", "cosine"),
        ("lr_steps=30,60", (30, 60)),
        ("lr_steps=30", (30,)),
        ("lr_steps=", ()),
        ("dropout=none", None),
        ("dropout=0.25", 0.25),
        ("norm=false", False),
        ("norm=none", None),
        ("activation=tanh", "tanh"),
        ("activation=none", None),
        ("groups=4", 4),
        ("colour_noise_epochs=67", 67),
        ("colour_noise_epochs=None", None),
        ("layer_rates=conv1:67:1e-5,conv1:72:0", (LayerRate("conv1", 67, 1e-5), LayerRate("conv1", 72, 0.0))),
        (" seed = 4 ", 4),
    ],
)
def test_settings_are_read_from_text(assignment: str, value: object) -> None:
    changed = PAPER.updated(parse_assignments([assignment]))
    key = assignment.partition("=")[0].strip()
    assert getattr(changed, key) == value
    assert type(getattr(changed, key)) is type(value)
    assert replace(changed, **{key: getattr(PAPER, key)}) == PAPER


def test_several_settings_are_taken_together() -> None:
    changed = PAPER.updated(parse_assignments(["schedule=steps", "lr_steps=3", "lr=1"]))
    assert (changed.schedule, changed.lr_steps, changed.lr) == ("steps", (3,), 1.0)


def test_an_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"Unknown setting 'wieght_decay'; did you mean 'weight_decay' or"):
        PAPER.updated({"wieght_decay": "0"})


def test_an_unknown_schedule_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"Unknown schedule 'step'; did you mean 'steps'\?"):
        PAPER.updated({"schedule": "step"})


def test_text_without_an_equals_sign_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match="written key=value, not 'lr'"):
        parse_assignments(["seed=1", "lr"])


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("lr=fast", "lr takes a number, not 'fast'"),
        ("epochs=1.5", "epochs takes a whole number, not '1.5'"),
        ("epochs=", "epochs takes a whole number, not ''"),
        ("mirror=yes", "mirror takes true or false, not 'yes'"),
        ("dropout=half", "dropout takes a number or none, not 'half'"),
        ("norm=off", "norm takes true, false or none, not 'off'"),
        ("colour_noise_epochs=0.5", "colour_noise_epochs takes a whole number or none, not '0.5'"),
        ("lr_steps=30;60", "lr_steps takes epochs like 30,60, not '30;60'"),
        ("layer_rates=conv1", "layer_rates takes layer:epoch:lr like conv1:0:0, not 'conv1'"),
        ("layer_rates=conv1:a:0", "layer_rates takes layer:epoch:lr"),
    ],
)
def test_a_value_of_the_wrong_type_is_a_sentence(assignment: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        PAPER.updated(parse_assignments([assignment]))


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("epochs=0", r"epochs \(=0\) of recipe 'paper' must be at least 1"),
        ("batch_size=-3", r"batch_size \(=-3\)"),
        ("accumulate=0", r"accumulate \(=0\)"),
        ("accumulate=129", r"accumulate \(=129\) of recipe 'paper' must be at most the batch size \(=128\)"),
        ("crop_group=0", r"crop_group \(=0\)"),
        ("patience=0", r"patience \(=0\)"),
        ("lr=0", r"lr \(=0.0\) of recipe 'paper' must be above 0"),
        ("lr=nan", r"lr \(=nan\)"),
        ("lr=inf", r"lr \(=inf\) of recipe 'paper' must be finite"),
        ("lr_factor=-1", r"lr_factor \(=-1.0\)"),
        ("noise_divisor=0", r"noise_divisor \(=0.0\)"),
        ("bias_rate=0", r"bias_rate \(=0.0\)"),
        ("seed=-1", r"seed \(=-1\) of recipe 'paper' must be at least 0"),
        ("weight_decay=-1e-4", r"weight_decay \(=-0.0001\)"),
        ("weight_decay=inf", r"weight_decay \(=inf\)"),
        ("colour_noise_epochs=-5", r"colour_noise_epochs \(=-5\) of recipe 'paper' must be at least 0"),
        ("colour_noise=-1", r"colour_noise \(=-1.0\)"),
        ("warmup=-1", r"warmup \(=-1.0\)"),
        ("max_falls=-1", r"max_falls \(=-1\)"),
        ("momentum=1", r"momentum \(=1.0\) of recipe 'paper' must be from 0 to below 1"),
        ("holdout=1", r"holdout \(=1.0\)"),
        ("mixup=-1", r"mixup \(=-1.0\) of recipe 'paper' must be at least 0"),
        ("crop_area=0", r"crop_area \(=0.0\) of recipe 'paper' must be above 0 and at most 1"),
        ("crop_area=1.1", r"crop_area \(=1.1\)"),
        ("crop_area=nan", r"crop_area \(=nan\)"),
        ("crop_aspect=0.9", r"crop_aspect \(=0.9\) of recipe 'paper' must be at least 1"),
        ("label_smoothing=-0.1", r"label_smoothing \(=-0.1\)"),
        ("dropout=1", r"dropout \(=1.0\)"),
        ("dropout=nan", r"dropout \(=nan\)"),
        ("lr_steps=3,-1", r"lr_steps \(=\(3, -1\)\)"),
        ("layer_rates=conv1:0:-1", r"layer_rates .* of epochs and rates from 0 on"),
        ("layer_rates=conv1:-1:0", r"layer_rates .* of epochs and rates from 0 on"),
        ("layer_rates=conv1:0:nan", r"layer_rates .* of epochs and rates from 0 on"),
    ],
)
def test_a_value_out_of_range_is_a_sentence_with_the_value(assignment: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        PAPER.updated(parse_assignments([assignment]))


NO_FOLDER = ("", ".", "..", "a/../../escaped", "a\\b", "two\nlines", "\x1b[31m", "\u2028", "\udc80")


@pytest.mark.parametrize("name", [*NO_FOLDER, "x" * 101])
def test_a_name_that_is_none_for_a_folder_is_refused(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(PAPER, name=name)
    assert str(caught.value).startswith(f"The name of a recipe becomes part of a folder's: {name[:40]!r} cannot be; ")
    assert replace(PAPER, name="x" * 100).name == "x" * 100


def test_a_recipe_file_cannot_name_a_folder_elsewhere() -> None:
    with pytest.raises(ConfigError, match="becomes part of a folder's"):
        read_recipe('{"name": "a/../../../../escaped"}')


def test_the_odd_recipe_has_no_default_left() -> None:
    assert not [each.name for each in fields(ODD) if getattr(ODD, each.name) == getattr(PAPER, each.name)]


@pytest.mark.parametrize("recipe", [ODD, *(recipe for recipe, _ in RECIPES.values())], ids=lambda recipe: recipe.name)
def test_recipes_come_back_from_json(recipe: Recipe) -> None:
    assert read_recipe(json.dumps(recipe.to_json())) == recipe


@given(st.floats(min_value=0, exclude_min=True, allow_infinity=False), st.floats(0, 1, exclude_max=True))
def test_numbers_come_back_from_json_bit_for_bit(lr: float, dropout: float) -> None:
    recipe = Recipe(lr=lr, dropout=dropout, layer_rates=(LayerRate("conv1", 3, lr),))
    assert read_recipe(json.dumps(recipe.to_json())) == recipe


@pytest.mark.parametrize("recipe", [ODD, PAPER], ids=lambda recipe: recipe.name)
def test_the_table_of_settings_can_be_given_back_as_settings(recipe: Recipe) -> None:
    table = settings_table(recipe)
    assert [name for name, _, _ in table] == [each.name for each in fields(Recipe)]
    assert all(meaning for _, _, meaning in table)
    assert Recipe().updated({name: text for name, text, _ in table}) == recipe


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "does not parse"),
        ("[1]", r"a JSON object of settings, not '\[1\]'"),
        ('{"epoch": 3}', "Unknown setting 'epoch'; did you mean 'epochs'"),
        ('{"epochs": null}', "epochs takes a whole number, not 'none'"),
        ('{"epochs": 3.5}', "epochs takes a whole number, not '3.5'"),
        ('{"mirror": 1}', "mirror takes true or false, not '1'"),
        ('{"layer_rates": [{"layer": "conv1"}]}', "layer_rates takes layer:epoch:lr"),
    ],
)
def test_a_recipe_file_of_something_else_is_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_recipe(text)


def test_a_recipe_of_the_defaults_is_the_papers() -> None:
    # section 5: "batch size of 128 examples, momentum of 0.9, and weight decay of 0.0005", 0.01 "divided by 10"
    # three times "when the validation error rate stopped improving", "roughly 90 cycles"
    assert (PAPER.batch_size, PAPER.momentum, PAPER.weight_decay) == (128, 0.9, 0.0005)
    assert (PAPER.lr, PAPER.schedule, PAPER.max_falls, PAPER.epochs) == (0.01, "plateau", 3, 90)
    assert math.isclose(PAPER.lr_factor, 1 / 10)
    # "equal for all layers", and biases decay like weights where the text makes no difference
    assert (PAPER.bias_rate, PAPER.bias_falls, PAPER.bias_decay, PAPER.layer_rates) == (1.0, True, True, ())


def test_numpy_s_numbers_whole_ones_and_lists_become_what_a_recipe_holds() -> None:
    found = Recipe(
        lr=np.float32(0.5), seed=np.arange(3)[1], momentum=0, mirror=np.bool_(False), dropout=np.float64(0.25),
        lr_steps=[np.int64(1), 2], early_stop=np.int64(3), name=np.str_("mine"), batch_size=torch.tensor(8),
        layer_rates=[LayerRate("conv1", np.int64(2), 0)],
    )  # fmt: skip
    wanted = Recipe(
        lr=0.5, seed=1, momentum=0.0, mirror=False, dropout=0.25, lr_steps=(1, 2), early_stop=3, name="mine",
        batch_size=8, layer_rates=(LayerRate("conv1", 2, 0.0),),
    )  # fmt: skip
    assert json.dumps(found.to_json()) == json.dumps(wanted.to_json())
    assert Recipe.from_json(found.to_json()) == found == wanted


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("mirror", "false", "true or false, not 'false'"),
        ("mirror", 1, "true or false, not 1"),
        ("epochs", 1.5, "a whole number, not 1.5"),
        ("epochs", True, "a whole number, not True"),
        ("epochs", None, "a whole number, not None"),
        ("lr", "0.1", "a number, not '0.1'"),
        ("lr", True, "a number, not True"),
        ("lr", 10**400, "a number, not 1000"),
        ("early_stop", 2.0, "a whole number or none, not 2.0"),
        ("lr_steps", 30, "epochs like 30,60, not 30"),
        ("lr_steps", "30", "epochs like 30,60, not '30'"),
        ("lr_steps", (30.0,), "epochs like 30,60, not (30.0,)"),
        ("layer_rates", (("conv1", 0, 0.0),), "layer:epoch:lr like conv1:0:0, not (('conv1', 0, 0.0),)"),
        ("layer_rates", (LayerRate("conv1", 0.5, 0.0),), "layer:epoch:lr like conv1:0:0, not (LayerRate(layer='conv1'"),
        ("activation", 7, "a word or none, not 7"),
        ("seed", np.arange(3), "a whole number, not array([0, 1, 2])"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(name: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"The setting {name} takes {said}")):
        replace(Recipe(), **{name: value})
