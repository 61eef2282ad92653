"""Rates and times over several rounds, in which the things measured take turns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from time import perf_counter
from typing import Any

WARM_UP = 0.5  # seconds; the first calls make pages, primitives and caches

Work = Callable[[], float]  # does some work and returns its amount: images, FLOPs


@dataclass(frozen=True)
class Rounds:
    """How long to measure: so many rounds, each of whole calls until `seconds` are over."""

    rounds: int = 3
    seconds: float = 1.0


@dataclass(frozen=True)
class Measurement:
    """One thing measured: a `sample` a round, in `unit` ("images/s", "FLOP/s", "s").

    `peak_memory` is the largest of the whole process, in bytes, where one process measured this alone. `facts` are
    numbers that follow from the samples or were counted beside them.
    """

    what: str
    unit: str
    samples: Sequence[float]
    batch_size: int | None = None
    dtype: str | None = None
    peak_memory: int | None = None
    facts: Mapping[str, float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """The middle sample."""
        return median(self.samples)

    @property
    def spread(self) -> float:
        """From the lowest to the highest sample, as a share of the median."""
        return (max(self.samples) - min(self.samples)) / self.median

    def to_json(self) -> dict[str, Any]:
        """The row as plain JSON types, with median and spread."""
        return asdict(self) | {"median": self.median, "spread": self.spread}


def rate_of(work: Work, seconds: float) -> float:
    """The amount of work done in a second, by calls until `seconds` are over: at least one."""
    began = perf_counter()
    done, elapsed = 0.0, 0.0
    while not done or elapsed < seconds:
        done += work()
        elapsed = perf_counter() - began
    return done / elapsed


def in_turns(works: Mapping[str, Work], rounds: Rounds) -> dict[str, list[float]]:
    """The rates of every work, one a round. All are warmed up first; what drifts on the machine meets all alike."""
    for work in works.values():
        rate_of(work, min(WARM_UP, rounds.seconds))
    rates: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds.rounds):
        for name, work in works.items():
            rates[name].append(rate_of(work, rounds.seconds))
    return rates
