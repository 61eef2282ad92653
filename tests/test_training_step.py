import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from making import tiny_recipe, tiny_spec
from stepping import Bench, Weights, equal

from alexnet.data.loader import Batch, TrainingLoader
from alexnet.data.store import Store
from alexnet.model.net import AlexNet
from alexnet.training import step
from alexnet.training.events import StepEnd
from alexnet.training.recipe import Recipe
from alexnet.training.schedule import Rate

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def bench(colours: Store, tmp_path: Path) -> Callable[..., Bench]:
    def make(recipe: Recipe | None = None, **options: Any) -> Bench:
        return Bench(colours, tmp_path / "run", recipe or tiny_recipe(), **options)

    return make


def test_a_step_is_the_gradient_of_the_batchs_mean_loss(colours: Store, bench: Callable[..., Bench]) -> None:
    recipe = tiny_recipe(epochs=1, dropout=0.0, momentum=0.0, weight_decay=0.0, lr=0.001)
    made = bench(recipe)
    start = made.weights
    loader: TrainingLoader = made.trainer.loader
    first = next(loader.epoch(0))
    reference = AlexNet(tiny_spec(dropout=0.0))
    reference.load_state_dict(start)
    loss = torch.nn.functional.cross_entropy(reference(first.images), first.labels)
    loss.backward()

    seen: list[Weights] = []
    made.act = lambda event: seen.append(made.weights) if isinstance(event, StepEnd) else None
    made.fit()
    assert made.steps[0].loss == pytest.approx(loss.item(), rel=1e-6)  # the same sums in fp32
    for name, parameter in reference.named_parameters():
        assert parameter.grad is not None
        # fp32 rounding of one step
        assert torch.allclose(seen[0][name], start[name] - 0.001 * parameter.grad, atol=1e-6), name


def test_a_step_with_smoothed_labels_has_the_loss_of_the_spread_target(bench: Callable[..., Bench]) -> None:
    recipe = tiny_recipe(epochs=1, dropout=0.0, label_smoothing=0.3)
    made = bench(recipe)
    batch = next(made.trainer.loader.epoch(0))
    reference = AlexNet(tiny_spec(dropout=0.0))
    reference.load_state_dict(made.weights)
    targets = 0.7 * torch.eye(6)[batch.labels] + 0.3 / 6
    loss = torch.nn.functional.cross_entropy(reference(batch.images), targets)
    made.fit()
    assert made.steps[0].loss == pytest.approx(loss.item(), rel=1e-6)
    assert loss.item() != pytest.approx(torch.nn.functional.cross_entropy(reference(batch.images), batch.labels).item())


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_on_blended_images_has_the_blended_loss(
    colours: Store, bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, accumulate: int
) -> None:
    monkeypatch.setattr(step, "mixing_share", lambda strength: 0.75 if strength == 0.3 else None)
    recipe = tiny_recipe(epochs=1, dropout=0.0, momentum=0.0, weight_decay=0.0, lr=0.001, mixup=0.3)
    made = bench(replace(recipe, accumulate=accumulate))
    start, batch = made.weights, next(made.trainer.loader.epoch(0))
    reference = AlexNet(tiny_spec(dropout=0.0))
    reference.load_state_dict(start)
    partners = [7, 6, 5, 4, 3, 2, 1, 0] if accumulate == 1 else [3, 2, 1, 0, 7, 6, 5, 4]  # within a part
    targets = 0.75 * torch.eye(6)[batch.labels] + 0.25 * torch.eye(6)[batch.labels[partners]]
    logits = reference(0.75 * batch.images + 0.25 * batch.images[partners])
    loss = torch.nn.functional.cross_entropy(logits, targets)
    loss.backward()

    seen: list[Weights] = []
    made.act = lambda event: seen.append(made.weights) if isinstance(event, StepEnd) else None
    made.fit()
    assert made.steps[0].loss == pytest.approx(loss.item(), rel=1e-6)
    for name, parameter in reference.named_parameters():
        assert parameter.grad is not None
        assert torch.allclose(seen[0][name], start[name] - 0.001 * parameter.grad, atol=1e-6), name


def test_the_larger_share_of_a_blend_is_drawn_from_beta() -> None:
    torch.manual_seed(0)
    shares = torch.tensor([step.mixing_share(1.0) for _ in range(4000)])
    assert shares.min() >= 0.5 and shares.max() <= 1
    # Beta(1, 1) is uniform, and its larger share uniform between a half and 1
    assert abs(shares.mean() - 0.75) < 5 * 0.5 / math.sqrt(12 * 4000)
    assert torch.tensor([step.mixing_share(0.1) for _ in range(400)]).mean() > 0.9


