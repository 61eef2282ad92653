"""What README and docs/flowers17.md say of 17 flowers, held to the records."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from printed import missing, percent, percentages, table

from alexnet.experiments.statistics import student
from alexnet.model.account import account
from alexnet.model.variants import variant
from alexnet.training.recipe import Recipe
from alexnet.training.recipes import recipe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "flowers17.md").read_text(encoding="utf-8")


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return found


NETWORKS = {  # the seeds of `small` by network; what it was chosen with is the second
    name: [read(f"flowers17-{file}-seed{seed}") for seed in (0, 1, 2)]
    for name, file in (("original2012", "small"), ("paper", "paper"))
}
SEEDS = NETWORKS["paper"]
EARLIER, PROGRAM, DTYPES = read("flowers17-earlier-seed0"), read("flowers17-program-seed0"), read("dtypes/flowers17")


def as_run(record: dict[str, Any]) -> Recipe:
    """A record's recipe as this version reads it: settings that came later have the values they had then."""
    return Recipe.from_json(record["recipe"])


@pytest.mark.parametrize("network", NETWORKS)
def test_the_seeds_are_runs_of_one_recipe_that_still_stands(network: str) -> None:
    seeds = NETWORKS[network]
    for seed, record in enumerate(seeds):
        assert as_run(record) == replace(recipe("small"), model=network, seed=seed)
        assert record["photographs"] == {"train": 17 * 64, "val": 0}
        assert record["data"] == seeds[0]["data"]
        # fingerprints are of statistics too, whose last bits were the machine's own when the earlier runs were made
        assert all(record["data"][key] == PROGRAM["data"][key] for key in ("source", "splits"))
    assert len({record["ten_crop"]["loss"] for record in seeds}) == len(seeds), "three runs, not one three times"


def test_small_takes_the_network_of_its_seeds() -> None:
    assert recipe("small").model == next(iter(NETWORKS)) == "original2012"


CROPS = ("centre_crop", "ten_crop")
TOLD = [("README", "original2012", crops) for crops in CROPS] + [("README", "paper", "ten_crop")]
TOLD += [("the page", network, crops) for network in NETWORKS for crops in CROPS]


@pytest.mark.parametrize(("where", "network", "crops"), TOLD)
def test_mean_and_spread_are_those_of_the_seeds(where: str, network: str, crops: str) -> None:
    errors = [record[crops]["top1_error"] for record in NETWORKS[network]]
    text = README if where == "README" else PAGE
    assert not missing(text, percent(mean(errors)), percent(min(errors)), percent(max(errors)))


@pytest.mark.parametrize("crops", CROPS)
def test_three_seeds_cannot_tell_the_networks_apart(crops: str) -> None:
    pairs = zip(*NETWORKS.values(), strict=True)
    found = student([one[crops]["top1_error"] - other[crops]["top1_error"] for one, other in pairs])
    assert found.n == 3 and found.sign == 0


def test_weights_photographs_and_standard_errors_are_arithmetic() -> None:
    images = SEEDS[0]["ten_crop"]["images"]
    error_of = {error: 100 * (error * (1 - error) / images) ** 0.5 for error in (0.15, 0.16, 0.19, 0.33)}
    assert not missing(PAGE, str(images), "15 %", f"{error_of[0.15]:.1f} %")
    assert all(round(error_of[error]) in (2, 3) for error in error_of)
    assert not missing(PAGE, str(images), "2 to 3 %")
    weights = account(variant("paper", classes=17)).total("parameters")
    assert not missing(PAGE, f"{weights / 1e6:.0f} million", f"{SEEDS[0]['photographs']['train']:,}")


@pytest.mark.parametrize("network", NETWORKS)
def test_the_mean_is_what_was_asked_for(network: str) -> None:
    assert mean(record["ten_crop"]["top1_error"] for record in NETWORKS[network]) <= 0.17


def test_the_earlier_use_of_the_test_photographs_is_told() -> None:
    assert not missing(PAGE, percent(EARLIER["ten_crop"]["top1_error"]), "flowers17-earlier-seed0.json")
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
    assert as_run(PROGRAM) == replace(recipe("flowers17"), epochs=PROGRAM["epochs"])
    made, epochs = PROGRAM["photographs"], recipe("flowers17").epochs
    hours = PROGRAM["training_seconds"] / PROGRAM["epochs"] * epochs / 3600
    ours, theirs = (account(variant(name)).total("macs") for name in ("paper", "tflearn"))
    errors = [percent(PROGRAM[crops]["top1_error"]) for crops in ("centre_crop", "ten_crop")]
    assert not missing(PAGE, str(PROGRAM["epochs"]), f"{epochs:,}", str(made["train"]), str(made["val"]))
    assert not missing(PAGE, f"{theirs / ours:.1f} times")
    assert not missing(PAGE, *errors, f"{hours:.1f} hours")


def test_bf16_is_compared_with_fp32_as_recorded() -> None:
    errors, means = DTYPES["val_top1_error"], DTYPES["means"]
    for dtype in ("fp32", "bf16"):
        assert not missing(PAGE, dtype, ", ".join(map(percent, errors[dtype].values())))
        assert list(errors[dtype]) == ["0", "1", "2"][: len(errors[dtype])]
    assert not missing(PAGE, percent(means["fp32"]), percent(means["bf16"]))
    assert DTYPES["within"] is True
    assert as_run(DTYPES) == replace(recipe("small"), model="paper", epochs=16, warmup=3.0, holdout=0.25)
    assert not missing(PAGE, "16 epochs")


def test_every_percentage_of_the_page_is_recorded_or_computed() -> None:
    known = {"15 %", "3 %"}  # of the standard errors
    known |= {f"{100 * (0.15 * 0.85 / SEEDS[0]['ten_crop']['images']) ** 0.5:.1f} %"}
    for record in (*NETWORKS["original2012"], *SEEDS, EARLIER, PROGRAM):
        known |= {percent(record[crops]["top1_error"]) for crops in ("centre_crop", "ten_crop")}
        for point in record.get("curve", ()):
            known |= {percent(point[name]) for name in ("train_error", "val_top1_error") if name in point}
    for seeds in NETWORKS.values():
        known |= {percent(mean(each[crops]["top1_error"] for each in seeds)) for crops in ("centre_crop", "ten_crop")}
    for tried in read("search/flowers17-rates")["runs"]:
        known |= {percent(tried["last"][name]) for name in ("train_error", "val_top1_error")}
    found = [*DTYPES["val_top1_error"]["fp32"].values(), *DTYPES["val_top1_error"]["bf16"].values()]
    known |= set(map(percent, [*found, *DTYPES["means"].values()]))
    assert not percentages(PAGE) - known
