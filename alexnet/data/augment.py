"""Crops, mirrors and colour noise: which views of the stored photographs are drawn.

N images of H×W pixels and 3 colours, V views. `alexnet.data.loader` applies them.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alexnet.data.preparation import SIDES, Preparation
from alexnet.data.statistics import InputStatistics
from alexnet.errors import ConfigError


@dataclass(frozen=True)
class Augmentation:
    """How training views are drawn (paper, section 4.1).

    `crop` is the side of a view in pixels. `colour_noise` multiplies a standard normal draw along each principal
    component of RGB, in units of that component's standard deviation √λ, as in the 2012 code; the paper's text has λ.
    With noise, the whole view is divided by `noise_divisor`: 1.1 in the 2012 code, which keeps the scale near that of
    the test views. `group` consecutive images share one crop and one mirror decision: 32 in the 2012 code.

    With a `least_area` below 1 or an `aspect` above 1 a random crop is no square of fixed size: it covers a share of
    the photograph between `least_area` and all of it, is up to `aspect` times as wide as high or as high as wide, and
    is resized to the view. Not in the paper; it came with Szegedy et al. 2014.
    Raises ConfigError for a share that is not above 0 and at most 1, and for an aspect below 1.
    """

    crop: int
    random_crop: bool = True
    mirror: bool = True
    colour_noise: float = 0.1
    noise_divisor: float = 1.0
    group: int = 1
    least_area: float = 1.0
    aspect: float = 1.0

    def __post_init__(self) -> None:
        if not (0 < self.least_area <= 1 <= self.aspect < math.inf):
            raise ConfigError(
                f"A crop's least area (={self.least_area}) must be above 0 and at most 1, its aspect (={self.aspect}) "
                "at least 1."
            )

    @property
    def zooms(self) -> bool:
        """Whether crops are random, of all sizes, and resized."""
        return self.random_crop and (self.least_area < 1 or self.aspect > 1)


@dataclass(frozen=True)
class Views:
    """Where to look, one row a view: `top` and `left` pixel, `mirrored`, and `shift` added to every pixel's RGB.

    With `parts`, a view shows that part of the photograph (left, top, right, bottom in pixels), resized to the view's
    size by antialiased bilinear interpolation; `top` and `left` are then 0.
    """

    top: NDArray[np.int64]  # (V,)
    left: NDArray[np.int64]  # (V,)
    mirrored: NDArray[np.bool_]  # (V,)
    shift: NDArray[np.float32]  # (V, 3)
    parts: NDArray[np.float32] | None = None  # (V, 4)

    def __getitem__(self, rows: slice) -> "Views":
        parts = None if self.parts is None else self.parts[rows]
        return Views(self.top[rows], self.left[rows], self.mirrored[rows], self.shift[rows], parts)

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
    room = border(side, augmentation.crop)
    groups = -(-count // augmentation.group)
    # one stream per kind of draw, so that switching one off leaves the others as they were
    where, flips, noise = (_stream(seed, epoch, kind) for kind in ("crop", "mirror", "colour"))
    parts = None
    if augmentation.zooms:
        parts = random_parts(groups, side, augmentation.least_area, augmentation.aspect, where)
        corners = np.zeros((groups, 2), dtype=np.int64)
    elif augmentation.random_crop:
        corners = where.integers(0, room, size=(groups, 2), endpoint=True)
    else:
        corners = np.full((groups, 2), room // 2, dtype=np.int64)
    mirrored = (flips.random(groups) < 0.5) & augmentation.mirror
    image = np.arange(count) // augmentation.group
    along = noise.standard_normal((count, 3)) * augmentation.colour_noise * statistics.deviations
    return Views(
        corners[image, 0],
        corners[image, 1],
        mirrored[image],
        (along @ statistics.eigenvectors.T).astype(np.float32),
        None if parts is None else parts[image],
    )


def random_parts(
    count: int, side: int, least_area: float, aspect: float, random: np.random.Generator
) -> NDArray[np.float32]:
    """Parts (count, 4) of a photograph of `side` × `side` pixels: left, top, right, bottom, anywhere in it.

    Their areas are uniform between `least_area` and 1 of the photograph's, the logarithms of width over height uniform
    up to `aspect` both ways. A part that would be longer than the photograph is cut to its length.
    """
    area, place = random.uniform(least_area, 1, count) * side**2, random.random((count, 2))
    ratio = np.exp(random.uniform(-1, 1, count) * np.log(aspect))
    lengths = np.minimum(np.sqrt(np.stack([area * ratio, area / ratio], axis=1)), side)
    start = (place * (side - lengths)).astype(np.float32)
    return np.concatenate([start, np.minimum(start + lengths.astype(np.float32), np.float32(side))], axis=1)


_PLACES: Final = ("top-left", "top-right", "centre", "bottom-left", "bottom-right")
VIEWS: Final = (*_PLACES, *(f"{place}-mirrored" for place in _PLACES))
"""The names of the ten test views, in their order."""


def fixed_views(crop: int, side: int, crops: int) -> Views:
    """The test views: `crops` 1 for the centre, 10 for four corners and centre and their mirrors (section 4.1).

    The ten come in the order of the 2012 code, which is that of `VIEWS`.
    Raises ConfigError for another number, or for a crop larger than `side`, the stored photographs' side in pixels.
    """
    end = border(side, crop)
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
    start = border(statistics.mean_image.shape[0], crop) // 2
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


def border(side: int, crop: int) -> int:
    """By how many pixels a prepared photograph exceeds a crop. Raises ConfigError for a crop that is larger."""
    if not 1 <= crop <= side:
        larger = f", or prepare the photographs with --side {crop} or more" if side < crop <= max(SIDES) else ""
        raise ConfigError(
            f"The crop (={crop}) must be from 1 to {side}, the side of the prepared photographs in pixels; lower the "
            f"network's input size (--input-size){larger}."
        )
    return side - crop


def _stream(seed: int, epoch: int, kind: str) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch, *kind.encode()])))
