"""The race against torchvision: who gets which photographs, rate and epochs. No program runs here."""

import argparse
from pathlib import Path
from typing import Any

import pytest
import race

ERRORS = {0.003: 0.5, 0.006: 0.3, 0.012: 0.4, 0.01: 0.2, 0.03: 0.6}  # on held-out photographs, by rate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of 21 photographs of each of two classes, and one of each to test."""
    for split, count in (("train", 21), ("val", 1)):
        for group in ("cat", "dog"):
            (tmp_path / "set" / split / group).mkdir(parents=True)
            for number in range(count):
                (tmp_path / "set" / split / group / f"{number:02d}.jpg").write_text(f"{split} {group} {number}")
    return tmp_path / "set"


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What the programs were asked for. They begin after a minute; an epoch takes 7 minutes and 3 seconds."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def told(name: str, settings: dict[str, Any]) -> list[dict[str, Any]]:
        if "measure" in settings:
            rate = next(each["lr"] for _, each in reversed(asked) if "lr" in each)
            return [
                {"minutes": 7.0, "wrong": 90, "images": 100},
                {"minutes": 8.0, "wrong": 100 * ERRORS[rate], "images": 100},
            ]
        asked.append((name, settings))
        epochs = min(settings["epochs"], (settings["minutes"] - 1) / 7.05)
        return [{"minutes": 1 + 7.05 * each, "epochs": each, "train_loss": 1.0} for each in (epochs / 2, epochs)]

    monkeypatch.setattr(race, "told", told)
    monkeypatch.setattr(race, "circumstances", lambda arguments: {"commit": "0" * 40})
    return asked


def arguments(folder: Path, tmp_path: Path, **given: Any) -> argparse.Namespace:
    usual = {"path": folder, "work": tmp_path / "work", "epochs": 3, "minutes": 60.0, "threads": 2}
    return argparse.Namespace(**usual, record=tmp_path / "race.json", **given)


def test_the_first_of_every_ten_is_held_out(folder: Path, tmp_path: Path) -> None:
    race.held_out(folder, tmp_path / "halves")
    for group in ("cat", "dog"):
        val = sorted(path.name for path in (tmp_path / "halves" / "val" / group).iterdir())
        train = sorted(path.name for path in (tmp_path / "halves" / "train" / group).iterdir())
        assert val == ["00.jpg", "10.jpg", "20.jpg"] and len(train) == 18 and not set(val) & set(train)


def test_all_rates_are_searched_once(folder: Path, tmp_path: Path, heard: list[tuple[str, dict[str, Any]]]) -> None:
    record: dict[str, Any] = {}
    race.search(arguments(folder, tmp_path), record)
    tried = [(name, settings["lr"]) for name, settings in heard]
    assert tried == [(name, rate) for name, rates in race.RATES.items() for rate in rates]
    assert record["search"]["ours"]["0.006"] == {"error": 0.3, "minutes": 1 + 7.05 * 3}
    race.search(arguments(folder, tmp_path), record)
    assert len(heard) == len(tried), "those on record stay"


def test_a_pilot_without_a_pace_is_said_so() -> None:
    with pytest.raises(SystemExit, match="--minutes"):
        race.fitting([{"minutes": 1.0, "epochs": 0.5}], 60)


def test_each_races_at_its_best_rate_for_the_epochs_that_fit(
    folder: Path, tmp_path: Path, heard: list[tuple[str, dict[str, Any]]]
) -> None:
    record: dict[str, Any] = {}
    race.search(arguments(folder, tmp_path), record)
    heard.clear()
    found = race.race(arguments(folder, tmp_path), record["search"])
    runs = [(name, settings["lr"], settings["epochs"], settings["minutes"]) for name, settings in heard]
    assert runs == [
        *(("ours", 0.006, 90, 3.0), ("ours", 0.006, 9, 60.0)),
        *(("torchvision", 0.01, 90, 3.0), ("torchvision", 0.01, 9, 60.0)),
    ], "after a minute, 8.4 epochs of 7.05 minutes fit: the clock ends the ninth"
    assert not any("channels_last" in settings for _, settings in heard), "the reference has no such flag"
    assert found["torchvision"]["points"][-1]["wrong"] == 20
    assert (tmp_path / "work" / "race" / "test").resolve() == (folder / "val").resolve()
