import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import running
import torch
from making import Colours, tiny_recipe, tiny_spec, tiny_store
from running import RECIPE, RUNTIME, begin, difference, events, stop_at

from alexnet.data.store import Store
from alexnet.errors import AlexNetError, ConfigError, DataError, WeightsError
from alexnet.locking import BusyError
from alexnet.training.circle import Circle
from alexnet.training.events import Event, Started, StepEnd
from alexnet.training.interrupt import Interrupted
from alexnet.training.run import Run
from alexnet.training.team import Team
from alexnet.training.train import Runtime, resume
from alexnet.weights.checkpoint import load_checkpoint, save_checkpoint
from alexnet.weights.model_dir import load_model

Train = Callable[..., Run]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def go(colours: Store, tmp_path: Path) -> Train:
    return partial(begin, store=colours, out=tmp_path / "run")


@pytest.fixture(scope="module")
def whole(colours: Store, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nothing disturbed."""
    return begin(store=colours, out=tmp_path_factory.mktemp("whole") / "run")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_stopped_in_the_middle_of_an_epoch_goes_on_bit_for_bit(whole: Run, go: Train, number: int) -> None:
    with pytest.raises(Interrupted, match=r"after epoch 1, step 3; go on with: alexnet train --resume .*run") as caught:
        go(listener=stop_at(number, epoch=2, step=3))
    run = Run(Path(str(caught.value).rpartition(" ")[2]))
    assert caught.value.exit_code == 128 + number
    assert "unfinished" in load_model(run.model).provenance["weights_of"]
    told: list[Event] = []
    assert resume(run.path, listener=told.append) == run
    assert difference(whole, run) == set()
    (started,) = [event for event in told if isinstance(event, Started)]
    assert (started.epoch, started.step) == (1, 3)


def test_a_run_stopped_again_and_again_goes_on_bit_for_bit(whole: Run, go: Train) -> None:
    with pytest.raises(Interrupted) as caught:
        go(listener=stop_at(signal.SIGTERM, epoch=1, step=1))
    path = Path(str(caught.value).rpartition(" ")[2])
    for epoch, step in ((1, 2), (1, 6), (3, 5)):
        with pytest.raises(Interrupted):
            resume(path, listener=stop_at(signal.SIGTERM, epoch=epoch, step=step))
    assert difference(whole, resume(path)) == set()
    assert [line["epoch"] for line in events(Run(path)) if line["event"] == "EpochEnd"] == [1, 2, 3]


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_run_without_validation_goes_on_bit_for_bit(three_colours: Store, tmp_path: Path, dtype: str) -> None:
    """Its network is in its place for the model after every epoch: that must leave the checkpoint's weights alone."""
    spec, runtime = tiny_spec(3), replace(RUNTIME, dtype=dtype)
    recipe = replace(RECIPE, holdout=0.0)
    train = partial(begin, recipe, store=three_colours, spec=spec, runtime=runtime)
    never = train(out=tmp_path / "never")
    with pytest.raises(Interrupted):
        train(out=tmp_path / "run", listener=stop_at(signal.SIGTERM, epoch=2, step=2))
    assert difference(never, resume(tmp_path / "run", runtime=runtime)) == set()


def test_a_finished_run_resumed_is_the_same(whole: Run, tmp_path: Path) -> None:
    shutil.copytree(whole.path, tmp_path / "copy")
    told: list[Event] = []
    run = resume(tmp_path / "copy", listener=told.append)
    assert difference(whole, run) == set()
    assert not [event for event in told if isinstance(event, StepEnd)]


class Child:
    """A training process that waits after it has saved its state at an epoch and step."""

    def __init__(self, store: Store, out: Path, epoch: int, step: int) -> None:
        program = Path(running.__file__)
        command = [sys.executable, str(program), str(store.path), str(out), str(epoch), str(step)]
        environment = {**os.environ, "PYTHONPATH": str(program.parents[1])}
        self.run = Run(out)
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def wait_until_here(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "here\n"

    def end(self) -> str:
        """Lets it go on; what it has to say before it ends."""
        return self.process.communicate("\n")[0]


@pytest.fixture(scope="module")
def children(colours: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Child]]:
    """Three processes, started at once: most of their time is that of importing PyTorch."""
    folder = tmp_path_factory.mktemp("children")
    started = {name: Child(colours, folder / name, 1, 4) for name in ("KILL", "TERM", "INT")}
    yield started
    for child in started.values():
        child.process.kill()
        child.process.communicate()


def test_a_run_that_was_killed_goes_on_bit_for_bit(whole: Run, children: dict[str, Child]) -> None:
    child = children["KILL"]
    child.wait_until_here()
    child.process.kill()
    assert child.process.wait() == -signal.SIGKILL
    (child.run.last.parent / ".last.pt.tmp").write_bytes(b"what a kill in the middle of writing leaves behind")
    assert difference(whole, resume(child.run.path)) == set()
    assert sorted(file.name for file in child.run.last.parent.iterdir()) == ["best.pt", "last.pt"]


@pytest.mark.parametrize(("name", "code"), [("TERM", 143), ("INT", 130)])
def test_a_process_told_to_stop_saves_and_says_how_to_go_on(
    whole: Run, children: dict[str, Child], name: str, code: int
) -> None:
    child = children[name]
    child.wait_until_here()
    child.process.send_signal(signal.Signals[f"SIG{name}"])
    said = child.end()
    assert said == f"Stopped after epoch 1, step 4; go on with: alexnet train --resume {child.run.path}\n"
    assert child.process.returncode == code
    assert difference(whole, resume(child.run.path)) == set()


def test_a_run_that_another_process_trains_is_left_alone(whole: Run, tmp_path: Path) -> None:
    shutil.copytree(whole.path, tmp_path / "run")
    with (
        Run(tmp_path / "run").held(),
        pytest.raises(BusyError, match=f"Process {os.getpid()} is training in .*run now"),
    ):
        resume(tmp_path / "run")
    assert difference(whole, resume(tmp_path / "run")) == set()
    assert not [file.name for file in (tmp_path / "run").iterdir() if file.name.startswith(".")]


def test_a_run_may_be_resumed_where_its_store_has_moved(whole: Run, colours: Store, tmp_path: Path) -> None:
    shutil.copytree(whole.path, tmp_path / "run")
    shutil.copytree(colours.path, tmp_path / "moved")
    told = Run(tmp_path / "run").read("run.json")
    Run(tmp_path / "run").write("run.json", {**told, "data": str(tmp_path / "gone")})
    with pytest.raises(
        DataError, match=r"There is no store at .*gone, .*; if it has moved, name its place with --data"
    ):
        resume(tmp_path / "run")
    assert difference(whole, resume(tmp_path / "run", data=tmp_path / "moved")) == set()
    assert Run(tmp_path / "run").read("run.json") == {**told, "data": str(tmp_path / "moved")}
    assert difference(whole, resume(tmp_path / "run")) == set(), "it is found there from now on"


def test_another_store_is_refused(whole: Run, tmp_path: Path) -> None:
    tiny_store(tmp_path / "other", Colours({"train": 12, "val": 6}))
    with pytest.raises(ConfigError, match=r"other is not the store that .* was trained on: .*--data"):
        resume(whole.path, data=tmp_path / "other")
    assert whole.read("run.json")["data"] != str(tmp_path / "other")


def test_what_cannot_be_resumed_is_a_sentence(whole: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere is not a run directory"):
        resume(tmp_path / "nowhere")
    shutil.copytree(whole.path, tmp_path / "run")
    run = Run(tmp_path / "run")
    content = run.last.read_bytes()
    run.last.write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=r"last\.pt is damaged"):
        resume(run.path)
    run.last.unlink()
    with pytest.raises(WeightsError, match=r"no checkpoint at .*last\.pt: it was lost, or the run stopped before"):
        resume(run.path)


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "shape": lambda content: content["weights"].update({"fc2.bias": torch.zeros(3)}),
    "missing": lambda content: content["velocity"].pop("fc2.bias"),
    "broadcast": lambda content: content["velocity"].update({"fc2.bias": torch.zeros(1)}),
    "no tensor": lambda content: content["statistics"].update(mean_image="x"),
    "foreign": lambda content: [content.pop(name) for name in ("weights", "velocity", "progress")],
    "history of texts": lambda content: content["progress"].update(history=["x"] * content["progress"]["epoch"]),
    "history short": lambda content: content["progress"].update(history=[]),
    "another key": lambda content: content["progress"]["history"][0].update(a=1),
    "no error": lambda content: content["progress"]["history"][0].update(train_error="x"),
    "windows": lambda content: content["progress"].update(windows=7),
    "step": lambda content: content["progress"].update(step=10**6),
    "photographs below 0": lambda content: content["progress"].update(photographs=-1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_checkpoint_of_another_network_is_refused(whole: Run, tmp_path: Path, change: str) -> None:
    shutil.copytree(whole.path, tmp_path / "run")
    run = Run(tmp_path / "run")
    content = load_checkpoint(run.last)
    CHANGES[change](content)
    save_checkpoint(run.last, content)
    with pytest.raises(WeightsError, match=r"last\.pt is not a checkpoint of the network and version that .* says"):
        resume(run.path)


@pytest.mark.parametrize("change", ["weights", "other run", "other epoch", "no epoch"])
def test_best_weights_of_another_run_are_refused(whole: Run, tmp_path: Path, change: str) -> None:
    shutil.copytree(whole.path, tmp_path / "run")
    run = Run(tmp_path / "run")
    best = load_checkpoint(run.best)
    match change:
        case "weights":
            best["weights"].pop("fc2.bias")
        case "other run":
            best["run"] = "0" * 64
        case "other epoch":
            best["epoch"] = 9
        case "no epoch":
            del best["epoch"]
    save_checkpoint(run.best, best)
    with pytest.raises(WeightsError, match=r"best\.pt does not hold the best weights of this run"):
        resume(run.path)


@pytest.fixture(scope="module")
def stopped(colours: Store, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was stopped in its second epoch."""
    out = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.raises(Interrupted):
        begin(store=colours, out=out, listener=stop_at(signal.SIGTERM, epoch=2, step=3))
    return Run(out)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run, best: run.best.unlink(), r"no checkpoint at .*best\.pt"),
        (lambda run, best: save_checkpoint(run.best, best | {"run": "0" * 64}), "it is of another run"),
        (lambda run, best: save_checkpoint(run.best, best | {"epoch": 4, "val_top1_error": 0.0}), "of another run"),
        (lambda run, best: save_checkpoint(run.best, best | {"epoch": 2}), "of another run"),
        (lambda run, best: save_checkpoint(run.best, best | {"weights": {}}), "does not hold the best .*Missing key"),
        (lambda run, best: run.write("recipe.json", {**run.read("recipe.json"), "lr": 0.1}), "of another run"),
        (lambda run, best: run.write("recipe.json", {**run.read("recipe.json"), "seed": 9}), "of another run"),
    ],
)
def test_best_weights_that_are_not_the_runs_are_found_before_it_goes_on(
    stopped: Run, tmp_path: Path, change: Callable[[Run, dict[str, Any]], object], said: str
) -> None:
    shutil.copytree(stopped.path, tmp_path / "run")
    change(Run(tmp_path / "run"), load_checkpoint(stopped.best))
    told: list[Event] = []
    with pytest.raises(WeightsError, match=rf"(?s){said}"):
        resume(tmp_path / "run", listener=told.append)
    assert not told


def test_best_weights_that_a_kill_left_ahead_of_the_checkpoint_are_found_again(
    whole: Run, stopped: Run, tmp_path: Path
) -> None:
    assert load_checkpoint(whole.best)["epoch"] > 1
    shutil.copytree(stopped.path, tmp_path / "run")
    shutil.copy(whole.best, Run(tmp_path / "run").best)
    assert difference(whole, resume(tmp_path / "run")) == set()


def test_best_weights_from_before_they_named_their_run_are_taken(whole: Run, tmp_path: Path) -> None:
    shutil.copytree(whole.path, tmp_path / "run")
    run = Run(tmp_path / "run")
    best = load_checkpoint(run.best)
    del best["run"]
    save_checkpoint(run.best, best)
    assert difference(whole, resume(run.path)) == set()


@pytest.mark.parametrize(
    ("name", "key", "value", "said"),
    [
        ("run.json", "threads", 10**9, "threads is 1000000000, expected a number from 0 to 100,000"),
        ("run.json", "data", None, "data is None, expected a text"),
        ("run.json", "overfit", -1, "overfit is -1, expected a number from 0"),
        ("run.json", "spec", [], "spec is [], expected an object"),
        ("recipe.json", "epochs", 10**30, "must be at most 1,000,000,000"),
        ("recipe.json", "lr", {"a": 1}, "The setting lr takes a number"),
        ("recipe.json", "lr_steps", [[1]] * 2000, "must be at most 1,000 long"),
    ],
)
def test_a_run_whose_files_say_what_cannot_be_is_refused(
    whole: Run, tmp_path: Path, name: str, key: str, value: object, said: str
) -> None:
    shutil.copytree(whole.path, tmp_path / "run")
    run = Run(tmp_path / "run")
    run.write(name, {**run.read(name), key: value})
    with pytest.raises(AlexNetError, match=re.escape(said)):
        resume(run.path)


def test_with_two_threads_runs_are_equal_bit_for_bit_too(go: Train) -> None:
    two, recipe = replace(RUNTIME, threads=2), replace(RECIPE, epochs=1)
    first = go(recipe, runtime=two)
    with pytest.raises(Interrupted) as caught:
        go(recipe, runtime=two, listener=stop_at(signal.SIGTERM, epoch=1, step=3))
    told: list[Event] = []
    assert torch.get_num_threads() == 1  # the run's own two come back by themselves
    assert difference(first, resume(Path(str(caught.value).rpartition(" ")[2]), listener=told.append)) == set()
    assert [event.threads for event in told if isinstance(event, Started)] == [2]


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_runtime_that_leaves_device_dtype_and_threads_open_takes_the_runs_own(go: Train, dtype: str) -> None:
    own = replace(RUNTIME, dtype=dtype, threads=2, minutes=0)
    path = go(replace(RECIPE, epochs=1), runtime=own).path
    told: list[Event] = []
    resume(path, runtime=Runtime(minutes=60), listener=told.append)
    resume(path, runtime=Runtime(dtype="fp32", threads=1), listener=told.append)
    found = [(event.device, event.dtype, event.threads) for event in told if isinstance(event, Started)]
    assert found == [("cpu", dtype, 2), ("cpu", "fp32", 1)]


def test_of_a_gpu_that_one_of_several_processes_had_the_number_is_not_kept() -> None:
    told = {"device": "cuda:1,cuda:2", "dtype": "bf16", "threads": 3}
    alone, several = Runtime(), Runtime(device="auto", threads=1, team=Team(everyone=Circle(members=(0, 1))))
    assert alone.of_run(told) == Runtime(device="cuda:1,cuda:2", dtype="bf16", threads=3)
    assert several.of_run(told) == replace(several, device="cuda", dtype="bf16")
    assert Runtime(device="cpu").of_run(told).device == "cpu"


def test_a_part_of_an_epoch_is_no_end_of_a_run(whole: Run) -> None:
    with pytest.raises(ConfigError, match=r"The setting epochs takes a whole number, not 3\.5"):
        resume(whole.path, epochs=3.5)  # type: ignore[arg-type]


def test_a_fine_tuning_run_goes_on_bit_for_bit(go: Train, whole: Run, three_colours: Store) -> None:
    options = {"store": three_colours, "spec": tiny_spec(3), "init_from": load_model(whole.model), "freeze": ("conv1",)}
    reference = go(**options)
    with pytest.raises(Interrupted) as caught:
        go(**options, listener=stop_at(signal.SIGTERM, epoch=2, step=1))
    path = Path(str(caught.value).rpartition(" ")[2])
    assert difference(reference, resume(path)) == set()
    mean = load_model(path / "model").statistics.mean_image
    assert (mean == load_model(whole.model).statistics.mean_image).all()


def test_an_overfitting_run_goes_on_with_the_same_photographs(go: Train) -> None:
    with pytest.raises(Interrupted) as caught:
        go(tiny_recipe(lr=0.001), overfit=8, listener=stop_at(signal.SIGTERM, epoch=3, step=1))
    run = resume(Path(str(caught.value).rpartition(" ")[2]))
    assert difference(go(tiny_recipe(lr=0.001), overfit=8), run) == set()


def test_a_finished_overfitting_run_is_not_trained_on(go: Train, tmp_path: Path) -> None:
    run = go(tiny_recipe(lr=0.001), overfit=8)
    shutil.copytree(run.path, tmp_path / "copy")
    told: list[Event] = []
    assert difference(run, resume(tmp_path / "copy", listener=told.append)) == set()
    assert not [event for event in told if isinstance(event, StepEnd)]
