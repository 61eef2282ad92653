import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from making import tiny_recipe
from running import begin, difference, weights
from teaming import together, values

from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.model.spec import Activation, Conv, Dropout, Linear, MaxPool, ResponseNorm, Spec
from alexnet.training import train as training
from alexnet.training.events import Started
from alexnet.training.recipe import LayerRate, Recipe
from alexnet.training.run import Run
from alexnet.training.team import Team, backend
from alexnet.training.train import Runtime, resume
from alexnet.weights.checkpoint import load_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")
RECIPE = tiny_recipe(batch_size=10, accumulate=2, epochs=2, layer_rates=(LayerRate("fc4", 1, 0.0),))


def paired(dropout: float = 0.5) -> Spec:
    """A network in two groups, with every kind of crossing."""
    return Spec(
        name="paired",
        layers=(
            Conv("conv1", 8, 5, stride=2, std=0.05),
            Activation("relu1"),
            ResponseNorm("norm1"),
            MaxPool("pool1"),
            Conv("conv2", 8, 3, padding=1, groups=2, std=0.1),
            Activation("relu2"),
            Conv("conv3", 8, 3, padding=1, std=0.1),
            Activation("relu3"),
            Linear("fc4", 16, std=0.05, bias=0.1),
            Activation("relu4"),
            Dropout("drop4", dropout),
            Linear("fc5", None, std=0.1),
        ),
        input_size=32,
        classes=6,
    )


def runtime(team: Team, device: str = "cpu", dtype: str = "fp32") -> Runtime:
    return Runtime(device=device, dtype=dtype, threads=1, team=team, save_every=1e9)


def work(team: Team, store: str, out: Path, recipe: Recipe, dropout: float, dtype: str, stop: int = 0) -> Any:
    told: list[Any] = []
    if stop and team.everyone.rank == 1:
        hear = training.Trainer._hear

        def heard(self: Any, outcome: Any) -> Any:
            if self.progress.epoch == 1 and self.progress.step == stop:
                signal.raise_signal(signal.SIGTERM)
            return hear(self, outcome)

        training.Trainer._hear = heard  # type: ignore[method-assign]
    begin(
        recipe,
        store=Store.open(store),
        out=out,
        spec=paired(dropout),
        runtime=runtime(team, dtype=dtype),
        listener=told.append,
    )
    return [event.processes for event in told if isinstance(event, Started)]


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_towers_in_one_process_in_two_and_in_a_mesh_learn_the_same_bits(
    colours: Store, tmp_path: Path, dtype: str
) -> None:
    here = begin(RECIPE, store=colours, out=tmp_path / "here", spec=paired(), runtime=runtime(Team(), "cpu,cpu", dtype))
    for size, said in (
        (2, f"2 processes on one machine ({backend()}), 1 × 2 towers, 2 parts of 5, 2 each"),
        (4, "2 × 2 towers, 2 parts of 5, 1 each"),
    ):
        out = tmp_path / str(size)
        (started,), *others = values(together(size, work, str(colours.path), out, RECIPE, 0.5, dtype, towers=2))
        assert said in started and not any(others)
        assert difference(here, Run(out)) == set()
    assert load_checkpoint(here.last)["weights"]["conv3.weight"].shape == (8, 8, 3, 3)


def test_towers_without_dropout_learn_what_the_network_in_one_learns(colours: Store, tmp_path: Path) -> None:
    recipe = replace(RECIPE, dropout=0.0)
    one = begin(recipe, store=colours, out=tmp_path / "one", spec=paired(0.0))
    two = begin(recipe, store=colours, out=tmp_path / "two", spec=paired(0.0), runtime=runtime(Team(), "cpu,cpu"))
    assert two.read("run.json")["towers"] == 2 and two.read("run.json")["device"] == "cpu,cpu"
    found = weights(two)
    for name, expected in weights(one).items():
        # 10 steps of fp32; a ReLU or a maximum may turn over where two numbers are equal but for rounding
        assert torch.allclose(found[name], expected, rtol=1e-3, atol=1e-4), name


def test_a_run_stopped_in_two_towers_goes_on_in_any_form(colours: Store, tmp_path: Path) -> None:
    whole = begin(RECIPE, store=colours, out=tmp_path / "whole", spec=paired(), runtime=runtime(Team(), "cpu,cpu"))
    out = tmp_path / "run"
    ends = together(2, work, str(colours.path), out, RECIPE, 0.5, "fp32", 2, towers=2)
    assert {end.exit_code for end in ends} == {143}
    assert resume(out, runtime=runtime(Team(), "cpu,cpu")) == Run(out)
    assert difference(whole, Run(out)) == set()
    resume(out, runtime=runtime(Team()))  # a finished run, as one network
    assert set(weights(Run(out))) == set(weights(whole))


def test_other_numbers_of_devices_are_refused(colours: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="puts two towers into one process: name two devices"):
        begin(RECIPE, store=colours, out=tmp_path / "run", spec=paired(), runtime=runtime(Team(), "cpu,cpu,cpu"))
    with pytest.raises(ConfigError, match="'tiny' cannot stand in two towers"):
        begin(store=colours, out=tmp_path / "run", runtime=runtime(Team(), "cpu,cpu"))
    assert not list(tmp_path.iterdir())
