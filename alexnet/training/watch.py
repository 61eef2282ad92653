"""Watchdogs: what a loss says about a run that is going nowhere."""

import math

from alexnet.errors import AlexNetError

PATIENCE_STEPS = 300  # a healthy run of the paper's network leaves ln(classes) well before
BAND = 0.01  # share of ln(classes) that the loss has to fall below it


class Diverged(AlexNetError):
    """The loss, a weight or an answer is no longer a finite number."""


def check_finite(
    what: str, value: float, *, epoch: int, step: int, lr: float, checkpoint: str | None, dtype: str
) -> None:
    """Raises Diverged, naming the step and the last good checkpoint, when `what` has a `value` that is not finite."""
    if math.isfinite(value):
        return
    last = f"the last good checkpoint is {checkpoint}" if checkpoint else "no checkpoint has been written yet"
    finer = "" if dtype == "fp32" else " or in fp32 (--dtype fp32)"
    raise Diverged(
        f"The {what} is {value} at epoch {epoch + 1}, step {step + 1}, learning rate {lr:g}; {last}. Train again with "
        f"a lower rate (--set lr={lr / 3:.2g}){finer}."
    )


class StuckWatch:
    """Notices, once, a loss that has stayed at ln(classes) since the start: what a network that knows nothing has."""

    def __init__(self, classes: int) -> None:
        self.chance = math.log(classes)
        self.steps = 0
        self.mean = self.chance
        self.done = classes < 2

    def see(self, loss: float, lr: float) -> str | None:
        """The warning when it is due, else None."""
        if self.done:
            return None
        self.steps += 1
        self.mean += (loss - self.mean) / min(self.steps, 50)
        if self.mean < self.chance * (1 - BAND):
            self.done = self.steps > 50
            return None
        if self.steps < PATIENCE_STEPS:
            return None
        self.done = True
        return (
            f"After {self.steps} steps the loss is still {self.mean:.3f}, no better than ln(classes) = "
            f"{self.chance:.3f}: the network is not learning. Try another learning rate (--set lr={lr / 3:.2g}, then "
            f"{lr * 2:.2g}), faster biases (--set bias_rate=2), or --overfit 64 to see that it can learn at all."
        )
