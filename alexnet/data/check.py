"""What is in a source or a store, and what is wrong with it."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alexnet.data.likeness import outline
from alexnet.data.pool import in_order, refuse_in_worker
from alexnet.data.prepare import CHUNK, PrepareProgress
from alexnet.data.source import SPLITS, Example, Prepared, Source
from alexnet.data.store import Store
from alexnet.data.together import same
from alexnet.errors import DataError

NAMED = 5  # photographs of a group
UNSPLIT = "unsplit"  # stands for the split of photographs to which the source gives none
_FACTS = np.dtype([("number", "<i8"), ("digest", "<u8"), ("outline", "<u8"), ("width", "<i8"), ("height", "<i8")])


class Range(NamedTuple):
    """The spread of a measure in pixels."""

    smallest: int
    median: float
    largest: int


@dataclass(frozen=True)
class ClassCount:
    """A class and its usable photographs in each split that has any."""

    key: str
    name: str
    splits: dict[str, int]

    @property
    def total(self) -> int:
        """The usable photographs of the class in all splits."""
        return sum(self.splits.values())


@dataclass(frozen=True)
class Alike:
    """Photographs that are the same; the three tuples run in parallel."""

    paths: tuple[str, ...]
    splits: tuple[str, ...]
    classes: tuple[str, ...]  # keys

    @property
    def leaks(self) -> bool:
        """Whether they lie in different splits."""
        return len(set(self.splits)) > 1


@dataclass(frozen=True)
class CheckReport:
    """What was found. Photographs in `broken` are counted nowhere else.

    `width` and `height` are of the originals, None where they are not known. `treatments` counts the
    photographs of a source that needed each. `duplicates` have equal pixels after preparation; `lookalikes`
    differ in them, but agree in 64 comparisons of neighbouring areas' brightness, which is a hint and no
    more. `refused` is the number left out when a store was prepared. `parted` are of one group, such as a
    subject's, and lie in several splits.
    """

    name: str
    images: int
    splits: dict[str, int]
    classes: tuple[ClassCount, ...]
    width: Range | None
    height: Range | None
    treatments: dict[str, int]
    broken: dict[str, str]  # path: reason
    duplicates: tuple[Alike, ...]
    lookalikes: tuple[Alike, ...]
    refused: int = 0
    parted: tuple[Alike, ...] = ()

    @property
    def balance(self) -> float:
        """Photographs of the smallest class for one of the largest, from 0 to 1."""
        totals = [entry.total for entry in self.classes]
        return min(totals) / max(1, *totals)

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for each thing that makes results wrong: broken files, photographs in several splits."""
        found = []
        if self.broken:
            path, reason = next(iter(self.broken.items()))
            found.append(f"Of the photographs, {len(self.broken)} cannot be used; the first is {path}: {reason}.")
        if leaks := [group for group in self.duplicates if group.leaks]:
            found.append(f"The splits leak: {_groups(leaks)} in more than one split; the first is {_first(leaks)}.")
        if self.parted:
            found.append(
                f"The splits part {len(self.parted):,} groups, each of one subject; the first is {_first(self.parted)}."
            )
        return tuple(found)

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that is worth a look."""
        found = []
        if within := [group for group in self.duplicates if not group.leaks]:
            found.append(f"There are {_groups(within)} in one split; the first is {_first(within)}.")
        if torn := [group for group in self.duplicates if len(set(group.classes)) > 1]:
            found.append(f"There are {_groups(torn)} under different classes; the first is {_first(torn)}.")
        if near := [group for group in self.lookalikes if group.leaks]:
            found.append(
                f"In different splits there are {len(near)} groups of photographs that look alike; the first is "
                f"{_first(near)}. To keep such in one split, prepare with --keep-together look-alikes."
            )
        for split in self.splits:
            if missing := [entry.key for entry in self.classes if split not in entry.splits]:
                found.append(
                    f"The split {split!r} has no photograph of {len(missing)} classes; the first is {missing[0]!r}."
                )
        if self.refused:
            found.append(f"When the store was prepared, {self.refused} photographs were refused; see its report.")
        return tuple(found)


def check(
    subject: Source | Store, *, workers: int = 1, progress: Callable[[PrepareProgress], object] | None = None
) -> CheckReport:
    """What is in the source or the store, after reading every photograph of it and comparing its checksum.

    `workers` is the number of processes, as in `prepare`. Broken photographs are part of the report;
    DataError is raised only when a worker dies.
    """
    refuse_in_worker()
    items: Sequence[Example | int] = range(len(subject)) if isinstance(subject, Store) else subject.examples
    starts = range(0, len(items), CHUNK)
    facts = [np.empty(0, _FACTS)]
    broken: dict[int, str] = {}
    treatments: Counter[str] = Counter()
    parts = [items[start : start + CHUNK] for start in starts]
    with closing(in_order(_look, subject, parts, workers)) as results:
        for start, (chunk, refused, treated) in zip(starts, results, strict=True):
            chunk["number"] += start
            facts.append(chunk)
            broken |= {start + row: reason for row, reason in refused.items()}
            treatments += treated
            if progress:
                progress(PrepareProgress("read", min(start + CHUNK, len(items)), len(items), len(broken)))
    return _report(subject, np.concatenate(facts), broken, treatments)


def _look(
    subject: Source | Store, items: Sequence[Example | int]
) -> tuple[NDArray[np.void], dict[int, str], Counter[str]]:
    """Facts of the readable items, reasons for the others, both numbered from 0, and counts of treatments."""
    facts = []
    broken: dict[int, str] = {}
    treatments: Counter[str] = Counter()
    for row, item in enumerate(items):
        try:
            photograph = _load(subject, item)
        except DataError as error:
            broken[row] = str(error)
        except OSError as error:
            broken[row] = f"it cannot be read: {error.strerror or error}"
        else:
            pixels = photograph.pixels
            facts.append((row, _digest(pixels), outline(pixels), *photograph.size))
            treatments.update(photograph.treatments)
    return np.array(facts, dtype=_FACTS), broken, treatments


def _load(subject: Source | Store, item: Example | int) -> Prepared:
    if isinstance(item, Example):
        assert not isinstance(subject, Store)
        return subject.load(item)
    assert isinstance(subject, Store)
    return Prepared(subject.read(item, check=True), size=subject.size_of(item))


def _digest(pixels: NDArray[np.uint8]) -> int:
    # 64 bits: one chance in 30 million of a false duplicate among a million photographs
    return int.from_bytes(hashlib.blake2b(pixels.tobytes(), digest_size=8).digest())


def _report(
    subject: Source | Store, facts: NDArray[np.void], broken: dict[int, str], treatments: Counter[str]
) -> CheckReport:
    if isinstance(subject, Store):
        name, categories, refused = str(subject.path), subject.classes, len(subject.report["refused"])
        paths, labels = subject.paths, subject.labels
        splits = [subject.split_of(position) for position in range(len(subject))]
        groups: list[Any] = [] if subject.groups is None else subject.groups.tolist()
    else:
        name, categories, refused = subject.name, subject.categories, 0
        paths = [example.path for example in subject.examples]
        labels = np.array([example.label for example in subject.examples], dtype=np.int64)
        splits = [example.split or UNSPLIT for example in subject.examples]
        groups = [example.group for example in subject.examples]

    def alike(column: str) -> list[NDArray[np.int64]]:
        """The numbers of the photographs that agree in the column, group by group."""
        _, inverse, counts = np.unique(facts[column], return_inverse=True, return_counts=True)
        repeated = np.flatnonzero(counts[inverse] > 1)
        grouped = repeated[np.argsort(inverse[repeated], kind="stable")]
        ends = np.cumsum(counts[counts > 1])
        return sorted(np.split(grouped, ends[:-1]), key=lambda rows: int(rows[0])) if len(ends) else []

    def described(rows: NDArray[np.int64]) -> Alike:
        return told(facts["number"][rows].tolist())

    def told(numbers: Sequence[int]) -> Alike:
        return Alike(
            tuple(paths[number] for number in numbers),
            tuple(splits[number] for number in numbers),
            tuple(categories[labels[number]].key for number in numbers),
        )

    numbers = facts["number"].tolist()
    counts = Counter((int(labels[number]), splits[number]) for number in numbers)
    order = [split for split in (*SPLITS, UNSPLIT) if split in set(splits)]
    sized = facts[facts["width"] > 0]
    return CheckReport(
        name=name,
        images=len(facts),
        splits={split: sum(counts[label, split] for label in range(len(categories))) for split in order},
        classes=tuple(
            ClassCount(
                category.key,
                category.name,
                {split: counts[label, split] for split in order if counts[label, split]},
            )
            for label, category in enumerate(categories)
        ),
        width=_range(sized["width"]),
        height=_range(sized["height"]),
        treatments=dict(sorted(treatments.items())),
        broken={paths[number]: reason for number, reason in broken.items()},
        duplicates=tuple(map(described, alike("digest"))),
        lookalikes=tuple(described(rows) for rows in alike("outline") if len(set(facts["digest"][rows].tolist())) > 1),
        refused=refused,
        parted=tuple(group for rows in same(groups) if (group := told(rows)).leaks),
    )


def _range(values: NDArray[np.int64]) -> Range | None:
    return Range(int(values.min()), float(np.median(values)), int(values.max())) if len(values) else None


def _groups(groups: Sequence[Alike]) -> str:
    return f"{sum(len(group.paths) for group in groups)} identical photographs ({len(groups)} different ones)"


def _first(groups: Sequence[Alike]) -> str:
    first = groups[0]
    named = [f"{path} ({split}, {key})" for path, split, key in zip(*vars(first).values(), strict=True)]
    return " = ".join(named[:NAMED]) + (f" and {len(named) - NAMED} more" if len(named) > NAMED else "")
