"""Which split each photograph of a store goes to, drawn so that no group is parted."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet.data.likeness import outline
from alexnet.data.packed import Images
from alexnet.data.pool import in_order
from alexnet.data.source import SPLITS, Example, Source
from alexnet.data.split import assign_splits
from alexnet.data.store_plan import StorePlan
from alexnet.data.together import groups, identical, same, united
from alexnet.errors import ConfigError

PART = 128  # photographs in a worker's task


def drawn_splits(
    source: Source, accepted: Sequence[Example], plan: StorePlan, images: Images, workers: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64] | None]:
    """The split of each photograph: the source's, else drawn, so that no group of photographs is parted; the groups.

    The groups are None where no other photographs than copies are to be kept together.
    """
    splits = np.array([SPLITS.index(example.split or "train") for example in accepted], dtype=np.uint8)
    free = np.flatnonzero(splits == SPLITS.index("train"))
    examples = [accepted[row] for row in free.tolist()]
    part = images.part(free)
    copies = [] if plan.seed is None else identical(part.index["crc32"], part.stored)
    parties = groups(examples, plan.together, copies, lambda: _outlines(part, plan, workers))
    subjects = list(same([example.group for example in accepted]))
    if plan.seed is not None:
        if parties is not None and (plan.together or subjects) and not parties.any():
            raise ConfigError(
                f"All {len(free):,} photographs are to be kept together, so none can be held out; give groups, or a "
                "pattern, that tell them apart."
            )
        labels = np.array([example.label for example in examples])
        keys = [category.key for category in source.categories]
        splits[free] = assign_splits(labels, plan.shares, plan.seed, keys, parties)
    if not plan.together and not subjects:
        return splits, None
    drawn = [] if parties is None else [free[rows].tolist() for rows in same(parties.tolist())]
    return splits, united(len(accepted), (*drawn, *subjects))


def _outlines(images: Images, plan: StorePlan, workers: int) -> Iterator[int]:
    index = images.index
    parts = [index[start : start + PART] for start in range(0, len(index), PART)]
    with closing(in_order(_outline, (images.file, plan.encoding, plan.preparation.side), parts, workers)) as results:
        for outlines in results:
            yield from outlines


def _outline(shared: tuple[Path, str, int], index: NDArray[np.void]) -> list[int]:
    file, encoding, side = shared
    images = Images(file, index, encoding, side)
    return [outline(images.read(position)) for position in range(len(index))]
