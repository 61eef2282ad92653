"""What training has to say while it runs; the loop hands these to a listener and prints nothing itself."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Started:
    """Training is about to take its first step: where, from which epoch and step, on how much."""

    run: str
    network: str
    parameters: int
    train_images: int
    val_images: int
    epochs: int
    steps_per_epoch: int
    epoch: int
    step: int
    device: str
    dtype: str
    threads: int
    kernels: str
    memory: str  # what becomes of freed blocks
    processes: str = ""  # who shares the work, and the bytes that costs; empty for one process
    over: bool = False  # there is no step left to take


@dataclass(frozen=True)
class StepEnd:
    """One step is done. `loss` and `error` (0 to 1) are running means of the epoch; `waiting` is the share of its time
    that went by waiting for data; `rate` is in images a second.
    """

    epoch: int
    step: int
    steps: int
    loss: float
    error: float
    lr: float
    rate: float
    waiting: float
    seconds_left: float


@dataclass(frozen=True)
class WindowEnd:
    """A window of 10,000 photographs, or the first step past it, is over; windows run on from one epoch to the next.

    `photographs` are all that the run has seen so far; `loss` and `error` (0 to 1) are means of those since the last
    window. They are of the weights as they were at each step, in training: what figure 1 of the paper shows.
    """

    photographs: int
    loss: float
    error: float


@dataclass(frozen=True)
class EpochEnd:
    """An epoch is over. Errors are shares, 0 to 1; validation figures are None without validation photographs."""

    epoch: int
    lr: float
    train_loss: float
    train_error: float
    val_loss: float | None
    val_top1_error: float | None
    val_top5_error: float | None
    rate: float
    waiting: float
    seconds: float
    best: bool


@dataclass(frozen=True)
class Warned:
    """Something that the user should know, in a sentence or two."""

    text: str


@dataclass(frozen=True)
class Saved:
    """A checkpoint was written."""

    path: str
    epoch: int
    step: int


@dataclass(frozen=True)
class Finished:
    """The run is over and its model is written. `rate` is the median over the epochs, in images a second; `seconds` are
    those of training steps, validation and logs left out; `peak_memory` is the process's largest, in bytes.
    """

    run: str
    model: str
    epochs: int
    weights_of: int  # the epoch, from 1, that the model is; without validation the last one finished
    val_top1_error: float | None
    seconds: float
    rate: float
    peak_memory: int


Event = Started | StepEnd | WindowEnd | EpochEnd | Warned | Saved | Finished
Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """A listener that does nothing."""
