"""Runs that end before or after their number of epochs, and the model that they have meanwhile."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from commanding import alexnet, refusal
from making import tiny_spec
from running import RECIPE, RUNTIME, begin, events, metrics, stop_at

from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.model.variants import VARIANTS
from alexnet.training.events import EpochEnd, Event
from alexnet.training.interrupt import Interrupted
from alexnet.training.run import Run
from alexnet.training.train import Runtime, resume
from alexnet.weights.checkpoint import load_checkpoint
from alexnet.weights.model_dir import load_model

pytestmark = pytest.mark.usefixtures("one_thread")

EVERY_STEP = replace(RUNTIME, save_every=0.0)
Train = Callable[..., Run]


@pytest.fixture
def go(colours: Store, tmp_path: Path) -> Train:
    return partial(begin, store=colours, out=tmp_path / "run")


def interrupted(go: Train, tmp_path: Path, *, epoch: int, step: int = 1, **options: object) -> Run:
    with pytest.raises(Interrupted):
        go(listener=stop_at(signal.SIGINT, epoch=epoch, step=step), **options)
    return Run(tmp_path / "run")


# --- the best so far


def test_a_run_that_was_stopped_has_the_model_of_its_best_epoch(go: Train, tmp_path: Path, colours: Store) -> None:
    run = interrupted(go, tmp_path, epoch=3, recipe=replace(RECIPE, epochs=9))
    errors = [float(row["val_top1_error"]) for row in metrics(run)]
    best = errors.index(min(errors)) + 1
    model = load_model(run.model)
    assert model.provenance["weights_of"] == f"epoch {best} of 9, unfinished, the best of 2 so far"
    kept = load_checkpoint(run.best)["weights"]
    assert all(torch.equal(kept[name], tensor) for name, tensor in model.net.state_dict().items())
    assert model.categories == colours.classes
    result = alexnet("evaluate", run.path, colours.path, "--dtype", "fp32")
    assert f"taking its model, {run.model} (epoch {best} of 9, unfinished, the best of 2 so far)" in result.stderr
    assert load_model(resume(run.path).model).provenance["weights_of"].startswith("epoch ")


def test_before_the_first_epoch_is_over_there_is_no_model_and_it_is_said(go: Train, tmp_path: Path) -> None:
    run = interrupted(go, tmp_path, epoch=1, step=2)
    code, sentence = refusal("predict", run.path, "photograph.jpg")
    assert code == 2
    assert sentence.endswith("is a run directory without a model yet: no epoch of it is finished.")


def test_without_validation_it_is_the_latest(go: Train, three_colours: Store, tmp_path: Path) -> None:
    settings = {"store": three_colours, "spec": tiny_spec(3), "recipe": replace(RECIPE, holdout=0.0)}
    run = interrupted(go, tmp_path, epoch=2, **settings)
    model = load_model(run.model)
    assert model.provenance["weights_of"] == "epoch 1 of 3 and 1 of 3 steps more, unfinished"
    last = load_checkpoint(run.last)["weights"]
    assert all(torch.equal(last[name], tensor) for name, tensor in model.net.state_dict().items())


def test_without_validation_a_run_that_ends_now_says_the_steps_beyond_its_epochs(
    go: Train, three_colours: Store, tmp_path: Path
) -> None:
    settings = {"store": three_colours, "spec": tiny_spec(3), "recipe": replace(RECIPE, holdout=0.0)}
    run = interrupted(go, tmp_path, epoch=3, step=2, **settings)
    last = load_checkpoint(run.last)["weights"]
    resume(run.path, epochs=2)
    model = load_model(run.model)
    assert model.provenance["weights_of"] == "epoch 2 of 2 and 2 of 3 steps more, the last"
    assert all(torch.equal(last[name], tensor) for name, tensor in model.net.state_dict().items())
    resume(run.path, epochs=3)
    assert load_model(run.model).provenance["weights_of"] == "epoch 3 of 3, the last"


# --- the end of a run


def test_a_run_ends_when_no_epoch_was_better_for_long_enough(go: Train) -> None:
    run = go(replace(RECIPE, epochs=30, lr=1e-30, early_stop=3))  # nothing moves, so the first epoch stays the best
    assert len(metrics(run)) == 4
    model = load_model(run.model)
    assert model.provenance["weights_of"] == (
        "epoch 1 of 30, the one with the lowest validation error; ended after epoch 4"
    )
    assert run.read("summary.json")["epochs"] == 4
    assert len(metrics(resume(run.path))) == 4, "it stays ended"
    with pytest.raises(ConfigError, match=r"ended early, as early_stop=3 asks, and does not go on; .* --init-from"):
        resume(run.path, epochs=60)
    assert run.read("recipe.json")["epochs"] == 30
    assert len(metrics(resume(run.path, epochs=4))) == 4


def test_stopping_early_asks_for_validation(go: Train, three_colours: Store) -> None:
    with pytest.raises(ConfigError, match="Stopping early watches the validation error, but there are no"):
        go(replace(RECIPE, early_stop=3, holdout=0.0), store=three_colours, spec=tiny_spec(3))


def test_a_run_goes_on_for_more_epochs_and_the_schedule_is_told(go: Train, colours: Store) -> None:
    run = go(replace(RECIPE, epochs=2))
    assert run.read("summary.json")["epochs"] == 2
    result = alexnet("train", "--resume", run.path, "--epochs", 4)
    assert result.exit_code == 0, result.stderr
    assert len(metrics(run)) == 4
    assert run.read("recipe.json")["epochs"] == 4
    # half a cosine over 4 epochs is at its middle where one over 2 is at its end
    assert (
        "warning: The run ends after 4 epochs now, not after 2; its cosine schedule is made for that number: the rate "
        "goes from 0 to 0.00025."
    ) in " ".join(result.stderr.split())
    assert load_model(run.model).provenance["weights_of"].split(",")[0].endswith("of 4")


def test_a_run_ends_now_with_the_epochs_it_has(go: Train, tmp_path: Path) -> None:
    run = interrupted(go, tmp_path, epoch=3, recipe=replace(RECIPE, epochs=9))
    with pytest.raises(ConfigError, match=r"has finished 2 epochs already; --epochs 2 ends it now"):
        resume(run.path, epochs=1)
    assert run.read("recipe.json")["epochs"] == 9
    resume(run.path, epochs=2)
    assert len(metrics(run)) == 2
    assert run.read("summary.json")["epochs"] == 2
    assert ", the one with the lowest validation error" in load_model(run.model).provenance["weights_of"]


def test_a_run_stops_when_its_minutes_are_over_and_goes_on_later(go: Train, tmp_path: Path, colours: Store) -> None:
    def wait(event: Event) -> None:
        """Lets the clock pass the end of the minutes in the second epoch."""
        if isinstance(event, EpochEnd) and event.epoch == 1:
            clock.append(1e6)

    clock = [0.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alexnet.training.interrupt.time.monotonic", lambda: clock[-1])
        run = go(replace(RECIPE, epochs=3), runtime=replace(RUNTIME, minutes=1.0), listener=wait)
    assert len(metrics(run)) == 1
    assert not (run.path / "summary.json").exists()
    said = [row["text"] for row in events(run) if "text" in row]
    assert said == [f"The time is up after epoch 1, step 1. Go on with: alexnet train --resume {run.path}"]
    assert "epoch 1 of 3, unfinished" in load_model(run.model).provenance["weights_of"]
    whole = begin(replace(RECIPE, epochs=3), store=colours, out=tmp_path / "whole")
    assert metrics(resume(run.path)) == metrics(whole)


def test_minutes_that_are_over_before_an_epoch_leave_a_run_to_resume(
    colours: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(VARIANTS, "tiny", tiny_spec())
    words = ("--recipe", "demo", "--model", "tiny", "--minutes", "0", "--out", "run", "--dtype", "fp32")
    result = alexnet("train", colours.path, *words)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "Run      run, without a model yet: no epoch is finished\n"
    assert "Go on with: alexnet train --resume run" in " ".join(result.stderr.split())


# --- files


def test_the_files_of_a_model_follow_the_umask(go: Train) -> None:
    before = os.umask(0o027)
    try:
        run = go(replace(RECIPE, epochs=1))
    finally:
        os.umask(before)
    assert {oct(file.stat().st_mode & 0o777) for file in run.model.iterdir()} == {"0o640"}


def test_defaults_change_nothing() -> None:
    assert Runtime().minutes is None
    assert (RECIPE.early_stop, RECIPE.class_weights, RECIPE.last_rate) == (None, 0.0, 1.0)
