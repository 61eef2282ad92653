import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from asking import Service, serving
from making import tiny_model
from test_show_curves import run

from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.model.device import place
from alexnet.serve.following import remark, state
from alexnet.serve.problems import Problem
from alexnet.serve.service import Service as Served
from alexnet.serve.settings import Settings
from alexnet.weights.model_dir import save_model


def add(path: Path, **event: Any) -> None:
    with open(path / "log.jsonl", "a") as file:
        file.write(json.dumps(event) + "\n")


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_a_number_that_is_not_finite_is_null(colours: Store, tmp_path: Path, text: str) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    path = run(tmp_path / "run", [0.5, 0.25])
    table = (path / "metrics.csv").read_text()
    (path / "metrics.csv").write_text(table.replace("2,0.01,0.5,", f"2,0.01,{text},"))
    add(path, event="StepEnd", epoch=3, loss=float(text), seconds_left=float(text))
    with serving(tmp_path / "model", tmp_path / "log", run=path) as service:
        answer = service.ask("/v1/run")
        assert answer.status == 200
        told = json.loads(answer.body, parse_constant=pytest.fail)
        assert [row["train_loss"] for row in told["rows"]] == [1.0, None]
        damaged(service, path)


def damaged(service: Service, path: Path) -> None:
    """What is damaged is said, and no folder of this machine."""
    for name, text in (("metrics.csv", "3,abc\n"), ("log.jsonl", '{"event": 5}\n'), ("log.jsonl", "{]\n")):
        whole = (path / name).read_text()
        (path / name).write_text(whole + text)
        answer = service.ask("/v1/run")
        assert (answer.status, answer.json["code"]) == (500, "damaged_run")
        assert ("is damaged" in answer.json["detail"]) is (name == "metrics.csv")
        assert name == "metrics.csv" or "The log of the run run cannot be read: line" in answer.json["detail"]
        assert str(path.parent) not in answer.json["detail"]
        (path / name).write_text(whole)
    assert service.ask("/v1/run").status == 200


def test_a_line_that_is_being_written_is_no_damage(tmp_path: Path) -> None:
    path = run(tmp_path / "run", [0.5])
    with open(path / "log.jsonl", "a") as file:
        file.write('{"event": "StepEnd", "epoch": 2, "more": {"a": 1}')
    assert state(path, 0)["state"] == "running"


def test_a_log_that_is_no_file_is_a_sentence(tmp_path: Path) -> None:
    path = run(tmp_path / "run", [0.5])
    (path / "log.jsonl").unlink()
    (path / "log.jsonl").symlink_to("/dev/zero")
    with pytest.raises(Problem, match="The log of the run run cannot be read: it is no regular file"):
        state(path, 0)


def test_what_is_no_run_is_not_followed(colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    (tmp_path / "file").write_text("x")
    for path, words in (
        (colours.path, "is not a run directory, but a store; give"),
        (tmp_path / "model", "is not a run directory, but a model directory; give"),
        (tmp_path / "file", "is not a run directory: it has no run.json; give"),
        (tmp_path, "is not a run directory: it has no run.json; give"),
    ):
        with pytest.raises(ConfigError, match=words):
            Served(tmp_path / "model", place("cpu", "fp32"), Settings(), path)


def test_a_run_that_has_not_begun_is_waited_for_and_that_is_said(colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "later", tmp_path / "no" / "later", tmp_path / "empty"):
        service = Served(tmp_path / "model", place("cpu", "fp32"), Settings(), path)
        assert service.remarks == [f"There is no run at {path} yet; it is shown when it has begun."]
        assert state(path, 0)["state"] == "not begun"
    assert remark(run(tmp_path / "run", [])) == "" and state(tmp_path / "run", 0)["rows"] == []


def silent_for(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path / "log.jsonl", (then, then))


def test_a_run_of_few_steps_an_epoch_is_in_the_epoch_after_its_last_row(tmp_path: Path) -> None:
    begun = run(tmp_path / "begun", [])
    add(begun, event="Started", epochs=9, train_images=100)
    assert (state(begun, 0)["epoch"], state(begun, 0)["seconds_left"]) == (1, None)
    path = run(tmp_path / "run", [0.5, 0.25])
    add(path, event="Started", epochs=9, train_images=100)
    told = state(path, 2)
    assert (told["state"], told["epoch"], told["epochs"], told["rows"]) == ("running", 3, 9, [])
    assert told["seconds_left"] == 7 * 1800.0
    add(path, event="StepEnd", epoch=2, seconds_left=5.0)  # of the epoch that has its row
    assert (state(path, 0)["epoch"], state(path, 0)["seconds_left"]) == (3, 7 * 1800.0)
    add(path, event="StepEnd", epoch=3, seconds_left=60.5)
    assert (state(path, 0)["epoch"], state(path, 0)["seconds_left"]) == (3, 60.5)
    add(path, event="Started", epochs=2, train_images=100)  # taken up again, for fewer epochs
    assert (state(path, 0)["epoch"], state(path, 0)["seconds_left"]) == (2, 0.0)


def test_a_run_that_stopped_early_is_in_its_last_epoch(tmp_path: Path) -> None:
    path = run(tmp_path / "run", [0.5, 0.25])
    add(path, event="Started", epochs=9, train_images=100)
    add(path, event="Finished")
    told = state(path, 0)
    assert (told["state"], told["epoch"], told["seconds_left"]) == ("finished", 2, None)


def test_a_run_is_silent_after_five_minutes_and_twice_its_last_epoch(tmp_path: Path) -> None:
    path = run(tmp_path / "run", [])
    for seconds, expected in ((290, "running"), (310, "silent")):
        silent_for(path, seconds)
        assert state(path, 0)["state"] == expected
    slow = run(tmp_path / "slow", [0.5])  # an epoch of 1800 seconds
    for seconds, expected in ((3500, "running"), (3700, "silent")):
        silent_for(slow, seconds)
        assert state(slow, 0)["state"] == expected
