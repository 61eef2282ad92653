"""The training loop: steps, epochs, validation, checkpoints."""

import hashlib
import json
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor

from alexnet.data.loader import Batch, TrainingLoader, evaluation_batches
from alexnet.data.statistics import InputStatistics
from alexnet.data.store import Store
from alexnet.errors import WeightsError
from alexnet.evaluation.evaluate import VIEWS_PER_BATCH, input_layout, shared_probabilities
from alexnet.evaluation.metrics import Tally
from alexnet.hardware import cores
from alexnet.model.account import account
from alexnet.model.crossings import crossings
from alexnet.model.device import Placement, working_copy
from alexnet.model.net import AlexNet
from alexnet.model.towers import Towers
from alexnet.training.decisions import Decisions
from alexnet.training.events import Listener, Saved, Warned
from alexnet.training.exchange import SharedSGD
from alexnet.training.interrupt import TIME_IS_UP, Interrupted, StopRequest, TimeIsUp
from alexnet.training.optimiser import MomentumSGD
from alexnet.training.plan import TrainingPlan
from alexnet.training.recipe import Recipe
from alexnet.training.run import Run, check_space
from alexnet.training.schedule import Rate, base_rate, epochs_since_best, layer_rate
from alexnet.training.state import TrainingState, restored
from alexnet.training.step import Outcome, TrainingStep, class_weights
from alexnet.training.team import ALONE, Team
from alexnet.training.watch import StuckWatch, check_finite
from alexnet.weights.checkpoint import load_checkpoint, save_checkpoint
from alexnet.weights.statistics_tensors import to_tensors

FEEDING = 4  # threads that keep a GPU fed: one alone was waited for half of the time (docs/performance.md)


class UnderWay(NamedTuple):
    """A step that the device has been told to do, and the seconds that its data was waited for."""

    waited: float
    lr: float
    outcome: Outcome


