"""Learning rates as functions of what has happened so far: epochs gone by and validation errors seen."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from alexnet.training.recipe import Recipe


class Rate(NamedTuple):
    """The learning rates of one layer's weights and biases; a layer whose weights stand at 0 is left as it is."""

    weight: float
    bias: float


def plateau_falls(errors: Sequence[float], *, patience: int, most: int) -> int:
    """How often the rate has fallen after epochs with these validation errors.

    It falls when `patience` epochs in a row have not been better than the best before them; the count starts anew then.
    """
    best, waited, falls = math.inf, 0, 0
    for error in errors:
        if error < best:
            best, waited = error, 0
        else:
            waited += 1
        if waited == patience and falls < most:
            falls, waited = falls + 1, 0
    return falls


def epochs_since_best(errors: Sequence[float]) -> int:
    """How many epochs have gone by since the first of those with the lowest validation error."""
    return len(errors) - 1 - errors.index(min(errors)) if errors else 0


def base_rate(recipe: Recipe, *, epoch: int, progress: float, errors: Sequence[float]) -> float:
    """The weights' learning rate at share `progress` (0 to 1) of the 0-based `epoch`.

    `errors` are the validation errors of the epochs completed; only a plateau schedule reads them.
    """
    now = epoch + progress
    match recipe.schedule:
        case "plateau":
            falls = plateau_falls(errors, patience=recipe.patience, most=recipe.max_falls)
            rate = recipe.lr * recipe.lr_factor**falls
        case "steps":
            rate = recipe.lr * recipe.lr_factor ** sum(epoch >= step for step in recipe.lr_steps)
        case "cosine":
            rate = recipe.lr * (1 + math.cos(math.pi * now / recipe.epochs)) / 2
        case _:
            rate = recipe.lr
    return rate * min(1.0, now / recipe.warmup) if recipe.warmup else rate


def other_epochs(before: Recipe, after: Recipe, *, epoch: int, progress: float, errors: Sequence[float]) -> str:
    """What it means that a run at this place has another number of epochs; `base_rate` says what the places are."""
    said = f"The run ends after {after.epochs} epochs now, not after {before.epochs}"
    old, new = (base_rate(each, epoch=epoch, progress=progress, errors=errors) for each in (before, after))
    if epoch < after.epochs and old != new:
        said += f"; its {after.schedule} schedule is made for that number: the rate goes from {old:.3g} to {new:.3g}"
    return f"{said}."


def layer_rate(recipe: Recipe, layer: str, rate: float, *, epoch: int, last: bool = False) -> Rate:
    """The rates of `layer` in `epoch`, given the weights' rate of the moment; `last` says that it is the last layer.

    A rate of its own among the recipe's `layer_rates` stands as it is.
    """
    multiple = recipe.last_rate if last else 1.0
    bias = multiple * recipe.bias_rate * (rate if recipe.bias_falls else recipe.lr)
    own = [each for each in recipe.layer_rates if each.layer == layer and epoch >= each.epoch]
    if not own:
        return Rate(multiple * rate, bias)
    latest = max(own, key=lambda each: each.epoch)
    return Rate(latest.lr, bias if latest.lr else 0.0)