def test_parts_of_a_batch_add_up_to_the_whole(bench: Callable[..., Bench]) -> None:
    recipe = tiny_recipe(dropout=0.0, epochs=2)
    whole, parts = bench(recipe), bench(replace(recipe, accumulate=3))
    one, other = whole.fit(), parts.fit()
    assert not equal(one, other)  # the sums are rounded in another order
    for name, tensor in one.items():
        # 12 steps of fp32; a ReLU or a maximum may turn over where two numbers are equal but for rounding
        assert torch.allclose(other[name], tensor, rtol=1e-3, atol=1e-4), name
    assert whole.ends[-1].train_loss == pytest.approx(parts.ends[-1].train_loss, rel=1e-3)


def test_more_parts_than_photographs_are_a_photograph_each(bench: Callable[..., Bench]) -> None:
    bench(tiny_recipe(epochs=1, accumulate=8)).fit()  # the last batch has 2 photographs


def test_drawing_dropout_is_a_function_of_seed_epoch_and_step(bench: Callable[..., Bench]) -> None:
    torch.manual_seed(1)
    first = bench(tiny_recipe(epochs=1)).fit()
    torch.manual_seed(2)
    made = bench(tiny_recipe(epochs=1))
    made.act = lambda event: torch.manual_seed(3) and None  # what others draw between the steps
    assert equal(made.fit(), first)
    assert not equal(bench(tiny_recipe(epochs=1, dropout=0.4)).fit(), first)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_parts_of_a_batch_drop_different_units(bench: Callable[..., Bench], dropout: float) -> None:
    made = bench(tiny_recipe(dropout=dropout, accumulate=2)).trainer
    first = next(made.loader.epoch(0))
    same = Batch(first.images[:1].repeat(8, 1, 1, 1), first.labels[:1].repeat(8))
    made.working.train()
    losses = made.step.take(same, lambda layer: Rate(0.0, 0.0), epoch=0, step=0).losses
    assert (losses[0] != losses[1]) == bool(dropout)


def test_every_part_of_every_step_has_a_seed_of_its_own() -> None:
    seeds = {
        step.part_seed(seed, epoch, number, part)
        for seed in range(3)
        for epoch in range(3)
        for number in range(5)
        for part in range(4)
    }
    assert len(seeds) == 3 * 3 * 5 * 4
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_seeds_of_parts_stay_what_they_were() -> None:
    """Whatever the version of NumPy; before 2.0 it shifts no uint64 by a number of Python."""
    found = [step.part_seed(*numbers) for numbers in ((0, 0, 0, 0), (3, 2, 1, 0), (3, 2, 1, 4), (2**62, 7, 9, 1))]
    assert found == [7896617691693857887, 4404663168949438663, 6642415025183446638, 5095640257745524783]


def test_weights_of_classes_make_rare_ones_count_like_the_others() -> None:
    labels = np.array([0] * 8 + [1] * 2 + [3] * 2)
    assert step.class_weights(labels, 4, 0.0) is None
    weights = step.class_weights(labels, 4, 1.0)
    assert weights is not None
    assert weights.tolist() == [0.5, 2.0, 0.0, 2.0]  # 12 photographs, 4 for each of three classes
    half = step.class_weights(labels, 4, 0.5)
    assert half is not None
    assert float(half[labels].sum()) == pytest.approx(12)
    assert float(half[1] / half[0]) == pytest.approx(2.0)


@pytest.mark.parametrize("smoothing", [0.0, 0.4])
def test_a_step_with_weights_of_classes_is_the_gradient_of_the_weighted_loss(
    colours: Store, bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, smoothing: float
) -> None:
    counted = torch.tensor([0.5, 2.0, 1.0, 1.0, 1.5, 0.25])
    monkeypatch.setattr("alexnet.training.loop.class_weights", lambda labels, classes, power: counted)
    made = bench(tiny_recipe(epochs=1, dropout=0.0, class_weights=1.0, label_smoothing=smoothing))
    reference = AlexNet(tiny_spec(dropout=0.0))
    reference.load_state_dict(made.weights)
    first = next(made.trainer.loader.epoch(0))
    with torch.no_grad():
        logs = reference(first.images).log_softmax(1)
        right = torch.nn.functional.one_hot(first.labels, 6)
        each = -(((1 - smoothing) * right + smoothing / 6) * logs).sum(1)  # the weights of the others have no part
    made.fit()
    expected = float((each * counted[first.labels]).mean())
    assert made.steps[0].loss == pytest.approx(expected, rel=1e-5)
    assert made.steps[0].loss != pytest.approx(float(each.mean()), rel=1e-3)


def test_weights_of_classes_leave_the_smoothed_target_of_a_photograph_alone(bench: Callable[..., Bench]) -> None:
    """At the logits of its smoothed target a photograph has no gradient, whatever its class counts."""
    taken = bench(tiny_recipe(label_smoothing=0.1)).trainer.step
    taken.class_weights = torch.tensor([0.05, 20.0])
    labels = torch.tensor([0, 0, 1])
    logits = (torch.eye(2)[labels] * 0.9 + 0.05).log().requires_grad_()
    taken._loss(logits, labels).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert float(logits.grad.abs().max()) < 1e-5  # rounding, times 20
