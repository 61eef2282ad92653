import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from making import Colours, tiny_recipe, tiny_spec, tiny_store
from running import begin, difference
from teaming import together, values

from alexnet.data.store import Store
from alexnet.errors import AlexNetError
from alexnet.training import train as training
from alexnet.training.events import Event, Started, StepEnd, Warned
from alexnet.training.recipe import Recipe
from alexnet.training.run import Run
from alexnet.training.team import Team, backend
from alexnet.training.train import Runtime, resume

pytestmark = pytest.mark.usefixtures("one_thread")
RECIPE = tiny_recipe(batch_size=10, accumulate=4, schedule="cosine")


def runtime(team: Team) -> Runtime:
    return Runtime(device="cpu", dtype="fp32", threads=1, team=team, save_every=1e9)


def start(team: Team, store: str, out: Path, recipe: Recipe, stop: tuple[int, int, int] | None = None) -> list[Event]:
    """Trains; with `stop` (rank, epoch, step), one process is told to stop at a step."""
    told: list[Event] = []
    if stop and team.everyone.rank == stop[0]:
        signal_at(*stop[1:])
    begin(recipe, store=Store.open(store), out=out, runtime=runtime(team), listener=told.append)
    return told


def signal_at(epoch: int, step: int) -> None:
    """Sends this process a signal at the end of its step; others hear of it by the team's message alone."""
    hear = training.Trainer._hear

    def heard(self: Any, outcome: Any) -> Any:
        if (self.progress.epoch, self.progress.step) == (epoch, step):
            signal.raise_signal(signal.SIGTERM)
        return hear(self, outcome)

    training.Trainer._hear = heard  # type: ignore[method-assign]


def go_on(team: Team, path: Path) -> list[Event]:
    told: list[Event] = []
    resume(path, runtime=runtime(team), listener=told.append)
    return told


@pytest.fixture(scope="module")
def whole(colours: Store, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One process, never stopped."""
    return begin(RECIPE, store=colours, out=tmp_path_factory.mktemp("whole") / "run")


@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_run_stopped_with_two_processes_goes_on_with_any_number(
    whole: Run, colours: Store, tmp_path: Path, size: int
) -> None:
    ends = together(2, start, str(colours.path), tmp_path / "run", RECIPE, (1, 1, 2))
    assert sorted(end.error or "" for end in ends) == [
        "",
        f"Stopped after epoch 1, step 3; go on with: alexnet train --resume {tmp_path / 'run'}",
    ]
    assert {end.exit_code for end in ends} == {143}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    told = go_on(Team(), tmp_path / "run") if size == 1 else values(together(size, go_on, tmp_path / "run"))[0]
    assert difference(whole, Run(tmp_path / "run")) == set()
    (started,) = [event for event in told if isinstance(event, Started)]
    assert (started.epoch, started.step) == (1, 3)
    assert not [event for event in told if isinstance(event, Warned) and "bit for bit" in event.text]


def test_the_leader_alone_speaks_and_says_what_is_shared(colours: Store, tmp_path: Path) -> None:
    leader, other = values(together(2, start, str(colours.path), tmp_path / "run", replace(RECIPE, epochs=1)))
    assert other == []
    (started,) = [event for event in leader if isinstance(event, Started)]
    assert started.processes == (
        f"2 processes on one machine ({backend()}), 4 parts of 3, 2 each; 0.0225 MB a step and process"
    )
    assert len([event for event in leader if isinstance(event, StepEnd)]) == 5


def test_parts_are_added_until_they_can_be_shared_out(colours: Store, tmp_path: Path) -> None:
    out = tmp_path / "run"
    values(together(2, start, str(colours.path), out, replace(RECIPE, epochs=1, accumulate=1)))
    assert Recipe.from_json(Run(out).read("recipe.json")).accumulate == 2
    told = values(together(4, go_on, out))[0]
    (warned,) = [event for event in told if isinstance(event, Warned) and "bit for bit" in event.text]
    assert "4 processes share a batch out in 4 parts, and the run began with 2" in warned.text


def different(team: Team, stores: list[str], out: Path, recipes: list[Recipe]) -> None:
    rank = team.everyone.rank
    begin(recipes[rank], store=Store.open(stores[rank]), out=out, runtime=runtime(team))


def test_unequal_stores_and_recipes_are_refused_with_both_values(colours: Store, tmp_path: Path) -> None:
    other = tiny_store(tmp_path / "store", Colours(noise=1.0))
    out = tmp_path / "run"
    ends = together(2, different, [str(colours.path), str(other.path)], out, [RECIPE, RECIPE])
    (said,) = [end.error for end in ends if end.error]
    assert f"process 1 has {other.fingerprint[:12]}, process 0 has {colours.fingerprint[:12]}" in said
    ends = together(2, different, [str(colours.path)] * 2, out, [RECIPE, replace(RECIPE, lr=0.5)])
    (said,) = [end.error for end in ends if end.error]
    assert "the same setting lr: process 1 has 0.5, process 0 has 0.0005" in said
    assert not out.exists()


def fill_disk(team: Team, store: str, out: Path) -> None:
    def write(self: Any, event: Event) -> None:
        if isinstance(event, StepEnd) and event.step == 3:
            raise AlexNetError("Cannot write the logs: no space left.")

    training.RunLog.write = write  # type: ignore[method-assign]
    begin(RECIPE, store=Store.open(store), out=out, runtime=runtime(team))


def test_a_full_disk_of_the_leader_ends_all(colours: Store, tmp_path: Path) -> None:
    ends = together(2, fill_disk, str(colours.path), tmp_path / "run")
    assert [end.error for end in ends] == ["Cannot write the logs: no space left.", ""]


def diverge(team: Team, store: str, out: Path) -> None:
    begin(replace(RECIPE, lr=1e20), store=Store.open(store), out=out, runtime=runtime(team))


def test_a_loss_that_is_not_finite_stops_all_at_the_same_step(colours: Store, tmp_path: Path) -> None:
    ends = together(2, diverge, str(colours.path), tmp_path / "run")
    (said,) = [end.error for end in ends if end.error]
    assert "at epoch 1, step 2" in said
    assert {end.exit_code for end in ends} == {1}


@pytest.mark.parametrize(
    ("changes", "options", "sentence"),
    [
        ({"batch_size": 3, "accumulate": 1}, {}, "A batch of 3 photographs does not make 4 parts for 4 processes"),
        ({"batch_norm": True}, {}, "Batch normalisation .* needs the whole batch in one process"),
    ],
)
def test_what_processes_cannot_share_is_refused(
    colours: Store, tmp_path: Path, changes: dict[str, Any], options: dict[str, Any], sentence: str
) -> None:
    ends = together(4, start, str(colours.path), tmp_path / "run", replace(RECIPE, **changes))
    (said,) = [end.error for end in ends if end.error]
    assert pytest.importorskip("re").search(sentence, said)


assert os and tiny_spec