class Trainer:
    """A run in memory: the fp32 network, its working copy, the optimiser, the data and the progress."""

    def __init__(
        self,
        plan: TrainingPlan,
        net: AlexNet,
        store: Store,
        statistics: InputStatistics,
        run: Run,
        *,
        placement: Placement,
        workers: int,
        save_every: float,
        listener: Listener,
        keep: Callable[[dict[str, Tensor], int], None] = lambda weights, epoch: None,
        team: Team = ALONE,
    ) -> None:
        """`keep` is given the best weights so far, and their epoch from 1, whenever there are new ones to save."""
        recipe = plan.recipe
        self.plan, self.recipe, self.store, self.run = plan, recipe, store, run
        self.statistics = statistics
        self.placement = placement
        self.save_every = save_every
        self.listener = listener
        self.team = team
        self.parts = team.parts(recipe.accumulate)
        self.net = net if isinstance(net, Towers) else net.to(placement.device)  # they have their places
        self.working = working_copy(self.net, placement)
        self.optimiser = _optimiser(recipe, self.net, self.working, team)
        self.loader = TrainingLoader(
            store,
            plan.train,
            statistics=statistics,
            batch_size=recipe.batch_size,
            augmentation=plan.augmentation,
            seed=recipe.seed,
            reshuffle=recipe.reshuffle,
            workers=workers or (min(FEEDING, cores()) if placement.runs_ahead else 1),
            layout=input_layout(self.net, placement),
            parts=self.parts,
        )
        labels = store.labels[plan.train]
        counting = class_weights(labels, plan.spec.classes, recipe.class_weights)
        self.step = TrainingStep(recipe, self.working, self.optimiser, placement, self.parts, counting)
        self.progress = TrainingState()
        self.best: dict[str, Any] | None = None  # not yet written to best.pt
        self.keep = keep
        self._saved_at = time.monotonic()

    @property
    def ended_early(self) -> bool:
        """Whether the recipe's number of epochs has gone by without a better validation error."""
        stop = self.recipe.early_stop
        return stop is not None and epochs_since_best(self.progress.val_errors) >= stop

    def fit(self, request: StopRequest, *, until_learned: bool = False) -> None:
        """Trains to the recipe's last epoch, until it stops early, or until an epoch without a wrong answer.

        Raises Interrupted, after saving, when a stop is requested, and TimeIsUp when the minutes are over; Diverged
        when the loss, a weight or an answer in validation is not finite.
        """
        watch = StuckWatch(self.plan.spec.classes)
        self._decisions = Decisions(self.team, request, self._is_due)
        if self.team.size > 1 and not (self.progress.epoch or self.progress.step):
            self.save()  # what a restart goes on from, in this directory, whatever happens now
        while not self.is_over(until_learned):
            if self.team.leads:
                check_space(self.run, account(self.plan.spec).total("parameters"))
            self._train_epoch(watch)
            self._finish_epoch()
        self.save()

    def is_over(self, until_learned: bool) -> bool:
        """Whether no step is left; `until_learned`, after an epoch without a wrong answer."""
        learned = until_learned and self.progress.epoch > 0 and not self.progress.history[-1]["train_error"]
        return self.progress.epoch >= self.recipe.epochs or self.ended_early or learned

    def save(self) -> None:
        """Writes the best weights, if they are new, then the checkpoint to resume from.

        In this order, a kill in between loses nothing: the epochs done again find the same best weights again. Raises
        Diverged, and leaves the last good checkpoint as it is, when weights are not finite.
        """
        self._check_weights()
        weights = self.weights()
        content = {
            "weights": weights,
            "velocity": self._whole(self.optimiser.velocity),
            "progress": asdict(self.progress),
            "statistics": to_tensors(self.statistics),
        }
        if self.team.leads:
            if self.best is not None:
                save_checkpoint(self.run.best, self.best)
                self.keep(self.best["weights"], self.best["epoch"])
            elif not len(self.plan.val) and self.progress.epoch:
                self.keep(weights, self.progress.epoch)
            save_checkpoint(self.run.last, content)
        self.best = None
        self._saved_at = time.monotonic()
        self.listener(Saved(str(self.run.last), self.progress.epoch, self.progress.step))

    def weights(self) -> dict[str, Tensor]:
        """The weights of the whole network, wherever its parts are. All processes call it together."""
        self.optimiser.settle()
        # a state dict carries notes, in which load_state_dict(assign=True) leaves the wish to be assigned ever after
        return self._whole(dict(self.net.state_dict()))

    def _whole(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.net.whole(tensors) if isinstance(self.net, Towers) else tensors

    @property
    def bytes_a_step(self) -> int:
        """What this process sends to others in a step in which all layers learn."""
        sent = self.optimiser.bytes_a_step
        if self.team.pair:
            images = -(-self.recipe.batch_size // self.team.replicas.size)
            numbers = sum(crossing.both for crossing in crossings(self.plan.spec).values())
            sent += images * numbers * self.placement.dtype.itemsize
        return sent

    def restore(self, content: dict[str, Any]) -> None:
        """Goes back to where the checkpoint with this content was written."""
        weights, velocity = dict(content["weights"]), content["velocity"]  # without notes, as in `weights`
        if isinstance(self.net, Towers):
            weights, velocity = self.net.split(weights), self.net.split(velocity)
        self.net.load_state_dict(weights)
        if self.working is not self.net:
            self.working.load_state_dict(weights)
        self.optimiser.load_velocity(velocity)
        self.progress = restored(content["progress"])
        if self.progress.step > self.loader.steps:
            raise ValueError(f"it is at step {self.progress.step} of {self.loader.steps}")

    def finished(self) -> tuple[AlexNet, int]:
        """The whole network with the weights of the lowest validation error, or the last ones; and their epoch, from 1.

        All processes call it together; the leader's is the one that counts. Raises WeightsError when best.pt is not
        this run's.
        """
        weights, epoch = self.weights(), self.progress.epoch
        net = self.net
        if isinstance(net, Towers):
            with torch.device("meta"):
                net = AlexNet(self.plan.spec)
            net.to_empty(device="cpu")
        if len(self.plan.val) and self.team.leads:
            return net, self._take_best(net)
        net.load_state_dict(weights)
        return net, epoch

    def check_best(self) -> None:
        """Raises WeightsError when best.pt is not this run's; that of epochs yet to be done again is, after a kill."""
        if len(self.plan.val) and self.progress.val_errors:
            with torch.device("meta"):
                net = AlexNet(self.plan.spec)
            self._take_best(net, ahead=True)

    def _take_best(self, net: AlexNet, *, ahead: bool = False) -> int:
        best, errors = load_checkpoint(self.run.best), self.progress.val_errors
        try:
            epoch, error = int(best["epoch"]), best["val_top1_error"]
            mine = 1 <= epoch <= len(errors) and error == errors[epoch - 1] == min(errors)
            again = ahead and len(errors) < epoch <= self.recipe.epochs and error < min(errors)
            if not (mine or again) or best.get("run", self.identity) != self.identity:
                raise ValueError("it is of another run")
            net.load_state_dict(best["weights"], assign=ahead)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise WeightsError(
                f"{self.run.best} does not hold the best weights of this run ({error}); put the right one back or "
                "train anew."
            ) from error
        return epoch

    @property
    def identity(self) -> str:
        """What tells the run from others: a digest of network, recipe and photographs.

        Its end may be moved, and other numbers of processes may change its parts. Settings that are none are left out,
        as a version without them would.
        """
        told = self.recipe.to_json().items()
        recipe = {key: value for key, value in told if value is not None and key not in ("epochs", "accumulate")}
        parts = [self.plan.spec.to_json(), recipe, self.store.fingerprint]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _train_epoch(self, watch: StuckWatch) -> None:
        progress, recipe = self.progress, self.recipe
        self.working.train()
        self._freeze()
        noisy = recipe.colour_noise_epochs is None or progress.epoch < recipe.colour_noise_epochs
        batches = self.loader.epoch(progress.epoch, start=progress.step, colour_noise=noisy)
        under_way: deque[UnderWay] = deque()
        self._told_at = time.perf_counter()
        for waited, batch in _timed(batches):
            step = progress.step + len(under_way)
            lr = self._rate(step)
            under_way.append(UnderWay(waited, lr, self._step(batch, lr, step)))
            self._settle(under_way, watch, leave=int(self.placement.runs_ahead))
            if self._decisions.save:
                self._settle(under_way, watch)
                self._pause()
        self._settle(under_way, watch)

    def _step(self, batch: Batch, lr: float, step: int) -> Outcome:
        rate_of = partial(self._layer_rate, lr=lr)
        return self.step.take(batch, rate_of, epoch=self.progress.epoch, step=step)

    def _settle(self, under_way: deque[UnderWay], watch: StuckWatch, *, leave: int = 0) -> None:
        """Accounts for the steps under way, in order, but for the last `leave`.

        Reading a loss waits until the device has come so far. One step left under way keeps a GPU at work meanwhile; a
        loss that is not finite is found a step later then, but before anything is saved.
        """
        progress = self.progress
        while len(under_way) > leave:
            step = under_way.popleft()
            progress.lr = step.lr
            loss, wrong = self._hear(step.outcome)
            self._check_finite("loss", loss)
            now = time.perf_counter()
            seconds, self._told_at = now - self._told_at, now
            progress.count(loss, wrong, step.outcome.photographs, seconds=seconds, waited=step.waited)
            self.listener(progress.step_end(steps=self.loader.steps, images=self._images_left))
            if window := progress.window_end():
                self.listener(window)
            if warning := watch.see(loss, step.lr):
                self.listener(Warned(warning))

    def _hear(self, outcome: Outcome) -> tuple[float, int]:
        """The mean loss and the wrong answers of the whole batch; waits for the device."""
        count, mine = self.parts.count, self.parts.mine
        found = [0.0] * (2 * count)
        if self.team.tower == 0:  # the other one has the same
            found[mine.start : mine.stop] = map(float, outcome.losses)
            found[count + mine.start : count + mine.stop] = map(float, outcome.wrong)
        heard = self._decisions.hear(found)
        return sum(heard[:count]) / outcome.photographs, int(sum(heard[count:]))

    def _finish_epoch(self) -> None:
        self._check_weights()
        end = self.progress.finish_epoch(self._validate() if len(self.plan.val) else None)
        if end.best:
            weights = {name: tensor.detach().to("cpu", copy=True) for name, tensor in self.weights().items()}
            found = {"epoch": end.epoch, "val_top1_error": end.val_top1_error, "run": self.identity}
            self.best = {"weights": weights, **found}
        self.listener(end)

    def _validate(self) -> Tally:
        self.working.eval()
        tally = Tally(self.plan.spec.classes)
        circle = self.team.replicas
        for batch in evaluation_batches(
            self.store,
            self.plan.val,
            statistics=self.statistics,
            crop=self.plan.spec.input_size,
            crops=1,
            images_per_batch=VIEWS_PER_BATCH,
            layout=self.loader.layout,
            rank=circle.rank,
            sharers=circle.size,
        ):
            try:
                answers = shared_probabilities(self.working, batch, 1, self.placement, VIEWS_PER_BATCH, circle)
            except WeightsError:  # the last step led to NaN
                self._check_finite("answer in validation", math.nan)
            tally.add(answers, batch.labels)
            self._decisions.hear()
            self._pause()
        return tally

    def _rate(self, step: int) -> float:
        progress = self.progress
        share = step / self.loader.steps
        return base_rate(self.recipe, epoch=progress.epoch, progress=share, errors=progress.val_errors)

    @property
    def _images_left(self) -> int:
        return (self.recipe.epochs - self.progress.epoch) * len(self.plan.train) - self.progress.seen

    def _layer_rate(self, layer: str, lr: float) -> Rate:
        layer = layer.rpartition(".")[2]  # of towers, each has its layers
        last = layer == self.plan.spec.layers[-1].name
        return layer_rate(self.recipe, layer, lr, epoch=self.progress.epoch, last=last)

    def _freeze(self) -> None:
        """Spares the backward pass of layers that stand still in this epoch; batch statistics stand still with them."""
        held = self.working.towers if isinstance(self.working, Towers) else [self.working]
        for name, layer in chain.from_iterable(each.named_children() for each in held):
            # not the rate of the moment: a warm-up starts at 0
            learns = self._layer_rate(name, self.recipe.lr).weight > 0
            layer.requires_grad_(learns).train(learns)

    def _check_finite(self, what: str, value: float) -> None:
        progress, last = self.progress, self.run.last
        check_finite(
            what,
            value,
            epoch=progress.epoch,
            step=progress.step,
            lr=progress.lr,
            checkpoint=str(last) if last.is_file() else None,
            dtype=self.placement.dtype_name,
        )

    def _check_weights(self) -> None:
        self.optimiser.settle()
        for name, parameter in self.net.named_parameters():
            self._check_finite(f"sum of {name}", float(parameter.detach().sum()))

    def _is_due(self) -> bool:
        return time.monotonic() - self._saved_at >= self.save_every

    def _pause(self) -> None:
        """Between two batches: saves when it is time to, and obeys a request to stop."""
        if self._decisions.save:
            self.save()
        if (number := self._decisions.stop) == TIME_IS_UP:
            raise TimeIsUp(f"The time is up after epoch {self.progress.epoch}, step {self.progress.step}.")
        if number is not None:
            raise Interrupted(
                number,
                f"Stopped after epoch {self.progress.epoch}, step {self.progress.step}; go on with: "
                f"alexnet train --resume {self.run.path}",
            )


def _optimiser(recipe: Recipe, net: AlexNet, working: AlexNet, team: Team) -> MomentumSGD | SharedSGD:
    how: Any = {"momentum": recipe.momentum, "weight_decay": recipe.weight_decay, "bias_decay": recipe.bias_decay}
    if recipe.accumulate == team.replicas.size == 1:
        return MomentumSGD(net, working, **how)
    return SharedSGD(net, working, **how, circle=team.replicas)


def _timed(batches: Iterator[Batch]) -> Iterator[tuple[float, Batch]]:
    """Each batch with the seconds that it was waited for."""
    while True:
        began = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        yield time.perf_counter() - began, batch
