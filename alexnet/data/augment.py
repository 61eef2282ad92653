"""Crops, mirrors and colour noise: which views of the stored photographs are drawn.

N images of H×W pixels and 3 colours, V views. `alexnet.data.loader` applies them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alexnet.data.preparation import Preparation
from alexnet.data.stats import InputStatistics
from alexnet.errors import ConfigError


@dataclass(frozen=True)
class Augmentation:
    """How training views are drawn (paper, section 4.1).

    `crop` is the side of a view in pixels. `colour_noise` multiplies a standard normal draw along each principal
    component of RGB, in units of that component's standard deviation √λ, as in the 2012 code; the paper's text has λ.
    With noise, the whole view is divided by `noise_divisor`: 1.1 in the 2012 code, which keeps the scale near that of
    the test views. `group` consecutive images share one crop and one mirror decision: 32 in the 2012 code.
    """

    crop: int
    random_crop: bool = True
    mirror: bool = True
    colour_noise: float = 0.1
    noise_divisor: float = 1.0
    group: int = 1


@dataclass(frozen=True)
class Views:
    """Where to look, one row a view: `top` and `left` pixel, `mirrored`, and `shift` added to every pixel's RGB."""

    top: NDArray[np.int64]  # (V,)
    left: NDArray[np.int64]  # (V,)
    mirrored: NDArray[np.bool_]  # (V,)
    shift: NDArray[np.float32]  # (V, 3)

    def __getitem__(self, rows: slice) -> "Views":
        return Views(self.top[rows], self.left[rows], self.mirrored[rows], self.shift[rows])

    def __len__(self) -> int:
        return len(self.top)


def random_views(
    count: int, augmentation: Augmentation, statistics: InputStatistics, *, seed: int, epoch: int
) -> Views:
    """The training views of all `count` positions of an epoch.

    A function of its arguments alone: the view at position p does not depend on batches, workers or where training
    resumed. Raises ConfigError when the crop is larger than the stored photographs, or when noise is asked for along
    components that the statistics do not know.
    """
    if augmentation.colour_noise and not statistics.images:
        raise ConfigError(
            "Colour noise takes the principal components of RGB, but these statistics hold a published mean alone; "
            "set colour_noise to 0, or measure the photographs."
        )
    side = statistics.mean_image.shape[0]
    border = _border(side, augmentation.crop)
    groups = -(-count // augmentation.group)
    # one stream per kind of draw, so that switching one off leaves the others as they were
    where, flips, noise = (_stream(seed, epoch, kind) for kind in ("crop", "mirror", "colour"))
    if augmentation.random_crop:
        corners = where.integers(0, border, size=(groups, 2), endpoint=True)
    else:
        corners = np.full((groups, 2), border // 2, dtype=np.int64)
    mirrored = (flips.random(groups) < 0.5) & augmentation.mirror
    image = np.arange(count) // augmentation.group
    along = noise.standard_normal((count, 3)) * augmentation.colour_noise * statistics.deviations
    return Views(
        corners[image, 0], corners[image, 1], mirrored[image], (along @ statistics.eigenvectors.T).astype(np.float32)
    )


def fixed_views(crop: int, side: int, crops: int) -> Views:
    """The test views: `crops` 1 for the centre, 10 for four corners and centre and their mirrors (section 4.1).

    The ten come in the order of the 2012 code: top left, top right, centre, bottom left, bottom right, then mirrored.
    Raises ConfigError for another number, or for a crop larger than `side`, the stored photographs' side in pixels.
    """
    end = _border(side, crop)
    middle = end // 2
    match crops:
        case 1:
            corners = [(middle, middle)]
        case 10:
            corners = [(0, 0), (0, end), (middle, middle), (end, 0), (end, end)] * 2
        case _:
            raise ConfigError(f"Evaluation takes 1 crop or 10 crops, not {crops}.")
    top, left = np.array(corners, dtype=np.int64).T
    return Views(top, left, np.arange(crops) >= 5, np.zeros((crops, 3), dtype=np.float32))


def epoch_order(count: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """The permutation of `count` images for an epoch."""
    return _stream(seed, epoch, "order").permutation(count)


def centre_mean(statistics: InputStatistics, crop: int) -> NDArray[np.float32]:
    """The centre (crop, crop, 3) of the mean image.

    It is subtracted from every view wherever the view lies, and is not mirrored with it, as in the 2012 code.
    """
    border = _border(statistics.mean_image.shape[0], crop)
    start = border // 2
    return np.ascontiguousarray(statistics.mean_image[start : start + crop, start : start + crop])


def view_means(statistics: InputStatistics, crop: int, views: Views, preparation: Preparation) -> NDArray[np.float32]:
    """What is subtracted: (crop, crop, 3) from every view, or (V, crop, crop, 3) where each has its own.

    With `mean_at` "crop" it is the part of the mean image where the view lies, mirrored with the view (Caffe); else
    `centre_mean`.
    """
    if preparation.mean_at == "centre":
        return centre_mean(statistics, crop)
    parts = []
    for top, left, mirrored in zip(views.top.tolist(), views.left.tolist(), views.mirrored.tolist(), strict=True):
        part = statistics.mean_image[top : top + crop, left : left + crop]
        parts.append(part[:, ::-1] if mirrored else part)
    return np.stack(parts)


def _border(side: int, crop: int) -> int:
    if not 1 <= crop <= side:
        raise ConfigError(
            f"The crop (={crop}) must be from 1 to {side}, the side of the stored photographs in pixels; "
            "lower the model's input size."
        )
    return side - crop


def _stream(seed: int, epoch: int, kind: str) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch, *kind.encode()])))
