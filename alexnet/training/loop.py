"""The training loop: steps, epochs, validation, checkpoints. N photographs a step, K classes."""

import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.data.loader import Batch, TrainingLoader, evaluation_batches
from alexnet.data.statistics import InputStatistics
from alexnet.data.store import Store
from alexnet.evaluation.evaluate import VIEWS_PER_BATCH, input_layout, mean_probabilities
from alexnet.evaluation.metrics import Tally
from alexnet.model.device import Placement, working_copy
from alexnet.model.net import AlexNet
from alexnet.training.events import EpochEnd, Listener, Saved, StepEnd, Warned
from alexnet.training.interrupt import Interrupted, StopRequest
from alexnet.training.optimiser import MomentumSGD
from alexnet.training.plan import TrainingPlan
from alexnet.training.run import Run, check_space
from alexnet.training.schedule import Rate, base_rate, layer_rate
from alexnet.training.watch import StuckWatch, check_finite
from alexnet.weights.checkpoint import load_checkpoint, save_checkpoint
from alexnet.weights.statistics_tensors import to_tensors


@dataclass
class TrainingState:
    """How far a run has come: everything but the weights that its future depends on."""

    epoch: int = 0  # epochs finished
    step: int = 0  # steps done in the epoch under way
    lr: float = 0.0  # of the last step
    loss_sum: float = 0.0  # over the photographs of the epoch under way
    wrong: int = 0
    seen: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)  # one EpochEnd an epoch

    def start_epoch(self) -> None:
        """Clears the sums of the epoch."""
        self.step = self.wrong = self.seen = 0
        self.loss_sum = self.seconds = self.waited = 0.0

    @property
    def val_errors(self) -> list[float]:
        """The validation errors of the epochs finished."""
        return [row["val_top1_error"] for row in self.history if row["val_top1_error"] is not None]


