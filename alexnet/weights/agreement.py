"""Whether an exported file answers as the network that it was made from does."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alexnet.data.augment import centre_mean, fixed_views
from alexnet.data.loader import view_batch
from alexnet.errors import WeightsError
from alexnet.weights.model_dir import Model

# Of the largest logit. Sums of some thousand fp32 products differ by about 1e-6 in another order, eight layers of them
# by a few times that; a k of 1.9 instead of 2, or a beta of 0.76 instead of 0.75, makes more than this.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Agreement:
    """How far logits of the two differed on `inputs` inputs at most, and the largest of those logits."""

    inputs: int
    difference: float
    largest: float


def sample_photographs(side: int) -> NDArray[np.uint8]:
    """Five pictures (5, side, side, 3), uint8 RGB: black, white, a ramp of colours, coarse noise, fine noise."""
    rng = np.random.default_rng(0)
    ramp = (np.arange(side) * 256 // side).astype(np.uint8)
    colours = np.stack(np.broadcast_arrays(ramp, ramp[:, None], ramp[::-1]), axis=2)
    tiles = -(-side // 16)
    coarse = rng.integers(0, 256, (tiles, tiles, 3), dtype=np.uint8).repeat(16, axis=0).repeat(16, axis=1)
    fine = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    return np.stack([np.zeros_like(fine), np.full_like(fine, 255), colours, coarse[:side, :side], fine])


def views_of(model: Model, photographs: NDArray[np.uint8]) -> Tensor:
    """The centre views of photographs (N, side, side, 3) as the model's network takes them: (N, C, H, W)."""
    channels, crop = model.net.spec.channels, model.net.spec.input_size
    if channels != 3:  # nothing says how a photograph would become one: numbers of that size
        return torch.randn(len(photographs), channels, crop, crop, generator=torch.Generator().manual_seed(0)) * 70
    views, mean = fixed_views(crop, model.preparation.side, 1), centre_mean(model.statistics, crop)
    return view_batch(list(photographs), views, mean, preparation=model.preparation)


def agree(model: Model, answer: Callable[[Tensor], Tensor], inputs: Tensor, views: Tensor, what: str) -> Agreement:
    """How `answer(inputs)` compares to the model's own logits of `views`, the same pictures.

    In batches of two sizes, for files that may have fixed one. Raises WeightsError when they differ by more than
    `TOLERANCE`; `what` names the file's side in the sentence.
    """
    with torch.no_grad():
        found = torch.cat([answer(inputs[:1]), answer(inputs[1:])])
        expected = model.net(views)
    difference, largest = float((found - expected).abs().max()), float(expected.abs().max())
    if not difference <= TOLERANCE * largest:  # NaN is not
        raise WeightsError(
            f"{what} does not answer as the network does: logits differ by {difference:.3g} at most, where the largest "
            f"is {largest:.3g} and {TOLERANCE * largest:.3g} would pass for rounding. No file was written."
        )
    return Agreement(len(inputs), difference, largest)
