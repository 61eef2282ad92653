"""Copies of features for programs that do not read .npy: one HDF5 file, or one CSV file a stage, names beside numbers.

features.h5    a dataset a stage, of its shape and dtype; "image", "label", "sha256" (N,); "description", an attribute
STAGE.csv      a line a photograph: image, label, sha256, and its numbers, named by their place (unit, or map_y_x)
"""

import csv
import json
from collections.abc import Callable, Collection, Iterable
from importlib import import_module
from io import FileIO
from itertools import islice
from os import SEEK_END
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.errors import ConfigError, unknown
from alexnet.evaluation.features import Features

HDF5 = "features.h5"
FACTS = ("image", "label", "sha256")
BLOCK = 16 << 20  # bytes of an array that are copied at once
LINES = 4096  # names that are copied at once
CSV_NUMBER = 12  # bytes of a number in CSV, about


def csv_file(stage: str) -> str:
    """The name of a stage's CSV file."""
    return f"{stage}.csv"


def check_copies(kinds: Iterable[str]) -> None:
    """Raises ConfigError for an unknown kind of copy, and where its package is missing."""
    for kind in kinds:
        if kind not in COPIES:
            raise unknown("kind of copy", kind, COPIES)
        if kind == "h5":
            _h5py()


def copies_size(kinds: Collection[str], numbers: int, itemsize: int) -> int:
    """The bytes, roughly, of the copies of so many numbers."""
    return numbers * sum(itemsize if kind == "h5" else CSV_NUMBER for kind in kinds)


def write_copies(features: Features, kinds: Iterable[str]) -> None:
    """Writes copies of the given kinds ("h5", "csv") into the folder of the features; memory is bounded.

    Raises ConfigError for an unknown kind, and where its package is missing.
    """
    kinds = tuple(kinds)
    check_copies(kinds)
    for kind in kinds:
        COPIES[kind](features)


def _write_h5(features: Features) -> None:
    with _Disk(features.path / HDF5, "wb+") as disk:
        _fill_h5(features, disk)
        disk.check()


class _Disk(FileIO):
    """A file for HDF5, which crashes or prints when a disk fails.

    HDF5 never sees it: the first error is kept for the end, and what cannot be written from then on stays in memory,
    so that what is read back is what was written. Whoever writes looks at `error` between blocks, and stops.
    """

    error: OSError | None = None

    def __init__(self, path: Path, mode: str) -> None:
        super().__init__(path, mode)
        self._kept: list[tuple[int, bytes]] = []  # where, what; the later over the earlier
        self._size = 0  # of the file, had all been written

    def check(self) -> None:
        """Raises the OSError that there was, if there was one."""
        if self.error is not None:
            raise self.error

    def write(self, content: Any) -> int:
        view, first = memoryview(content).cast("B"), self.tell()
        done = 0
        try:
            while self.error is None and done < len(view):
                done += super().write(view[done:])
        except OSError as error:
            self.error = error
        if done < len(view):
            self._kept.append((first + done, bytes(view[done:])))
        self._size = max(self._size, first + len(view))
        super().seek(first + len(view))
        return len(view)

    def readinto(self, buffer: Any) -> int:
        view, first = memoryview(buffer).cast("B"), self.tell()
        found = super().readinto(view) or 0
        if self.error is None:
            return found
        count = max(found, min(len(view), self._size - first))
        view[found:count] = bytes(max(0, count - found))
        for begin, content in self._kept:
            low, high = max(begin, first), min(begin + len(content), first + count)
            if low < high:
                view[low - first : high - first] = content[low - begin : high - begin]
        super().seek(first + count)
        return count

    def seek(self, offset: int, whence: int = 0) -> int:
        found = super().seek(offset, whence)
        return super().seek(max(found, self._size + offset)) if whence == SEEK_END else found

    def truncate(self, size: int | None = None) -> int:
        size = self.tell() if size is None else size
        self._size = size
        if self.error is None:
            try:
                return super().truncate(size)
            except OSError as error:
                self.error = error
        return size


def _fill_h5(features: Features, disk: _Disk) -> None:
    h5py: Any = _h5py()
    with h5py.File(disk, "w") as file:
        file.attrs["description"] = json.dumps(features.description)
        for fact in FACTS:
            copy = file.create_dataset(fact, (len(features),), h5py.string_dtype())
            texts = (_bytes(row[fact]) for row in features.images)
            for first in range(0, len(features), LINES):
                copy[first : first + LINES] = list(islice(texts, LINES))
                disk.check()
        for stage in features.stages:
            rows = features.array(stage)
            copy = file.create_dataset(stage, rows.shape, rows.dtype)
            for block in _blocks(rows):
                copy[block] = rows[block]
                disk.check()


def _write_csv(features: Features) -> None:
    for stage in features.stages:
        rows = features.array(stage)
        places = ("_".join(map(str, place)) for place in np.ndindex(rows.shape[1:]))
        path = features.path / csv_file(stage)
        with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow([*FACTS, *places])
            for known, row in zip(features.images, rows, strict=True):
                # the shortest digits from which the same number is read again
                lines.writerow([*(known[fact] for fact in FACTS), *row.reshape(-1).astype(str)])


COPIES: dict[str, Callable[[Features], None]] = {"h5": _write_h5, "csv": _write_csv}


def _blocks(rows: Any) -> Iterable[slice]:
    step = max(1, BLOCK // max(1, rows[:1].nbytes))
    return (slice(first, first + step) for first in range(0, len(rows), step))


def _bytes(text: str | None) -> bytes:
    """A text as HDF5 keeps it; a name of a file may be no Unicode."""
    return (text or "").encode("utf-8", "surrogateescape")


def _h5py() -> Any:
    try:
        return import_module("h5py")
    except ImportError as error:
        raise ConfigError(
            f"A copy in HDF5 takes the package h5py, which cannot be imported ({error}): pip install 'alexnet[h5]'."
        ) from error
