import math
import signal
from collections.abc import Callable
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from making import tiny_recipe
from stepping import STEPS, Bench, Weights, equal, interrupted

from alexnet.data.loader import TrainingLoader
from alexnet.data.statistics import InputStatistics
from alexnet.data.store import Store
from alexnet.errors import AlexNetError
from alexnet.evaluation.metrics import Tally
from alexnet.training import loop, watch
from alexnet.training.events import EpochEnd, Event, Saved, StepEnd, Warned
from alexnet.training.interrupt import Interrupted
from alexnet.training.loop import Trainer
from alexnet.training.recipe import LayerRate, Recipe
from alexnet.training.schedule import base_rate
from alexnet.training.state import TrainingState
from alexnet.training.watch import Diverged
from alexnet.weights.checkpoint import load_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def bench(colours: Store, tmp_path: Path) -> Callable[..., Bench]:
    def make(recipe: Recipe | None = None, **options: Any) -> Bench:
        return Bench(colours, tmp_path / "run", recipe or tiny_recipe(), **options)

    return make


def test_an_epoch_is_every_photograph_once(bench: Callable[..., Bench]) -> None:
    made = bench(tiny_recipe(epochs=2))
    made.fit()
    assert [(step.epoch, step.step, step.steps) for step in made.steps] == [
        (epoch, step, STEPS) for epoch in (1, 2) for step in range(1, STEPS + 1)
    ]
    for end, last in zip(made.ends, (made.steps[STEPS - 1], made.steps[-1]), strict=True):
        assert (end.train_loss, end.train_error) == (last.loss, last.error)
        assert end.train_error * 42 == pytest.approx(round(end.train_error * 42))
        assert end.val_top1_error is not None
        assert end.val_top1_error * 12 == pytest.approx(round(end.val_top1_error * 12))
    assert made.steps[-1].seconds_left == 0
    assert all(0 <= step.waiting <= 1 and step.rate > 0 for step in made.steps)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_it_learns_what_is_easy(bench: Callable[..., Bench], dtype: str) -> None:
    made = bench(tiny_recipe(epochs=5, dropout=0.0, colour_noise=0.0), dtype=dtype)
    made.fit()
    assert made.ends[-1].train_loss < 0.3 * math.log(6) < made.ends[0].train_loss
    assert made.ends[-1].val_top1_error is not None
    assert made.ends[-1].val_top1_error < 0.2  # chance is 0.83
    assert {parameter.dtype for parameter in made.trainer.net.parameters()} == {torch.float32}


def test_in_bf16_the_working_copy_is_the_masters_rounded(bench: Callable[..., Bench]) -> None:
    made = bench(tiny_recipe(epochs=1), dtype="bf16")
    made.fit()
    for name, parameter in made.trainer.working.named_parameters():
        assert torch.equal(parameter, made.trainer.net.get_parameter(name).bfloat16())


def test_frozen_layers_stay_bit_for_bit_and_the_others_move(bench: Callable[..., Bench]) -> None:
    rates = (LayerRate("conv1", 0, 0.0), LayerRate("fc2", 1, 0.0))
    made = bench(tiny_recipe(layer_rates=rates, epochs=3, bias_falls=False))
    seen = [made.weights]
    made.act = lambda event: seen.append(made.weights) if isinstance(event, EpochEnd) else None
    made.fit()
    moved = [
        {name.partition(".")[0] for name in seen[0] if not torch.equal(before[name], after[name])}
        for before, after in pairwise(seen)
    ]
    assert moved == [{"fc2", "fc3"}, {"fc3"}, {"fc3"}]
    # no backward pass was spent on them
    idle = {name for name, parameter in made.trainer.working.named_parameters() if parameter.grad is None}
    assert idle == {"conv1.weight", "conv1.bias", "fc2.weight", "fc2.bias"}


def test_a_layer_that_thaws_learns_again(bench: Callable[..., Bench]) -> None:
    made = bench(tiny_recipe(layer_rates=(LayerRate("conv1", 0, 0.0), LayerRate("conv1", 1, 0.001)), epochs=2))
    before = made.weights
    assert not torch.equal(made.fit()["conv1.weight"], before["conv1.weight"])


def test_a_warm_up_starts_at_zero_and_learns(bench: Callable[..., Bench]) -> None:
    made = bench(tiny_recipe(warmup=1.0, epochs=2))
    before, seen = made.weights, []
    made.act = lambda event: seen.append(made.weights) if isinstance(event, StepEnd) else None
    made.fit()
    assert equal(seen[0], before)
    assert not equal(seen[1], before)
    assert [step.lr for step in made.steps[:STEPS]] == pytest.approx([0.0005 * step / 6 for step in range(6)])


