"""What docs/fine-tuning.md says of starting from trained weights, held to the records."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from printed import missing, percent, percentages, table

from alexnet.experiments.statistics import student
from alexnet.training.recipe import Recipe
from alexnet.training.recipes import recipe

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "fine-tuning.md").read_text(encoding="utf-8")
FOUND = PAGE[PAGE.index("## What was found\n") :]
CROPS = ("centre_crop", "ten_crop")
EPOCHS = 20


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return found


ARMS = {
    arm: [read(path.stem) for path in sorted((ROOT / "results").glob(f"flowers17-{arm}-seed?.json"))]
    for arm in ("finetune", "noise", "owt-file", "owt-noise", "long")
}
SEEDS = {arm: [record["seed"] for record in records] for arm, records in ARMS.items()}
START, TRIED = read("finetune/start"), read("finetune/rate")["runs"]
EARLIER = read("search/finetune")["runs"]
SEARCH = [run for run in read("finetune/search")["runs"] if run["epochs"][0] == run["epochs"][1]]
NOISE = replace(recipe("small"), model="original2012", epochs=EPOCHS, warmup=2.0)
WEIGHTS = replace(recipe("finetune"), model="original2012", epochs=EPOCHS)
STARTS = {"finetune": "--init-from imagenet20", "owt-file": "--init-from owt20.pth"}


@pytest.mark.parametrize(
    ("arm", "settings"),
    [
        ("finetune", WEIGHTS),
        ("noise", NOISE),
        ("owt-file", replace(WEIGHTS, model="owt")),
        ("owt-noise", replace(NOISE, model="owt")),
        ("long", replace(recipe("small"), model="original2012")),
    ],
)
def test_the_arms_are_runs_of_the_recipes_that_are_named(arm: str, settings: Recipe) -> None:
    for record in ARMS[arm]:
        assert Recipe.from_json(record["recipe"]) == replace(settings, seed=record["seed"])
        assert (record["epochs"], record["weights_of_epoch"]) == (settings.epochs, settings.epochs)
        assert ("--init-from" in record["command"]) == (arm in STARTS) and STARTS.get(arm, "") in record["command"]
        assert record["data"] == ARMS["noise"][0]["data"]
    assert len({record["ten_crop"]["loss"] for record in ARMS[arm]}) == len(SEEDS[arm]), "runs, not one several times"


@pytest.mark.parametrize(
    ("first", "name", "arm"),
    [
        ("start", "from weights", "finetune"),
        ("start", "from noise", "noise"),
        ("start of `owt`", "from a file", "owt-file"),
        ("start of `owt`", "from noise", "owt-noise"),
        ("long start", "from noise, 150 epochs", "long"),
    ],
)
def test_the_tables_have_every_seed_and_the_means(first: str, name: str, arm: str) -> None:
    rows = {row[0]: row[1:] for row in table(FOUND, first)}
    errors = {crops: [record[crops]["top1_error"] for record in ARMS[arm]] for crops in CROPS}
    last = [record["curve"][-1]["train_error"] for record in ARMS[arm]]
    told = [", ".join(map(str, SEEDS[arm])), ", ".join(map(percent, errors["centre_crop"]))]
    told += [f"**{percent(mean(errors[crops]))}**" for crops in CROPS] + [percent(mean(last))]
    assert rows[name] == told


@pytest.mark.parametrize("arms", [("finetune", "noise"), ("owt-file", "owt-noise")])
def test_the_differences_are_arithmetic(arms: tuple[str, str]) -> None:
    weights, noise = centre(arms[0]), centre(arms[1])
    assert not missing(FOUND, f"{100 * (mean(noise) - mean(weights)):.1f} points")
    assert max(weights) < min(noise), "each run from weights is ahead of each from noise"
    assert SEEDS[arms[0]] == SEEDS[arms[1]] == [0, 1, 2]
    found = student([100 * (other - one) for one, other in zip(weights, noise, strict=True)])
    assert found.low is not None and found.high is not None
    assert not missing(FOUND, f"({found.low:.1f} to {found.high:.1f}")


def test_many_epochs_from_noise_end_below_few_from_weights_and_owt_behind() -> None:
    assert mean(centre("long")) < mean(centre("finetune"))
    assert mean(centre("owt-file")) > mean(centre("finetune")) and mean(centre("owt-noise")) > mean(centre("noise"))


def centre(arm: str) -> list[float]:
    return [record["centre_crop"]["top1_error"] for record in ARMS[arm]]


def test_the_network_to_start_from_is_told_as_it_was_measured() -> None:
    assert not missing(PAGE, f"{START['data']['splits']['train']:,}", f"{START['epochs']} epochs")
    assert not missing(
        FOUND, percent(START["centre_crop"]["top1_error"]), f"{START['centre_crop']['images']:,} photographs"
    )


def test_what_was_tried_is_as_recorded() -> None:
    (run,) = TRIED
    assert run["epochs"] == [30, 30] and run["settings"]["lr"] == 0.01 and run["settings"]["holdout"] == 0.25
    usual = EARLIER[3]
    assert recipe(usual["recipe"]).lr == 0.003 and "lr" not in usual["settings"]
    assert not missing(FOUND, percent(run["lowest_val_top1_error"]), percent(usual["lowest_val_top1_error"]))


def test_the_search_from_all_epochs_is_as_recorded() -> None:
    settings = [{*run["settings"]} - {"seed", "holdout", "model"} for run in SEARCH]
    assert settings == [set(), {"last_rate"}, {"layer_rates"}] and SEARCH[1]["settings"]["last_rate"] == 1.0
    ten, one, frozen = (percent(run["lowest_val_top1_error"]) for run in SEARCH)
    sentence = f"{ten} with ten times the rate for the last layer, {one} with its rate that of the others, and {frozen}"
    assert sentence in " ".join(FOUND.split())


def test_every_percentage_of_the_page_is_recorded() -> None:
    known = {
        percent(START["centre_crop"]["top1_error"]),
        percent(read("finetune/start-owt")["centre_crop"]["top1_error"]),
        "24.6 %",
        "19.9 %",
        "3 %",
    }  # of runs without a record: told so
    for records in ARMS.values():
        for crops in CROPS:
            errors = [record[crops]["top1_error"] for record in records]
            known |= {percent(error) for error in (*errors, mean(errors))}
        known.add(percent(mean(record["curve"][-1]["train_error"] for record in records)))
    known |= {percent(run["lowest_val_top1_error"]) for run in (*TRIED, *EARLIER, *SEARCH)}
    assert not percentages(PAGE) - known
