"""Batches from a store in one determined order, assembled ahead of the training step. N images of side H = W = crop."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alexnet.data.augment import (
    Augmentation,
    Views,
    centre_mean,
    epoch_order,
    fixed_views,
    random_views,
    view_means,
)
from alexnet.data.parts import WHOLE, Parts
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.resize import resize
from alexnet.data.statistics import InputStatistics
from alexnet.data.store import Store
from alexnet.kernels import augment_batch, space_to_depth
from alexnet.threads import Threads

BATCHES_AHEAD = 2


class Batch(NamedTuple):
    """Images (N, 3, crop, crop), or in blocks (see `InputLayout`), channels-last in memory; labels (N,) int64.

    Where a batch is shared out (see `Parts`), the images are those to be worked on here, the labels those of all.
    """

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class InputLayout:
    """The layout that a network takes images in: `dtype`, and blocks of `block` × `block` pixels as channels.

    `padding` zeros come behind the last row and column first; see `alexnet.kernels.space_to_depth`. `pinned` asks for
    memory that a CUDA device fetches batches from by itself.
    """

    dtype: torch.dtype = torch.float32
    block: int = 1
    padding: int = 0
    pinned: bool = False


class TrainingLoader:
    """The training batches of a store: shuffled, cropped, mirrored, recoloured.

    Order and draws are functions of (seed, epoch, position in the epoch). So a batch is the same for any number of
    `workers`, and an epoch can be entered at any step. `positions` are the photographs' positions in the store.
    """

    def __init__(
        self,
        store: Store,
        positions: NDArray[np.int64],
        *,
        statistics: InputStatistics,
        batch_size: int,
        augmentation: Augmentation,
        seed: int,
        reshuffle: bool = True,
        workers: int = 1,
        layout: InputLayout = InputLayout(),
        parts: Parts = WHOLE,
    ) -> None:
        self.store = store
        self.positions = positions
        self.statistics = statistics
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.seed = seed
        self.reshuffle = reshuffle
        self.workers = workers
        self.layout = layout
        self.parts = parts
        self._mean = centre_mean(statistics, augmentation.crop)

    @property
    def steps(self) -> int:
        """Batches in an epoch; the last one may be smaller, as in the 2012 code."""
        return -(-len(self.positions) // self.batch_size)

    def epoch(self, epoch: int, *, start: int = 0, colour_noise: bool = True) -> Iterator[Batch]:
        """The batches of an epoch from step `start` on; switching `colour_noise` off changes nothing else."""
        count = len(self.positions)
        order = self.positions[epoch_order(count, seed=self.seed, epoch=epoch if self.reshuffle else 0)]
        augmentation = self.augmentation if colour_noise else replace(self.augmentation, colour_noise=0.0)
        views = random_views(count, augmentation, self.statistics, seed=self.seed, epoch=epoch)
        scale = 1 / augmentation.noise_divisor if augmentation.colour_noise else 1.0
        rows = [
            slice(first, min(first + self.batch_size, count))
            for first in range(start * self.batch_size, count, self.batch_size)
        ]

        def make(row: slice) -> Batch:
            mine = _within(row, self.parts)
            pixels = [self.store.read(int(position)) for position in order[mine]]
            images = assemble(pixels, views[mine], self._mean, self.layout, scale=scale)
            return Batch(images, torch.from_numpy(self.store.labels[order[row]]))

        with Threads(max(1, self.workers), thread_name_prefix="loader") as pool:
            ahead: list[Future[Batch]] = []
            try:
                for row in rows:
                    ahead.append(pool.submit(make, row))
                    if len(ahead) > BATCHES_AHEAD + self.workers:
                        yield ahead.pop(0).result()
                while ahead:
                    yield ahead.pop(0).result()
            finally:
                for future in ahead:
                    future.cancel()


def evaluation_batches(
    store: Store,
    positions: NDArray[np.int64],
    *,
    statistics: InputStatistics,
    crop: int,
    crops: int,
    images_per_batch: int,
    layout: InputLayout = InputLayout(),
    preparation: Preparation = DEFAULT,
    rank: int = 0,
    sharers: int = 1,
) -> Iterator[Batch]:
    """Every photograph once, in order, each as `crops` consecutive views: images are (N · crops, 3, crop, crop).

    Where several share the work, a batch is `images_per_batch` for each of the `sharers`, as `shares` says, and its
    images are those of the one called `rank`: the same batches run through the network whatever their number.

    Labels are (N,), one a photograph, in the store's numbering. `statistics` and `preparation` are those the network
    was trained with; the store has resized its photographs by its own.
    """
    views = fixed_views(crop, statistics.mean_image.shape[0], crops)
    mean = view_means(statistics, crop, views, preparation)
    mine = slice(rank * images_per_batch, (rank + 1) * images_per_batch)
    for first in range(0, len(positions), images_per_batch * sharers):
        rows = positions[first : first + images_per_batch * sharers]
        photographs = [store.read(int(position)) for position in rows[mine]]
        yield Batch(view_batch(photographs, views, mean, layout, preparation), torch.from_numpy(store.labels[rows]))


def shares(total: int, images_per_batch: int, sharers: int) -> list[int]:
    """How many of the `total` photographs in a batch of `evaluation_batches` each of the sharers has."""
    return [max(0, min(images_per_batch, total - rank * images_per_batch)) for rank in range(sharers)]


def _within(row: slice, parts: Parts) -> slice:
    mine = parts.rows(row.stop - row.start)
    return slice(row.start + mine.start, row.start + mine.stop)


def view_batch(
    photographs: Sequence[NDArray[np.uint8]],
    views: Views,
    mean: NDArray[np.float32],
    layout: InputLayout = InputLayout(),
    preparation: Preparation = DEFAULT,
) -> Tensor:
    """All V `views` of each photograph, photograph by photograph: (N · V, 3, crop, crop) in the layout asked for.

    `mean` is (crop, crop, 3), or (V, crop, crop, 3) with one for each view; see `alexnet.data.augment.view_means`.
    """
    if mean.ndim == 3 and preparation.std is None and preparation.channels == "RGB":
        return assemble(*_each_in_all(photographs, views), mean, layout)
    of_each_view = []
    for number in range(len(views)):
        own = mean if mean.ndim == 3 else mean[number]
        images = assemble(*_each_in_all(photographs, views[number : number + 1]), own)
        if preparation.std is not None:
            images = images / torch.tensor(preparation.std, device=images.device)[:, None, None]
        if preparation.channels == "BGR":
            images = images.flip(1)
        of_each_view.append(space_to_depth(images, layout.block, layout.padding).to(layout.dtype))
    batch = torch.stack(of_each_view, 1).flatten(0, 1).contiguous(memory_format=torch.channels_last)
    return batch.pin_memory() if layout.pinned else batch


def _each_in_all(photographs: Sequence[NDArray[np.uint8]], views: Views) -> tuple[list[NDArray[np.uint8]], Views]:
    """Every photograph as often as there are views, and the views of each after those of the one before."""
    count = len(photographs)
    repeated = [photograph for photograph in photographs for _ in range(len(views))]
    tiled = Views(
        np.tile(views.top, count),
        np.tile(views.left, count),
        np.tile(views.mirrored, count),
        np.tile(views.shift, (count, 1)),
    )
    return repeated, tiled


def assemble(
    pixels: Sequence[NDArray[np.uint8]],
    views: Views,
    mean: NDArray[np.float32],
    layout: InputLayout = InputLayout(),
    *,
    scale: float = 1.0,
) -> Tensor:
    """One view of each photograph, (pixel - mean + shift) · scale, as a batch (N, 3, crop, crop) in `layout`.

    On one thread: the others belong to the training step that goes on meanwhile.
    """
    if views.parts is not None:
        crop = mean.shape[0]
        parts = map(tuple, views.parts.tolist())
        pixels = [resize(image, crop, crop, "bilinear", part) for image, part in zip(pixels, parts, strict=True)]
    batch = augment_batch(
        pixels,
        views.top,
        views.left,
        views.mirrored,
        views.shift,
        mean,
        scale=scale,
        block=layout.block,
        padding=layout.padding,
        dtype=layout.dtype,
        threads=1,
    )
    return batch.pin_memory() if layout.pinned else batch
