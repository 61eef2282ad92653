"""What README and docs/flowers17.md say of 17 flowers, held to the records."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from printed import table

from alexnet.model.account import account
from alexnet.model.variants import variant
from alexnet.training.recipes import recipe

ROOT = Path(__file__).parents[1]
README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
PAGE = (ROOT / "docs" / "flowers17.md").read_text(encoding="utf-8")
PROSE = " ".join(PAGE.split())


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return found


SEEDS = [read(f"flowers17-small-seed{seed}") for seed in (0, 1, 2)]
EARLIER, PROGRAM, DTYPES = read("flowers17-earlier-seed0"), read("flowers17-program-seed0"), read("dtypes/flowers17")


def percent(error: float) -> str:
    return f"{100 * error:.1f} %"


def settings(name: str, **changes: Any) -> dict[str, Any]:
    """The recipe as a record has it."""
    found: dict[str, Any] = json.loads(json.dumps(replace(recipe(name), **changes).to_json()))
    return found


def test_the_seeds_are_runs_of_one_recipe_that_still_stands() -> None:
    for seed, record in enumerate(SEEDS):
        assert record["recipe"] == settings("small", seed=seed)
        assert record["photographs"] == {"train": 17 * 64, "val": 0}
        assert record["data"] == SEEDS[0]["data"] == PROGRAM["data"]
    assert len({record["ten_crop"]["loss"] for record in SEEDS}) == len(SEEDS), "three runs, not one three times"


@pytest.mark.parametrize("text", [README, PROSE], ids=["README", "the page"])
def test_mean_and_spread_are_those_of_the_seeds(text: str) -> None:
    for crops, words in (("centre_crop", "by the centre crop"), ("ten_crop", "by ten crops")):
        errors = [record[crops]["top1_error"] for record in SEEDS]
        assert f"{percent(mean(errors))} {words} ({percent(min(errors))} to {percent(max(errors))})" in text


def test_weights_photographs_and_standard_errors_are_arithmetic() -> None:
    images = SEEDS[0]["ten_crop"]["images"]
    error_of = {error: 100 * (error * (1 - error) / images) ** 0.5 for error in (0.15, 0.16, 0.19, 0.33)}
    assert f"With {images} photographs, an error of 15 % has a standard error of {error_of[0.15]:.1f} %" in PROSE
    assert all(round(error_of[error]) in (2, 3) for error in error_of) and "a standard error of 2 to 3 %" in PROSE
    weights = account(variant("paper", classes=17)).total("parameters")
    assert f"a network of {weights / 1e6:.0f} million weights" in PROSE
    assert f"{SEEDS[0]['photographs']['train']:,} photographs" in PROSE


def test_the_mean_is_what_was_asked_for() -> None:
    assert mean(record["ten_crop"]["top1_error"] for record in SEEDS) <= 0.17


def test_the_earlier_use_of_the_test_photographs_is_told() -> None:
    assert f"{percent(EARLIER['ten_crop']['top1_error'])} by ten crops" in PROSE
    assert "flowers17-earlier-seed0.json" in PAGE
    assert EARLIER["data"]["splits"] == SEEDS[0]["data"]["splits"]


def test_what_was_tried_is_as_recorded() -> None:
    tried = read("search/flowers17-rates")["runs"]
    rows = table(PAGE, "rate")
    assert len(rows) == len(tried)
    for row, run in zip(rows, tried, strict=True):
        before = {"lr": 0.002, "warmup": 2.0, "crop_area": 0.5, "mixup": 0.0} | run["settings"]
        told = [
            f"{before['lr']:g} after {before['warmup']:g} epochs",
            f"{before['crop_area']:g}",
            f"{before['mixup']:g}",
        ]
        last = run["last"]
        assert row == [
            *told,
            f"{run['epochs'][0]} of {run['epochs'][1]}",
            percent(last["train_error"]),
            percent(last["val_top1_error"]),
        ]


def test_the_curves_are_as_recorded() -> None:
    ours, theirs = ({point["epoch"]: point for point in record["curve"]} for record in (SEEDS[0], PROGRAM))
    rows = table(PAGE, "epoch")
    assert len(rows) >= 6 and int(rows[-1][0]) == PROGRAM["epochs"]
    for epoch, *cells in rows:
        mine, its = ours.get(int(epoch)), theirs[int(epoch)]
        assert cells == [
            percent(mine["train_error"]) if mine else "",
            percent(its["train_error"]),
            percent(its["val_top1_error"]),
        ]


def test_the_program_is_told_as_it_ran() -> None:
    made = PROGRAM["photographs"]
    ours, theirs = (account(variant(name)).total("macs") for name in ("paper", "tflearn"))
    assert PROGRAM["recipe"] == settings("flowers17", epochs=PROGRAM["epochs"])
    for words in (
        f"the first {PROGRAM['epochs']} of its {recipe('flowers17').epochs:,} epochs",
        f"on {made['train']} photographs, with {made['val']} to validate",
        f"{theirs / ours:.1f} times the arithmetic",
        f"{percent(PROGRAM['centre_crop']['top1_error'])} by the centre crop",
        f"{percent(PROGRAM['ten_crop']['top1_error'])} by ten crops",
        f"{PROGRAM['training_seconds'] / PROGRAM['epochs'] * recipe('flowers17').epochs / 3600:.1f} hours",
    ):
        assert words in PROSE, words


def test_numbers_of_16_bits_are_compared_as_recorded() -> None:
    errors, means = DTYPES["val_top1_error"], DTYPES["means"]
    for dtype in ("fp32", "bf16"):
        assert f"{dtype}: {', '.join(percent(error) for error in errors[dtype].values())}" in PROSE
        assert list(errors[dtype]) == ["0", "1", "2"][: len(errors[dtype])]
    assert f"The means, {percent(means['fp32'])} and {percent(means['bf16'])}, are within the spread of seeds" in PROSE
    assert DTYPES["within"] is True
    assert settings("small", epochs=16, warmup=3.0, holdout=0.25) == {**DTYPES["recipe"], "seed": 0}
    assert "shortened to 16 epochs" in PROSE
