"""What README and docs/imagewoof.md say of ten breeds of dog, held to the records."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from printed import missing, percent, percentages, table

from alexnet.training.recipe import Recipe
from alexnet.training.recipes import recipe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "imagewoof.md").read_text(encoding="utf-8")
QUOTED = {"76.6 %", "81.2 %", "87.8 %", "90.5 %"}  # of fast.ai's leaderboard, right answers


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return found


SEEDS = [read(f"imagewoof-seed{seed}") for seed in (0, 1, 2)]
SEARCH = read("search/imagewoof")
FLOWERS = {
    name: [read(f"flowers17-{name}-seed{seed}")["ten_crop"]["top1_error"] for seed in (0, 1, 2)]
    for name in ("small", "paper")
}


def errors(crops: str) -> list[float]:
    return [record[crops]["top1_error"] for record in SEEDS]


def test_the_seeds_are_runs_of_the_settings_told() -> None:
    for seed, record in enumerate(SEEDS):
        wanted = replace(recipe("small"), seed=seed, epochs=60, warmup=5.0)
        assert Recipe.from_json(record["recipe"]) == wanted
        assert record["photographs"] == {"train": 9025, "val": 0}
        assert record["data"] == SEEDS[0]["data"] and record["data"]["splits"] == {"train": 9025, "test": 3927}
        assert record["data"]["fingerprint"] == SEARCH["fingerprint"]
    assert len({record["ten_crop"]["loss"] for record in SEEDS}) == len(SEEDS), "three runs, not one three times"


@pytest.mark.parametrize("crops", ["centre_crop", "ten_crop"])
def test_mean_and_spread_are_those_of_the_seeds(crops: str) -> None:
    found = errors(crops)
    assert not missing(PAGE, percent(mean(found)), percent(min(found)), percent(max(found)))


def test_readme_has_the_means_and_the_spread_by_ten_crops() -> None:
    centre, ten = errors("centre_crop"), errors("ten_crop")
    assert not missing(README, percent(mean(centre)), percent(mean(ten)))
    assert not missing(README, percent(mean(ten)), percent(min(ten)), percent(max(ten)), percent(9 / 10))


def test_ten_crops_take_off_what_the_page_says() -> None:
    off = 100 * (mean(errors("centre_crop")) - mean(errors("ten_crop")))
    assert not missing(PAGE, f"{off:.1f} points", "1.5")
    assert not missing(PAGE, percent(1 - mean(errors("centre_crop"))))


def test_the_search_is_as_recorded_and_chose_by_its_rule() -> None:
    rows = table(PAGE, "network")
    assert len(rows) == len(SEARCH["runs"]) == 5
    found = []
    for (network, rate, error), run in zip(rows, SEARCH["runs"], strict=True):
        settings = {"lr": recipe("small").lr, **run["settings"]}
        assert (network, rate) == (f"`{settings['model']}`", f"{settings['lr']:g}")
        assert settings["seed"] == 100 and settings["holdout"] == 0.2 and run["epochs"] == [24, 24]
        assert error == percent(run["last"]["val_top1_error"])
        found.append((run["last"]["val_top1_error"], settings["model"], settings["lr"]))
    _, model, rate = min(found)
    assert (model, rate) == ("original2012", recipe("small").lr)
    best = {network: min(error for error, each, _ in found if each == network) for network in ("paper", model)}
    assert not missing(PAGE, f"{100 * (best['paper'] - best[model]):.1f} points")
    held_out = 1805
    assert all(abs(error * held_out - round(error * held_out)) < 1e-6 for error, _, _ in found)
    assert not missing(PAGE, f"{held_out:,}") and not missing(PAGE, f"{100 * (0.4 * 0.6 / held_out) ** 0.5:.1f} points")


def test_what_came_beside_what_was_expected() -> None:
    below = 35 - 100 * mean(errors("centre_crop"))
    assert 6.5 < below < 7.5 and not missing(PAGE, "seven points lower", "expected")
    minutes = {f"{record['training_seconds'] / 60:.0f} minutes" for record in SEEDS}
    assert len(minutes) == 1 and not missing(PAGE, *minutes, "H100")


def test_the_rule_for_small_is_kept() -> None:
    ours, other = FLOWERS["small"], FLOWERS["paper"]
    assert mean(ours) - mean(other) <= max(other) - min(other)
    assert recipe("small").model == "original2012"
    assert not missing(PAGE, *map(percent, (mean(ours), mean(other), min(other), max(other))))


def test_every_percentage_of_the_page_is_recorded_or_quoted() -> None:
    known = set(QUOTED) | {"45 %", "40 %", percent(9 / 10), percent(SEEDS[0]["linear_top1_error"])}
    for found in (errors("centre_crop"), errors("ten_crop"), *FLOWERS.values()):
        known |= {percent(error) for error in (*found, mean(found))}
    known.add(percent(1 - mean(errors("centre_crop"))))
    known |= {percent(run["last"]["val_top1_error"]) for run in SEARCH["runs"]}
    assert not percentages(PAGE) - known
