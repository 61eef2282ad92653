from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from making import tiny_recipe
from stepping import STEPS, Bench, equal, interrupted

from alexnet.data.loader import Batch
from alexnet.data.store import Store
from alexnet.model.device import Placement
from alexnet.training.events import StepEnd
from alexnet.training.loop import Trainer
from alexnet.training.recipe import Recipe
from alexnet.training.watch import Diverged
from alexnet.weights.checkpoint import load_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def bench(colours: Store, tmp_path: Path) -> Callable[..., Bench]:
    def make(recipe: Recipe | None = None, **options: Any) -> Bench:
        return Bench(colours, tmp_path / "run", recipe or tiny_recipe(), **options)

    return make


def test_a_device_that_runs_ahead_has_one_step_under_way_and_learns_the_same(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(schedule="cosine", warmup=0.5, accumulate=2)
    whole = bench(recipe)
    expected = whole.fit()

    monkeypatch.setattr(Placement, "runs_ahead", True)
    taken: list[int] = []
    real = Trainer._step

    def step(self: Trainer, batch: Batch, lr: float, number: int) -> Any:
        taken.append(number)
        return real(self, batch, lr, number)

    monkeypatch.setattr(Trainer, "_step", step)
    made = bench(recipe)
    behind: list[int] = []
    made.act = lambda event: behind.append(taken[-1] + 1 - event.step) if isinstance(event, StepEnd) else None
    assert equal(made.fit(), expected)
    assert taken == [*range(STEPS)] * 3
    assert behind == [1, 1, 1, 1, 1, 0] * 3  # the last is waited for

    def told(made: Bench) -> list[StepEnd]:
        return [replace(event, rate=0.0, waiting=0.0, seconds_left=0.0) for event in made.steps]

    assert told(made) == told(whole)


@pytest.mark.parametrize("step", [2, STEPS - 1, STEPS])
def test_a_device_that_runs_ahead_is_waited_for_before_the_run_is_saved(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    expected = bench(tiny_recipe()).fit()
    monkeypatch.setattr(Placement, "runs_ahead", True)
    first = bench(tiny_recipe())
    interrupted(first, epoch=2, step=step)
    done = first.trainer.progress.step
    assert done == first.steps[-1].step == min(step + 1, STEPS)  # the one under way was finished
    second = bench(tiny_recipe())
    second.trainer.restore(load_checkpoint(first.trainer.run.last))
    assert equal(second.fit(), expected)
    often = bench(tiny_recipe(), save_every=0.0)
    assert equal(often.fit(), expected)


def test_a_device_that_runs_ahead_saves_nothing_that_is_not_finite(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Placement, "runs_ahead", True)
    made = bench(tiny_recipe(lr=1e20, epochs=9))
    with pytest.raises(Diverged, match=r"The loss is (nan|inf) at epoch 1, step 2, .* 1e\+20; no checkpoint"):
        made.fit()
    assert not made.trainer.run.last.is_file()


def test_two_runs_on_one_machine_and_thread_count_give_the_same_bits(bench: Callable[..., Bench]) -> None:
    for threads in (1, 2):
        torch.set_num_threads(threads)
        first, second = (bench(tiny_recipe(epochs=2)) for _ in range(2))
        assert equal(first.fit(), second.fit())
        assert [end.train_loss for end in first.ends] == [end.train_loss for end in second.ends]
        assert not equal(first.weights, bench(tiny_recipe(epochs=2, seed=1)).fit())
