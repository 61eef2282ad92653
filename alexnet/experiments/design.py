"""What an experiment is, as frozen data: a claim, a bench to try it on, arms, pairs of arms, what is measured.

Written down before anything is run: outcome, expectation, seeds and the smallest effect that matters are part of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from alexnet.errors import unknown
from alexnet.model.spec import Spec
from alexnet.model.variants import variant
from alexnet.training.recipe import Recipe

BASE = "base"
"""The arm of a bench with nothing changed; its runs serve all experiments on that bench."""

TEST, TRAINING, GAP, EPOCHS, TEN = "test error", "training error", "gap", "epochs", "ten crops"
APART, ALIKE, TOGETHER = "halves apart", "neighbours alike", "ensembles"
OUTCOMES = {
    TEST: "top-1 error on the test photographs, centre crop",
    TRAINING: "top-1 error on the training photographs afterwards: centre crop, no dropout, no noise",
    GAP: "test error minus training error, both afterwards: centre crop, no dropout, no noise",
    TEN: "top-1 error on the test photographs by ten crops minus that by the centre crop, of the same networks",
    EPOCHS: "epochs until the error on the training photographs, as they are met, is down to a level",
    APART: "how far the mean share of colour in the first half of conv1's kernels is from that in the second half; the "
    "share is what is left of a kernel's squares when its grey part is taken away, 2/3 in the mean for noise",
    ALIKE: "share of the six training photographs nearest to a test photograph (Euclidean) that are of its class, by "
    "the last hidden layer minus by the pixels that the network sees",
    TOGETHER: "top-1 error on the test photographs by ten crops, of several networks averaged minus that of one; all "
    "sets of so many of the networks",
}
LOOK_SECONDS = {APART: 2.0, ALIKE: 60.0, TOGETHER: 350.0}
"""About what a look at a network of the benches takes, on one thread as `Bench.epoch_seconds`."""
FIVE = (0, 1, 2, 3, 4)
"""The seeds of most experiments."""
Expected = tuple[float, float] | Literal["untold"] | None
"""What an expectation says of a pair: from where to where its mean is, or that it is not told from no effect."""
UNTOLD: Literal["untold"] = "untold"
UNITS = {
    APART: "points of the share of colour; right of 0: further apart with two towers",
    ALIKE: "points of neighbours of the class; right of 0: more by fc7",
}
"""Of effects that are no errors, with what their sign means."""


@dataclass(frozen=True)
class Claim:
    """What the paper says, word for word, in which section; its number where it gives one, with its unit.

    The number is what the technique changes: -1.4 points for an error that falls, 6 times for a speed. A claim that is
    made elsewhere has a `source` instead of a section, and its text is in substance. `data` and `setting` are those
    that the number comes from.
    """

    text: str
    section: str
    number: float | None = None
    unit: str = "points"
    source: str = ""
    data: str = "ImageNet"
    setting: str = "90 epochs of 1.2 million photographs at 224 pixels"

    @property
    def where(self) -> str:
        """Where it is made, in words."""
        return self.source or f"section {self.section}"


@dataclass(frozen=True)
class Bench:
    """What all runs on some data share. `settings` are a recipe's, as text; the network is among them, as `model`.

    `epoch_seconds` is about what an epoch of the base takes on one thread of a slow processor (two cores of AMD Zen 3
    at 2.4 GHz, fp32): for estimates only.
    """

    name: str
    data: str  # in words, for the page
    prepare: str  # the command that makes the store
    side: int  # pixels of the store's photographs
    input_size: int
    settings: Mapping[str, str]
    epoch_seconds: float
    note: str  # where it departs from what the paper did


@dataclass(frozen=True)
class Arm:
    """A run that differs from the bench's base in `settings`; with `rates`, its learning rate is searched for first."""

    name: str
    settings: Mapping[str, str]
    rates: tuple[float, ...] = ()


@dataclass(frozen=True)
class Pair:
    """Two arms that differ in one technique: the one that has it, and the one that has not.

    `title` names the pair in tables, `technique` is the subject of a sentence; `paper` is the number to set beside it.
    An effect is the outcome with minus the outcome without; of epochs, those without over those with. Where outcomes
    are compared within a run both arms are the same; of ensembles, so many `networks` answer together. `expected` is
    the experiment's expectation as far as it speaks of this pair.
    """

    title: str
    technique: str
    present: str
    absent: str
    paper: float | None = None
    networks: int = 1
    expected: Expected = None


@dataclass(frozen=True)
class Stop:
    """When a run that is only there for its curve has shown enough: at this training error, or after so many epochs."""

    level: float
    epochs: float


@dataclass(frozen=True)
class Search:
    """How a rate is found: after `epochs` of a run with `seed`, by the training error of the last window."""

    epochs: float
    seed: int = 100


@dataclass(frozen=True)
class Experiment:
    """A question, and all that is decided before it is asked."""

    name: str
    claim: Claim
    bench: Bench
    arms: tuple[Arm, ...]
    pairs: tuple[Pair, ...]
    outcome: str
    seeds: tuple[int, ...]
    expectation: str
    smallest: float  # the least effect worth knowing, in the claim's unit
    levels: tuple[float, ...] = ()  # of training error; the first is the outcome's
    stop: Stop | None = None
    search: Search | None = None
    note: str = ""  # what is to be known of it beyond its bench
    of: str = ""  # the experiment whose networks are looked at; "": its arms are trained for it

    def arm(self, name: str) -> Arm:
        """The arm called `name`. Raises ConfigError for a name that it has not."""
        for each in self.all_arms:
            if each.name == name:
                return each
        raise unknown(f"arm of {self.name!r}", name, (each.name for each in self.all_arms))

    @property
    def trained(self) -> "Experiment":
        """The arms as runs of the experiment whose networks are looked at."""
        return replace(self, name=self.of, outcome=TEST, of="")

    @property
    def has_base(self) -> bool:
        """Whether the bench's base is among what is compared."""
        return any(BASE in (pair.present, pair.absent) for pair in self.pairs)

    @property
    def all_arms(self) -> tuple[Arm, ...]:
        """The arms, after the base where it is compared with."""
        return ((_BASE,) if self.has_base else ()) + self.arms

    def recipe(self, arm: Arm, seed: int, rate: float | None = None) -> Recipe:
        """The recipe of an arm's run with a seed, at its own rate where one is given."""
        settings = {**self.bench.settings, **arm.settings, "name": self.bench.name, "seed": str(seed)}
        if rate is not None:
            settings["lr"] = repr(rate)
        return Recipe().updated(settings)

    def network(self, arm: Arm, classes: int) -> Spec:
        """An arm's network at the bench's input size; the recipe's options are still to be applied."""
        model = {**self.bench.settings, **arm.settings}["model"]
        return variant(model, classes=classes, input_size=self.bench.input_size)

    @property
    def cap(self) -> float:
        """The epochs after which a run ends in any case."""
        return self.stop.epochs if self.stop else float(self.bench.settings["epochs"])

    def seconds(self, epochs: float | None = None) -> float:
        """About how long a run takes on one thread (see `Bench.epoch_seconds`): of so many epochs, else a whole one."""
        return (self.cap if epochs is None else epochs) * self.bench.epoch_seconds


_BASE = Arm(BASE, {})