class UnderWay(NamedTuple):
    """A step that the device has been told to do: the seconds its data was waited for, and where results will be."""

    waited: float
    lr: float
    photographs: int
    losses: list[Tensor]  # of each part of the batch, summed
    wrong: list[Tensor]


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
    ) -> None:
        recipe = plan.recipe
        self.plan, self.recipe, self.store, self.run = plan, recipe, store, run
        self.statistics = statistics
        self.placement = placement
        self.save_every = save_every
        self.listener = listener
        self.net = net.to(placement.device)
        self.working = working_copy(self.net, placement)
        self.optimiser = MomentumSGD(
            self.net,
            self.working,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            bias_decay=recipe.bias_decay,
        )
        self.loader = TrainingLoader(
            store,
            plan.train,
            statistics=statistics,
            batch_size=recipe.batch_size,
            augmentation=plan.augmentation,
            seed=recipe.seed,
            reshuffle=recipe.reshuffle,
            workers=workers,
            layout=input_layout(self.net, placement),
        )
        self.progress = TrainingState()
        self.best: dict[str, Any] | None = None  # not yet written to best.pt
        self._saved_at = time.monotonic()

    def fit(self, request: StopRequest, *, until_learned: bool = False) -> None:
        """Trains to the recipe's last epoch, or until an epoch without a wrong answer.

        Raises Interrupted, after saving, when a stop is requested; Diverged when the loss is not finite.
        """
        watch = StuckWatch(self.plan.spec.classes)
        while self.progress.epoch < self.recipe.epochs:
            check_space(self.run, sum(parameter.numel() for parameter in self.net.parameters()))
            self._train_epoch(request, watch)
            self._finish_epoch(request)
            if until_learned and not self.progress.history[-1]["train_error"]:
                break
        self.save()

    def save(self) -> None:
        """Writes the best weights, if they are new, then the checkpoint to resume from.

        In this order, a kill in between loses nothing: the epochs done again find the same best weights again. Raises
        Diverged, and leaves the last good checkpoint as it is, when weights are not finite.
        """
        self._check_weights()
        if self.best is not None:
            save_checkpoint(self.run.best, self.best)
            self.best = None
        save_checkpoint(
            self.run.last,
            {
                "weights": self.net.state_dict(),
                "velocity": self.optimiser.velocity,
                "progress": asdict(self.progress),
                "statistics": to_tensors(self.statistics),
            },
        )
        self._saved_at = time.monotonic()
        self.listener(Saved(str(self.run.last), self.progress.epoch, self.progress.step))

    def restore(self, content: dict[str, Any]) -> None:
        """Goes back to where the checkpoint with this content was written."""
        self.net.load_state_dict(content["weights"])
        if self.working is not self.net:
            self.working.load_state_dict(content["weights"])
        self.optimiser.load_velocity(content["velocity"])
        self.progress = TrainingState(**content["progress"])

    def load_best(self) -> int:
        """Takes the weights of the best validation error into the network; returns their epoch, counted from 1."""
        best = load_checkpoint(self.run.best)
        self.net.load_state_dict(best["weights"])
        return int(best["epoch"])

    def _train_epoch(self, request: StopRequest, watch: StuckWatch) -> None:
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
            under_way.append(UnderWay(waited, lr, len(batch.labels), *self._step(batch, lr, step)))
            self._settle(under_way, watch, leave=int(self.placement.runs_ahead))
            if self._is_due(request):
                self._settle(under_way, watch)
                self._pause(request)
        self._settle(under_way, watch)

    def _step(self, batch: Batch, lr: float, step: int) -> tuple[list[Tensor], list[Tensor]]:
        """One update; of each part of the batch, the sum of its losses and the number of its wrong answers."""
        recipe = self.recipe
        # the draws of dropout are a function of (seed, epoch, step), so that a resumed run makes the same ones
        torch.manual_seed(_step_seed(recipe.seed, self.progress.epoch, step))
        images = batch.images.to(self.placement.device, self.placement.dtype, non_blocking=True)
        labels = batch.labels.to(self.placement.device, non_blocking=True)
        losses, wrong = [], []
        share, others = 1.0, labels
        if recipe.mixup:
            share, others = mixing_share(recipe.mixup), labels.flip(0)
            images = torch.lerp(images.flip(0), images, share)
        self.optimiser.zero_grad()
        for part, targets, seconds in zip(*(_parts(each, recipe) for each in (images, labels, others)), strict=True):
            logits = self.working(part).float()
            loss = share * self._loss(logits, targets)
            if share < 1:
                loss = loss + (1 - share) * self._loss(logits, seconds)
            (loss / len(labels)).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
            wrong.append((logits.detach().argmax(1) != targets).sum())
        self.optimiser.step(lambda layer: self._layer_rate(layer, lr))
        return losses, wrong

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, reduction="sum", label_smoothing=self.recipe.label_smoothing)

    def _settle(self, under_way: deque[UnderWay], watch: StuckWatch, *, leave: int = 0) -> None:
        """Accounts for the steps under way, in order, but for the last `leave`.

        Reading a loss waits until the device has come so far. One step left under way keeps a GPU at work meanwhile; a
        loss that is not finite is found a step later then, but before anything is saved.
        """
        progress = self.progress
        while len(under_way) > leave:
            step = under_way.popleft()
            progress.lr = step.lr
            loss = sum(map(float, step.losses)) / step.photographs
            self._check_finite("loss", loss)
            progress.step += 1
            progress.loss_sum += loss * step.photographs
            progress.wrong += sum(map(int, step.wrong))
            progress.seen += step.photographs
            now = time.perf_counter()
            progress.seconds += now - self._told_at
            progress.waited += step.waited
            self._told_at = now
            self.listener(self._report(step.lr))
            if warning := watch.see(loss, step.lr):
                self.listener(Warned(warning))

    def _finish_epoch(self, request: StopRequest) -> None:
        progress = self.progress
        self._check_weights()
        tally = self._validate(request) if len(self.plan.val) else None
        error = tally.top1_error if tally else None
        best = error is not None and error < min(progress.val_errors, default=math.inf)
        end = EpochEnd(
            epoch=progress.epoch + 1,
            lr=progress.lr,
            train_loss=progress.loss_sum / progress.seen,
            train_error=progress.wrong / progress.seen,
            val_loss=tally.loss if tally else None,
            val_top1_error=error,
            val_top5_error=tally.top5_error if tally else None,
            rate=progress.seen / progress.seconds,
            waiting=progress.waited / progress.seconds,
            seconds=progress.seconds,
            best=best,
        )
        if best:
            weights = {name: tensor.detach().to("cpu", copy=True) for name, tensor in self.net.state_dict().items()}
            self.best = {"weights": weights, "epoch": end.epoch, "val_top1_error": error}
        progress.history.append(asdict(end))
        progress.epoch += 1
        progress.start_epoch()
        self.listener(end)

    def _validate(self, request: StopRequest) -> Tally:
        self.working.eval()
        tally = Tally(self.plan.spec.classes)
        for batch in evaluation_batches(
            self.store,
            self.plan.val,
            statistics=self.statistics,
            crop=self.plan.spec.input_size,
            crops=1,
            images_per_batch=VIEWS_PER_BATCH,
            layout=self.loader.layout,
        ):
            tally.add(mean_probabilities(self.working, batch.images, 1, self.placement), batch.labels)
            self._pause(request)
        return tally

    def _rate(self, step: int) -> float:
        progress = self.progress
        share = step / self.loader.steps
        return base_rate(self.recipe, epoch=progress.epoch, progress=share, errors=progress.val_errors)

    def _layer_rate(self, layer: str, lr: float) -> Rate:
        return layer_rate(self.recipe, layer, lr, epoch=self.progress.epoch)

    def _freeze(self) -> None:
        """Spares the backward pass of layers that stand still in this epoch; batch statistics stand still with them."""
        for name, layer in self.working.named_children():
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
        )

    def _check_weights(self) -> None:
        for name, parameter in self.net.named_parameters():
            self._check_finite(f"sum of {name}", float(parameter.detach().sum()))

    def _is_due(self, request: StopRequest) -> bool:
        return request.number is not None or time.monotonic() - self._saved_at >= self.save_every

    def _pause(self, request: StopRequest) -> None:
        """Between two batches: saves when it is time to, and obeys a request to stop."""
        if self._is_due(request):
            self.save()
        if request.number is not None:
            raise Interrupted(
                request.number,
                f"Stopped after epoch {self.progress.epoch}, step {self.progress.step}; go on with: "
                f"alexnet train --resume {self.run.path}",
            )

    def _report(self, lr: float) -> StepEnd:
        progress = self.progress
        rate = progress.seen / progress.seconds
        images_left = (self.recipe.epochs - progress.epoch) * len(self.plan.train) - progress.seen
        return StepEnd(
            epoch=progress.epoch + 1,
            step=progress.step,
            steps=self.loader.steps,
            loss=progress.loss_sum / progress.seen,
            error=progress.wrong / progress.seen,
            lr=lr,
            rate=rate,
            waiting=progress.waited / progress.seconds,
            seconds_left=images_left / rate,
        )


def mixing_share(strength: float) -> float:
    """How much of the first of two blended images there is: from Beta(strength, strength), the larger share.

    A draw of torch's generator. (Zhang et al. 2018)
    """
    share = float(torch.distributions.Beta(strength, strength).sample())
    return max(share, 1 - share)


def _parts(tensor: Tensor, recipe: Any) -> tuple[Tensor, ...]:
    return tensor.tensor_split(min(recipe.accumulate, len(tensor)))


def _step_seed(seed: int, epoch: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, epoch, step]).generate_state(1, np.uint64)[0] >> 1)


def _timed(batches: Iterator[Batch]) -> Iterator[tuple[float, Batch]]:
    """Each batch with the seconds that it was waited for."""
    while True:
        began = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        yield time.perf_counter() - began, batch
