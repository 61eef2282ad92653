import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from experimenting import RUNTIME, places, row

from alexnet.data.store import Store
from alexnet.errors import DataError
from alexnet.evaluation.evaluate import evaluate
from alexnet.evaluation.metrics import ranks
from alexnet.experiments import conduct as conducting
from alexnet.experiments.conduct import Enough, conduct, watching
from alexnet.experiments.design import EPOCHS, Arm, Stop
from alexnet.experiments.records import Task, digits, read_record
from alexnet.model.device import place
from alexnet.training import state
from alexnet.training.events import Event, StepEnd, WindowEnd
from alexnet.weights.model_dir import Model, load_model

TIMES = {"seconds", "cpu_seconds", "pieces", "environment", "commit"}
TASK = Task(row(), "mirror=false", 0)


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of 40 photographs, which the three batches of an epoch fill."""
    monkeypatch.setattr(state, "WINDOW", 40)


def numbers(record: Any) -> dict[str, Any]:
    """A record without what differs from run to run of the same."""
    return {key: value for key, value in record.items() if key not in TIMES}


def test_a_record_says_what_was_run_and_what_came_out(colours: Store, tmp_path: Path) -> None:
    where = places(colours, tmp_path)
    record = conduct(TASK, where, RUNTIME)
    assert record is not None and record == read_record(where.record(TASK))
    assert (record["experiment"], record["arm"], record["seed"], record["ended"]) == (
        "small",
        "mirror=false",
        0,
        "finished",
    )
    test, train = record["test"], record["train"]
    assert test is not None and train is not None
    assert (test["images"], train["images"], len(record["ranks"])) == (11, 42, 11)
    wrong = sum(digit != "0" for digit in record["ranks"])
    assert wrong / 11 == test["top1_error"]
    ten = record["ten_crop"]
    assert ten is not None and ten["loss"] != test["loss"] and record["ten_crop_ranks"] == ""
    base = conduct(replace(TASK, arm="base"), where, RUNTIME)
    assert base is not None and (ten := base["ten_crop"]) is not None
    assert sum(digit != "0" for digit in base["ten_crop_ranks"]) / 11 == ten["top1_error"]
    found: list[int] = []
    model = where.run(TASK) / "model"
    evaluate(model, colours, split="test", answers=lambda paths, p, labels: found.extend(ranks(p, labels).tolist()))
    assert record["ranks"] == digits(found) != digits(found[::-1])
    assert [place for place, _ in record["windows"]] == [1.0, 2.0] and record["epochs"] == 2.0
    assert all(0 < error < 1 for _, error in record["windows"])
    assert record["recipe"]["mirror"] is False and record["network"] == "cifar_four"
    assert record["seconds"] > 0 and record["cpu_seconds"] > 0 and record["pieces"] == 1
    assert str(tmp_path) not in where.record(TASK).read_text()


def test_a_run_that_was_stopped_gives_the_same_record(
    colours: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = conduct(TASK, places(colours, tmp_path / "whole"), RUNTIME)
    where = places(colours, tmp_path / "stopped")
    assert conduct(TASK, where, replace(RUNTIME, minutes=0.0)) is None
    assert not where.record(TASK).exists()

    class KilledError(Exception):
        pass

    def kill(event: Event) -> None:
        if isinstance(event, StepEnd) and event.epoch == 2:
            raise KilledError

    with pytest.raises(KilledError):
        conduct(TASK, where, replace(RUNTIME, save_every=0.0), kill)
    monkeypatch.setattr(conducting, "train", None)  # nothing is begun anew
    again = conduct(TASK, where, RUNTIME)
    assert again is not None and whole is not None
    assert numbers(again) == numbers(whole) and again["pieces"] == 3


def test_a_command_is_told_without_places() -> None:
    assert conducting.without_places(["/opt/bin/alexnet", "experiment", "--data", "/data/a.store"]) == (
        "alexnet experiment --data a.store"
    )


def test_what_is_on_record_is_not_run_again(colours: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = places(colours, tmp_path)
    first = conduct(TASK, where, RUNTIME)
    monkeypatch.setattr(conducting, "train", None)
    assert conduct(TASK, where, RUNTIME) == first


def test_a_record_of_another_run_is_refused_with_both_values(colours: Store, tmp_path: Path) -> None:
    where = places(colours, tmp_path)
    conduct(TASK, where, RUNTIME)
    other = replace(TASK, experiment=row(arms=(Arm("mirror=false", {"mirror": "false", "lr": "0.02"}),)))
    with pytest.raises(DataError, match=r"it has lr 0\.01, not 0\.02\. Give another --out"):
        conduct(other, where, RUNTIME)
    with pytest.raises(DataError, match="dtype 'fp32', not 'bf16'"):
        conducting.recorded(TASK, where, colours, place("cpu", "bf16"))
    wider = replace(TASK, experiment=row(bench=replace(row().bench, input_size=48)))
    with pytest.raises(DataError, match=r"spec '[0-9a-f]{12}', not '[0-9a-f]{12}'"):
        conduct(wider, where, RUNTIME)


def test_a_record_that_was_changed_is_refused(colours: Store, tmp_path: Path) -> None:
    where = places(colours, tmp_path)
    conduct(TASK, where, RUNTIME)
    path = where.record(TASK)
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, "identity": {**plain["identity"], "dtype": "bf16"}}))
    with pytest.raises(DataError, match="was changed"):
        read_record(path)
    path.write_text(json.dumps({**plain, "sed": 1}))
    with pytest.raises(DataError, match="sed is unknown; was 'seed' meant"):
        read_record(path)


def test_a_run_for_its_curve_ends_at_its_level_or_cap(colours: Store, tmp_path: Path) -> None:
    capped = row(outcome=EPOCHS, levels=(0.001,), stop=Stop(0.001, 1.0))
    record = conduct(Task(capped, "mirror=false", 0), places(colours, tmp_path / "cap"), RUNTIME)
    assert record is not None
    assert (record["ended"], len(record["windows"]), record["test"], record["ranks"]) == ("cap", 1, None, "")
    assert record["epochs"] == record["windows"][0][0] == 1.0
    easy = replace(capped, stop=Stop(0.999, 2.0))
    record = conduct(Task(easy, "mirror=false", 0), places(colours, tmp_path / "level"), RUNTIME)
    assert record is not None and record["ended"] == "level"


def test_a_window_shows_enough_at_the_level_or_at_the_cap() -> None:
    task = Task(row(outcome=EPOCHS, levels=(0.25,), stop=Stop(0.25, 2.0)), "mirror=false", 0)
    heard: list[Event] = []
    tell = watching(task, 10_000, heard.append)
    tell(WindowEnd(10_112, 1.0, 0.3))
    for window, how in ((WindowEnd(10_112, 1.0, 0.25), "level"), (WindowEnd(20_000, 1.0, 0.3), "cap")):
        with pytest.raises(Enough, match=how):
            tell(window)
    assert len(heard) == 3
    watching(TASK, 10_000, heard.append)(WindowEnd(10**9, 1.0, 0.0))


def test_a_run_that_diverged_has_a_record(colours: Store, tmp_path: Path) -> None:
    wild = row(arms=(Arm("mirror=false", {"mirror": "false", "lr": "1e30"}),))
    record = conduct(replace(TASK, experiment=wild), places(colours, tmp_path), RUNTIME)
    assert record is not None and (record["ended"], record["test"]) == ("diverged", None)


def test_a_store_of_another_side_is_refused(colours: Store, tmp_path: Path) -> None:
    small = row(bench=replace(row().bench, side=72))
    with pytest.raises(DataError, match="has photographs of 256 pixels, and small takes 72: make a store with alexnet"):
        conduct(replace(TASK, experiment=small), places(colours, tmp_path), RUNTIME)


def test_a_run_whose_model_answers_nan_diverged_too(
    colours: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> Model:
        model = load_model(path)
        with torch.no_grad():
            next(model.net.parameters()).fill_(torch.nan)
        return model

    monkeypatch.setattr(conducting, "load_model", broken)
    record = conduct(TASK, places(colours, tmp_path), RUNTIME)
    assert record is not None and (record["ended"], record["test"]) == ("diverged", None)


def test_a_run_that_diverges_before_its_first_window_has_no_epochs_behind_it(colours: Store, tmp_path: Path) -> None:
    hot = row(arms=(Arm("lr=1e30", {"lr": "1e30"}),))
    record = conduct(Task(hot, "lr=1e30", 0), places(colours, tmp_path), RUNTIME)
    assert record is not None
    assert (record["ended"], record["windows"], record["epochs"]) == ("diverged", [], 0.0)
