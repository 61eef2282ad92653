"""The loader by itself: batches from a store, cropped, mirrored, recoloured and in blocks."""

from functools import partial
from pathlib import Path
from typing import Any

import torch

from alexnet.data.augment import Augmentation
from alexnet.data.loader import InputLayout, TrainingLoader
from alexnet.data.store import Store
from alexnet.evaluation.evaluate import input_layout
from alexnet.experiments.bench.photographs import store_of
from alexnet.experiments.bench.timing import Measurement, Rounds, in_turns
from alexnet.hardware import cores
from alexnet.model.device import Placement
from alexnet.model.net import AlexNet
from alexnet.model.spec import Spec

PHOTOGRAPHS = 1024  # a pass over so many, at least


def bench_loader(
    spec: Spec, batch_size: int, placement: Placement, rounds: Rounds, *, data: Path | None = None, **_: Any
) -> list[Measurement]:
    """Batches in the network's layout, assembled by one thread as beside training, and by one thread a core."""
    with torch.device("meta"):
        layout = input_layout(AlexNet(spec), placement)
    count = -(-PHOTOGRAPHS // batch_size) * batch_size if data is None else batch_size
    rows = []
    for encoding in ("raw", "jpeg") if data is None else ("auto",):
        with store_of(data, count, encoding=encoding) as store:
            works = {
                f"{workers}": partial(load_all, loader_of(store, spec.input_size, batch_size, layout, workers))
                for workers in sorted({1, cores()})
            }
            for workers, rates in in_turns(works, rounds).items():
                what = f"{store.encoding} store, {workers} thread{'' if workers == '1' else 's'}"
                rows.append(Measurement(what, "images/s", rates, batch_size, placement.dtype_name))
    return rows


def loader_of(store: Store, crop: int, batch_size: int, layout: InputLayout, workers: int) -> TrainingLoader:
    """A loader of whole training batches, augmented as the paper's recipe does, from the first photographs."""
    positions = store.split("train")[: max(PHOTOGRAPHS, batch_size)]
    return TrainingLoader(
        store,
        positions[: len(positions) // batch_size * batch_size],
        statistics=store.statistics,
        batch_size=batch_size,
        augmentation=Augmentation(crop),
        seed=0,
        workers=workers,
        layout=layout,
    )


def load_all(loader: TrainingLoader) -> float:
    """The number of images in an epoch, after loading them: from a standing start, so nothing was ready before."""
    return sum(len(batch.labels) for batch in loader.epoch(0))
