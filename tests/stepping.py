"""A trainer of the tiny network that tests look into while it runs."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from making import tiny_spec

from alexnet.data.store import Store
from alexnet.model.device import place
from alexnet.model.net import AlexNet
from alexnet.training.events import EpochEnd, Event, StepEnd
from alexnet.training.interrupt import Interrupted, StopRequest
from alexnet.training.loop import Trainer
from alexnet.training.plan import training_plan
from alexnet.training.recipe import Recipe
from alexnet.training.run import create_run
from alexnet.training.team import ALONE, Team

Weights = dict[str, torch.Tensor]
STEPS = 6  # of 8 photographs, the last of 2: 42


class Bench:
    """A trainer of the tiny network in a directory of its own, with all that it tells."""

    def __init__(
        self,
        store: Store,
        path: Path,
        recipe: Recipe,
        *,
        dtype: str = "fp32",
        save_every: float = 1e9,
        team: Team = ALONE,
    ) -> None:
        self.told: list[Event] = []
        self.act: Callable[[Event], None] = lambda event: None
        self.request = StopRequest()
        plan = training_plan(tiny_spec(), recipe, store)
        self.trainer = Trainer(
            plan,
            AlexNet(plan.spec, generator=torch.Generator().manual_seed(recipe.seed)),
            store,
            store.statistics,
            create_run(path),
            placement=place("cpu", dtype),
            workers=1,
            save_every=save_every,
            listener=self.listen,
            team=team,
        )

    def listen(self, event: Event) -> None:
        self.told.append(event)
        self.act(event)

    def fit(self) -> Weights:
        self.trainer.fit(self.request)
        return self.weights

    @property
    def weights(self) -> Weights:
        return {name: tensor.clone() for name, tensor in self.trainer.net.state_dict().items()}

    @property
    def ends(self) -> list[EpochEnd]:
        return [event for event in self.told if isinstance(event, EpochEnd)]

    @property
    def steps(self) -> list[StepEnd]:
        return [event for event in self.told if isinstance(event, StepEnd)]


def equal(one: Weights, other: Weights) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one.keys() | other.keys())


def interrupted(made: Bench, *, epoch: int, step: int) -> Interrupted:
    """Asks for a stop while the step is told."""

    def act(event: Event) -> None:
        if isinstance(event, StepEnd) and (event.epoch, event.step) == (epoch, step):
            made.request.number = signal.SIGTERM

    made.act = act
    with pytest.raises(Interrupted) as caught:
        made.trainer.fit(made.request)
    return caught.value