def test_rates_are_those_of_the_schedule(bench: Callable[..., Bench]) -> None:
    recipe = tiny_recipe(schedule="plateau", patience=1, lr_factor=0.5, max_falls=9, epochs=5)
    made = bench(recipe)
    made.fit()
    errors = [end.val_top1_error for end in made.ends if end.val_top1_error is not None]
    expected = [base_rate(recipe, epoch=epoch, progress=0, errors=errors[:epoch]) for epoch in range(5)]
    assert [end.lr for end in made.ends] == expected
    assert expected[-1] < expected[0]  # it did fall


def test_colour_noise_stops_with_its_last_epoch(bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    real = TrainingLoader.epoch

    def epoch(self: TrainingLoader, number: int, *, start: int = 0, colour_noise: bool = True) -> Any:
        asked.append(colour_noise)
        return real(self, number, start=start, colour_noise=colour_noise)

    monkeypatch.setattr(TrainingLoader, "epoch", epoch)
    bench(tiny_recipe(colour_noise_epochs=2)).fit()
    assert asked == [True, True, False]


def test_the_best_weights_are_those_of_the_lowest_validation_error(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = iter([9, 5, 5, 7, 4, 4])
    validate = Trainer._validate

    def validated(self: Trainer) -> Tally:
        tally = validate(self)
        tally.top1_wrong = next(wrong)
        return tally

    monkeypatch.setattr(Trainer, "_validate", validated)
    made = bench(tiny_recipe(epochs=6))
    seen: list[Weights] = []
    made.act = lambda event: seen.append(made.weights) if isinstance(event, EpochEnd) else None
    made.fit()
    assert [end.best for end in made.ends] == [True, True, False, False, True, False]
    assert made.trainer.finished()[1] == 5
    assert equal(made.weights, seen[4])
    assert not equal(seen[4], seen[5])
    assert load_checkpoint(made.trainer.run.best)["val_top1_error"] == 4 / 12


def test_validation_subtracts_the_runs_mean_and_not_the_stores(bench: Callable[..., Bench], colours: Store) -> None:
    made = bench(tiny_recipe(epochs=1))
    made.trainer.statistics = InputStatistics.of_mean([0, 0, 0])
    made.fit()
    val = colours.split("val")
    centres = torch.stack([torch.tensor(colours.read(int(place))[112:144, 112:144]) for place in val])
    with torch.no_grad():
        logits = made.trainer.working.eval()(centres.permute(0, 3, 1, 2).float())
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(colours.labels[val]))
    assert made.ends[0].val_loss == pytest.approx(loss.item(), rel=1e-5)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("step", [2, STEPS - 1, STEPS])
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(bench: Callable[..., Bench], dtype: str, step: int) -> None:
    recipe = tiny_recipe(schedule="cosine", warmup=0.5)
    whole = bench(recipe, dtype=dtype)
    expected = whole.fit()

    first = bench(recipe, dtype=dtype)
    error = interrupted(first, epoch=2, step=step)
    assert error.exit_code == 143
    assert f"Stopped after epoch 1, step {step}; go on with: alexnet train --resume {first.trainer.run.path}" in str(
        error
    )
    assert first.steps[-1].step == step  # finished, and nothing after it
    second = bench(recipe, dtype=dtype)
    second.trainer.restore(load_checkpoint(first.trainer.run.last))
    assert equal(second.fit(), expected)
    for name, velocity in whole.trainer.optimiser.velocity.items():
        assert torch.equal(second.trainer.optimiser.velocity[name], velocity)

    def told(made: Bench) -> list[dict[str, Any]]:
        times = {"rate": 0.0, "waiting": 0.0, "seconds": 0.0}
        return [{**row, **times} for row in made.trainer.progress.history]

    assert told(second) == told(whole)


def test_a_stop_in_the_middle_of_validation_is_obeyed(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "VIEWS_PER_BATCH", 5)
    recipe = tiny_recipe(epochs=2, schedule="cosine")
    whole = bench(recipe)
    expected = whole.fit()

    made = bench(recipe)
    counted: list[int] = []
    add = Tally.add

    def count(self: Tally, *answers: Any) -> None:
        add(self, *answers)
        counted.append(self.images)
        made.request.number = signal.SIGINT

    monkeypatch.setattr(Tally, "add", count)
    with pytest.raises(Interrupted, match="Stopped after epoch 0, step 6"):
        made.trainer.fit(made.request)
    monkeypatch.setattr(Tally, "add", add)
    assert counted == [5]
    again = bench(recipe)
    again.trainer.restore(load_checkpoint(made.trainer.run.last))
    assert equal(again.fit(), expected)
    assert [end.val_top1_error for end in again.ends] == [end.val_top1_error for end in whole.ends]
    assert [end.lr for end in again.ends] == [end.lr for end in whole.ends]


def test_checkpoints_are_written_as_often_as_asked(bench: Callable[..., Bench]) -> None:
    often, seldom = bench(tiny_recipe(epochs=2), save_every=0.0), bench(tiny_recipe(epochs=2))
    assert equal(often.fit(), seldom.fit())
    # every step, every batch of validation, the end
    saved = [(event.epoch, event.step) for event in often.told if isinstance(event, Saved)]
    assert saved == [(epoch, step) for epoch in (0, 1) for step in (*range(1, STEPS + 1), STEPS)] + [(2, 0)]
    assert [(event.epoch, event.step) for event in seldom.told if isinstance(event, Saved)] == [(2, 0)]


def test_a_loss_that_is_not_finite_stops_and_names_the_checkpoint(bench: Callable[..., Bench]) -> None:
    made = bench(tiny_recipe(lr=1e20, epochs=9))
    with pytest.raises(Diverged, match=r"The loss is (nan|inf) at epoch 1, step 2, .* 1e\+20; no checkpoint"):
        made.fit()

    made = bench(tiny_recipe(schedule="steps", lr_steps=(1,), lr_factor=1e30, epochs=9), save_every=0.0)
    with pytest.raises(Diverged, match=r"at epoch 2, step .*; the last good checkpoint is .*last\.pt") as caught:
        made.fit()
    assert str(made.trainer.run.last) in str(caught.value)
    good = load_checkpoint(made.trainer.run.last)["weights"]
    assert all(tensor.isfinite().all() for tensor in good.values())


def test_answers_that_are_not_finite_in_validation_are_a_divergence(bench: Callable[..., Bench]) -> None:
    made = bench(tiny_recipe(epochs=2))

    def act(event: Event) -> None:
        if isinstance(event, StepEnd) and event.step == STEPS:
            made.trainer.net.get_parameter("fc2.weight").data[:] = 1e30  # finite, and so are their sums
            made.trainer.net.get_parameter("fc3.weight").data[:] = 1e30
            made.trainer.net.get_parameter("fc3.weight").data[:, ::2] = -1e30

    made.act = act
    with pytest.raises(Diverged, match=r"The answer in validation is nan at epoch 1, step 7, .* no checkpoint has"):
        made.fit()


@pytest.mark.parametrize(("step", "stop"), [(STEPS, False), (2, True)])
def test_weights_that_are_not_finite_are_never_saved(bench: Callable[..., Bench], step: int, stop: bool) -> None:
    made = bench(tiny_recipe(epochs=2))
    made.trainer.save()

    def act(event: Event) -> None:
        # at the end of the last epoch, or before a stop: no later loss could tell
        if isinstance(event, StepEnd) and (event.epoch, event.step) == (2, step):
            made.trainer.net.get_parameter("fc2.weight").data[3, 5] = math.inf
            made.request.number = signal.SIGTERM if stop else None

    made.act = act
    with pytest.raises(Diverged, match=rf"The sum of fc2\.weight is inf at epoch 2, step {step + 1}"):
        made.fit()
    assert load_checkpoint(made.trainer.run.last)["progress"] == asdict(TrainingState())


def test_a_loss_at_chance_is_said_once(bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PATIENCE_STEPS", 13)
    made = bench(tiny_recipe(epochs=4, lr=1e-9))
    with torch.no_grad():
        made.trainer.net.get_parameter("fc3.weight").zero_()  # every answer is 1/6
    made.fit()
    (warned,) = [event for event in made.told if isinstance(event, Warned)]
    assert "After 13 steps the loss is still 1.792, no better than ln(classes) = 1.792" in warned.text


def test_a_full_disk_is_found_before_the_epoch_is_spent(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bench(tiny_recipe(epochs=5))

    def check(run: object, parameters: int) -> None:
        assert parameters == sum(tensor.numel() for tensor in made.weights.values())
        if len(made.ends) == 2:
            raise AlexNetError("full")

    monkeypatch.setattr(loop, "check_space", check)
    with pytest.raises(AlexNetError, match="full"):
        made.fit()
    assert len(made.steps) == 2 * STEPS
