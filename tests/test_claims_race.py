"""What README and docs/race.md say of the race, held to its record."""

import json
from pathlib import Path
from typing import Any

import pytest
import race
from printed import missing, percent, table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "race.md").read_text(encoding="utf-8")
RECORD: dict[str, Any] = json.loads((ROOT / "results" / "race" / "imagenette.json").read_text(encoding="utf-8"))
RACE, SEARCH = RECORD["race"], RECORD["search"]


def error(point: dict[str, Any]) -> float:
    found: float = point["wrong"] / point["images"]
    return found


def test_the_rates_are_those_of_the_search() -> None:
    rows = table(PAGE, "program")
    found = [
        (race.NAMES[name], rate, percent(tried["error"])) for name in race.NAMES for rate, tried in SEARCH[name].items()
    ]
    assert [tuple(row) for row in rows] == found and len(found) == 6
    for name in race.NAMES:
        best = min(SEARCH[name], key=lambda rate, name=name: SEARCH[name][rate]["error"])
        assert RACE[name]["rate"] == float(best)
    assert SEARCH["epochs"] == 3 and SEARCH["seed"] == race.SEARCH_SEED != RACE["seed"]


@pytest.mark.parametrize("name", race.NAMES)
def test_the_curve_is_of_the_whole_time_and_of_all_test_photographs(name: str) -> None:
    half = RACE[name]
    minutes = [point["minutes"] for point in half["points"]]
    assert minutes == sorted(minutes) and RACE["minutes"] - 1 < minutes[-1] < RACE["minutes"] + 0.5
    assert len(minutes) >= race.POINTS - 1 and {point["images"] for point in half["points"]} == {3925}
    assert [point["minutes"] for point in half["told"]] == pytest.approx(minutes, abs=0.001)
    assert half["epochs"] - 1.5 < half["told"][-1]["epochs"] <= half["epochs"]


def test_the_pages_have_the_ends_of_both() -> None:
    ends = [percent(error(RACE[name]["points"][-1])) for name in race.NAMES]
    epochs = [f"{RACE[name]['epochs']} epochs" for name in race.NAMES]
    assert not missing(PAGE, *ends, *epochs, f"{RACE['minutes']:g} minutes")
    assert not missing(README, *ends, f"{RACE['minutes']:g} minutes")
    assert f"commit {RACE['commit'][:7]}" in PAGE


def test_the_pages_say_when_one_is_where_the_other_ends() -> None:
    ends = {name: error(RACE[name]["points"][-1]) for name in race.NAMES}
    ahead, behind = sorted(race.NAMES, key=ends.__getitem__)
    passed = next(point["minutes"] for point in RACE[ahead]["points"] if error(point) <= ends[behind])
    for text in (README, PAGE):
        assert not missing(text, f"after {passed:.0f} minutes", percent(ends[behind]))


def test_the_page_says_how_far_each_came() -> None:
    met = {name: RACE[name]["told"][-1]["epochs"] for name in race.NAMES}
    between = [100 * (two[1] - two[0]) for two in (sorted(r["error"] for r in SEARCH[n].values()) for n in race.NAMES)]
    best, held_out = SEARCH["ours"][f"{RACE['ours']['rate']:g}"]["error"], 953
    tried = [one["error"] for name in race.NAMES for one in SEARCH[name].values()]
    assert [held_out * each for each in tried] == pytest.approx([round(held_out * each) for each in tried], abs=1e-6)
    spread = f"standard error of {100 * (best * (1 - best) / held_out) ** 0.5:.1f}"
    assert not missing(PAGE, f"{between[0]:.1f} and {between[1]:.1f} points", f"{held_out}", percent(best), spread)
    assert 35 - 100 * error(RACE["torchvision"]["points"][-1]) > 7, "better than expected by more than seven points"
    epochs, wrong = next(
        (told["epochs"], error(point))
        for told, point in zip(RACE["ours"]["told"], RACE["ours"]["points"], strict=True)
        if told["epochs"] > RACE["ours"]["epochs"] / 3
    )
    ratio = f"{met['ours'] / met['torchvision']:.1f} times"
    assert not missing(PAGE, ratio, f"{epochs:.0f} epochs", percent(wrong))


def test_the_figure_is_drawn_from_the_record(tmp_path: Path) -> None:
    race.draw(RACE, tmp_path / "race.svg")
    drawn, kept = ((folder / "race.svg").read_text(encoding="utf-8") for folder in (tmp_path, ROOT / "docs"))
    assert drawn == kept
