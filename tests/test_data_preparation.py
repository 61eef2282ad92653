import json
from dataclasses import fields

import pytest

from alexnet.data.preparation import CHOICES, DEFAULT, Preparation
from alexnet.errors import ConfigError

CAFFE = Preparation(resize="squash", interpolation="bilinear", channels="BGR", mean_at="crop")
SCALED = Preparation(interpolation="bilinear", std=(58.395, 57.12, 57.375))
SMALL = Preparation(side=72)


def test_the_default_is_the_first_choice_of_each_word() -> None:
    assert {name: getattr(DEFAULT, name) for name in CHOICES} == {name: known[0] for name, known in CHOICES.items()}
    assert {field.name for field in fields(Preparation)} == {*CHOICES, "std", "side"}
    assert (DEFAULT.std, DEFAULT.side) == (None, 256)


@pytest.mark.parametrize("preparation", [DEFAULT, CAFFE, SCALED, SMALL])
def test_it_comes_back_from_json(preparation: Preparation) -> None:
    assert Preparation.from_json(json.loads(json.dumps(preparation.to_json()))) == preparation


def test_what_json_leaves_out_is_the_default() -> None:
    assert Preparation.from_json({"channels": "BGR"}) == Preparation(channels="BGR")


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ({"resize": "squish"}, "Unknown resize of a preparation 'squish'; did you mean 'squash'?"),
        ({"interpolation": "nearest"}, "Unknown interpolation of a preparation 'nearest'"),
        ({"channels": "rgb"}, "Unknown channels of a preparation 'rgb'"),
        ({"mean_at": None}, "Unknown mean_at of a preparation 'None'"),
        ({"chanels": "RGB"}, "Unknown field of a preparation 'chanels'; did you mean 'channels'?"),
        ({"std": [58.4, 57.1]}, "must be three positive numbers"),
        ({"std": [58.4, 57.1, 0]}, "must be three positive numbers"),
        ({"std": [58.4, 57.1, float("nan")]}, "must be three positive numbers"),
        ({"std": 58.4}, "must be three positive numbers"),
        ({"std": ["58.4", "57.1", "57.4"]}, "must be three positive numbers"),
        ({"side": 31}, "must be a whole number of pixels from 32 to 512, not 31."),
        ({"side": 513}, "must be a whole number of pixels from 32 to 512, not 513."),
        ({"side": 72.0}, "must be a whole number of pixels from 32 to 512, not 72.0."),
        ({"side": "72"}, "must be a whole number of pixels from 32 to 512, not '72'."),
        ({"side": True}, "must be a whole number of pixels from 32 to 512, not True."),
    ],
)
def test_what_is_none_of_these_is_refused(plain: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        Preparation.from_json(plain)
    assert said in str(error.value)


def test_words_say_every_difference() -> None:
    for name, known in CHOICES.items():
        assert len({str(Preparation(**{name: value}).in_words) for value in known}) == len(known), name
    assert SCALED.in_words["scale"] == "0-255; divided by 58.395, 57.12, 57.375 (R, G, B)"


def test_resizing_is_what_decides_the_stored_pixels() -> None:
    assert CAFFE.resizing == {"resize": "squash", "interpolation": "bilinear", "side": 256}
    assert Preparation.from_json(CAFFE.resizing).resizing == CAFFE.resizing
    assert (CAFFE.stored_bytes, SMALL.stored_bytes) == (196_608, 15_552)


@pytest.mark.parametrize("rule", CHOICES["resize"])
def test_words_say_the_side(rule: str) -> None:
    words = Preparation(resize=rule, side=72).in_words["resize"]
    assert "72" in words and "256" not in words
    assert words.replace("72", "256") == Preparation(resize=rule).in_words["resize"]
