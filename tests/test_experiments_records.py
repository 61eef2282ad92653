import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from experimenting import record, row

from alexnet.errors import DataError
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
    assert found is not None and all(found[key] == made[key] for key in ("ranks", "windows", "recipe"))
    assert len(path.read_text().splitlines()) == len(made) + 2


def test_many_digits_are_packed_and_a_changed_record_is_no_record(tmp_path: Path) -> None:
    path, made = tmp_path / "a.json", record(TASK)
    generator = random.Random(0)
    made["ranks"] = "".join(str(generator.choice(range(10))) for _ in range(9000))
    made["counts"] = {"fc7": "0123" * 100}
    write_record(path, made)
    text = path.read_text()
    assert len(text) < 9000 and '"mirror": false' in text and '"momentum"' not in text
    found = read_record(path)
    assert found is not None and (found["ranks"], found["counts"]) == (made["ranks"], made["counts"])
    packed = json.loads(text)["ranks"]
    for other in (packed[:-20], "b85:" + "\u2028" * 9, "b85:AAAA"):
        path.write_text(text.replace(json.dumps(packed), json.dumps(other)))
        with pytest.raises(DataError, match="cannot be unpacked"):
            read_record(path)


def test_a_record_has_a_place_of_its_own() -> None:
    searched = replace(TASK, seed=100, rate=0.004, search=True)
    files = [task.file for task in (TASK, replace(TASK, arm="base"), searched)]
    assert files == ["small/mirror=false-3.json", "base/colours-32-3.json", "small/mirror=false-rate0.004-100.json"]


def test_ranks_are_digits_and_9_is_the_tenth_or_later() -> None:
    assert digits([0, 3, 9, 19, 8]) == "03998"
