"""Batches from a store in one determined order, assembled ahead of the training step. N images of side H = W = crop."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alexnet.data.augment import (
    Augmentation,
    Views,
    assemble,
    centre_mean,
    epoch_order,
    fixed_views,
    random_views,
)
from alexnet.data.stats import InputStatistics
from alexnet.data.store import Store

BATCHES_AHEAD = 2


class Batch(NamedTuple):
    """Images (N, 3, crop, crop) float32, channels-last in memory, mean subtracted; labels (N,) int64."""

    images: Tensor
    labels: Tensor


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
    ) -> None:
        self.store = store
        self.positions = positions
        self.statistics = statistics
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.seed = seed
        self.reshuffle = reshuffle
        self.workers = workers
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
            pixels = [self.store.read(int(position)) for position in order[row]]
            images = assemble(pixels, views[row], self._mean, scale)
            return _batch(images, self.store.labels[order[row]])

        with ThreadPoolExecutor(max(1, self.workers), thread_name_prefix="loader") as pool:
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
) -> Iterator[Batch]:
    """Every photograph once, in order, each as `crops` consecutive views: images are (N · crops, 3, crop, crop).

    Labels are (N,), one a photograph, in the store's numbering. `statistics` are those the network was trained with.
    """
    views = fixed_views(crop, statistics.mean_image.shape[0], crops)
    mean = centre_mean(statistics, crop)
    for first in range(0, len(positions), images_per_batch):
        rows = positions[first : first + images_per_batch]
        photographs = [store.read(int(position)) for position in rows]
        yield _batch(view_batch(photographs, views, mean), store.labels[rows])


def view_batch(photographs: list[NDArray[np.uint8]], views: Views, mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """All `views` of each photograph, photograph by photograph: (N · V, crop, crop, 3) float32."""
    count = len(photographs)
    repeated = [photograph for photograph in photographs for _ in range(len(views))]
    tiled = Views(
        np.tile(views.top, count),
        np.tile(views.left, count),
        np.tile(views.mirrored, count),
        np.tile(views.shift, (count, 1)),
    )
    return assemble(repeated, tiled, mean)


def _batch(images: NDArray[np.float32], labels: NDArray[np.int64]) -> Batch:
    # (N, crop, crop, 3) in memory seen as (N, 3, crop, crop): channels-last, no copy
    return Batch(torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels))
