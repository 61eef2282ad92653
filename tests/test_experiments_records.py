from dataclasses import replace
from pathlib import Path

from experimenting import record, row

from alexnet.experiments.records import Task, digest, digits, read_record, recipe_digest, write_record
from alexnet.training.recipe import Recipe

TASK = Task(row(), "mirror=false", 3)


def test_a_setting_that_comes_later_changes_no_digest() -> None:
    assert recipe_digest(Recipe()) == digest({})
    assert recipe_digest(Recipe(lr=0.02, seed=1)) == digest({"lr": 0.02, "seed": 1})


def test_a_record_is_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.json"
    assert read_record(path) is None
    made = record(TASK)
    write_record(path, made)
    found = read_record(path)
    assert found is not None and found["ranks"] == made["ranks"] and found["windows"] == made["windows"]
    assert len(path.read_text().splitlines()) == len(made) + 2


def test_a_record_has_a_place_of_its_own() -> None:
    searched = replace(TASK, seed=100, rate=0.004, search=True)
    files = [task.file for task in (TASK, replace(TASK, arm="base"), searched)]
    assert files == ["small/mirror=false-3.json", "base/colours-32-3.json", "small/mirror=false-rate0.004-100.json"]


def test_ranks_are_digits_and_9_is_the_tenth_or_later() -> None:
    assert digits([0, 3, 9, 19, 8]) == "03998"
