"""What README and docs/flowers17.md say of 17 flowers, held to the records."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from printed import table

from alexnet.train.recipes import recipe

ROOT = Path(__file__).parents[1]
README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
PAGE = (ROOT / "docs" / "flowers17.md").read_text(encoding="utf-8")
PROSE = " ".join(PAGE.split())


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return found


SEEDS = [read(f"flowers17-small-seed{seed}") for seed in (0, 1, 2)]
EARLIER = read("flowers17-earlier-seed0")


def percent(error: float) -> str:
    return f"{100 * error:.1f} %"


def test_the_seeds_are_runs_of_one_recipe_that_still_stands() -> None:
    for seed, record in enumerate(SEEDS):
        assert record["recipe"] == json.loads(json.dumps(replace(recipe("small"), seed=seed).to_json()))
        assert record["photographs"] == {"train": 17 * 64, "val": 0}
        assert record["data"] == SEEDS[0]["data"]
    assert len({record["ten_crop"]["loss"] for record in SEEDS}) == len(SEEDS), "three runs, not one three times"


@pytest.mark.parametrize("text", [README, PROSE], ids=["README", "the page"])
def test_mean_and_spread_are_those_of_the_seeds(text: str) -> None:
    for crops, words in (("centre_crop", "by the centre crop"), ("ten_crop", "by ten crops")):
        errors = [record[crops]["top1_error"] for record in SEEDS]
        assert f"{percent(mean(errors))} {words} ({percent(min(errors))} to {percent(max(errors))})" in text


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
