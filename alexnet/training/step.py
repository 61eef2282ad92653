"""One step: the gradients of a batch, worked through in parts, and the update. N photographs a batch, K classes."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from alexnet.data.loader import Batch
from alexnet.data.parts import Parts
from alexnet.model.device import Placement
from alexnet.model.net import AlexNet
from alexnet.training.exchange import SharedSGD
from alexnet.training.optimiser import MomentumSGD
from alexnet.training.recipe import Recipe
from alexnet.training.schedule import Rate


class Outcome(NamedTuple):
    """What a step found in the parts worked on here; the numbers may still be under way on the device."""

    photographs: int  # of the whole batch
    losses: list[Tensor]  # summed over the photographs of a part
    wrong: list[Tensor]


class TrainingStep:
    """Steps of `working` with a recipe; the loss of a photograph counts as its class does in `class_weights` (K,).

    A batch is worked through in `parts`, some or all of them here. The draws of a part are a function of (seed, epoch,
    step, part), so a resumed run makes the same ones, and it does not matter who works through which part.
    """

    def __init__(
        self,
        recipe: Recipe,
        working: AlexNet,
        optimiser: MomentumSGD | SharedSGD,
        placement: Placement,
        parts: Parts,
        class_weights: Tensor | None = None,
    ) -> None:
        self.recipe, self.working, self.optimiser, self.placement = recipe, working, optimiser, placement
        self.parts = parts
        self.class_weights = None if class_weights is None else class_weights.to(placement.device)

    def take(self, batch: Batch, rate_of: Callable[[str], Rate], *, epoch: int, step: int) -> Outcome:
        """One update; `rate_of` gives the learning rates by the name of the layer."""
        seed, strength = self.recipe.seed, self.recipe.mixup
        total = len(batch.labels)
        sizes = self.parts.sizes(total)
        images = batch.images.to(self.placement.device, self.placement.dtype, non_blocking=True)
        labels = batch.labels[self.parts.rows(total)].to(self.placement.device, non_blocking=True)
        torch.manual_seed(part_seed(seed, epoch, step, 0))
        share = mixing_share(strength) if strength else 1.0
        outcome = Outcome(total, [], [])
        self.optimiser.zero_grad()
        for part, own, targets in zip(
            self.parts.mine, torch.split(images, sizes), torch.split(labels, sizes), strict=True
        ):
            if part:
                torch.manual_seed(part_seed(seed, epoch, step, part))
            self.optimiser.begin_part(last=part == self.parts.mine[-1])
            if len(targets):
                loss, wrong = self._forward(own, targets, share)
                (loss / total).backward()  # type: ignore[no-untyped-call]
            else:
                loss, wrong = torch.zeros(()), torch.zeros((), dtype=torch.int64)
            self.optimiser.end_part()
            outcome.losses.append(loss.detach())
            outcome.wrong.append(wrong)
        self.optimiser.step(rate_of)
        return outcome

    def _forward(self, images: Tensor, targets: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """The summed loss of a part and the number of its wrong answers.

        With a `share` below 1 each photograph is blended with the one as far from the part's other end.
        """
        if share == 1:
            logits = self.working(images).float()
            loss = self._loss(logits, targets)
        else:
            logits = self.working(torch.lerp(images.flip(0), images, share)).float()
            loss = share * self._loss(logits, targets) + (1 - share) * self._loss(logits, targets.flip(0))
        return loss, (logits.detach().argmax(1) != targets).sum()

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        smoothing, weights = self.recipe.label_smoothing, self.class_weights
        if weights is None:
            return F.cross_entropy(logits, labels, reduction="sum", label_smoothing=smoothing)
        # torch's own weights would count the smoothed part of a target by the weights of the other classes
        losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
        return (losses * weights[labels]).sum()


def class_weights(labels: NDArray[np.int64], classes: int, power: float) -> Tensor | None:
    """What a photograph of each class counts (K,) fp32: its class's number of photographs to the -`power`.

    Scaled so that the weights of all photographs together are their number, which leaves the mean loss about where it
    was. None for a power of 0; a class without photographs counts nothing.
    """
    if not power:
        return None
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -power, 0.0)
    return torch.from_numpy(weights * (len(labels) / (weights * counts).sum())).float()


def mixing_share(strength: float) -> float:
    """How much of the first of two blended images there is: from Beta(strength, strength), the larger share.

    A draw of torch's generator. (Zhang et al. 2018)
    """
    share = float(torch.distributions.Beta(strength, strength).sample())
    return max(share, 1 - share)


def part_seed(seed: int, epoch: int, step: int, part: int) -> int:
    """The seed of the draws in one part of a step; all parts of a run have different ones."""
    # the first part's is that of a step which is not divided
    numbers = [seed, epoch, step, part] if part else [seed, epoch, step]
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1
