"""Photographs that features are made of: files, or a split of a store."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet.data.inputs import content_of, read_image
from alexnet.data.source import Prepared, told_apart
from alexnet.data.store import Store
from alexnet.errors import DataError, ImageError
from alexnet.evaluation.predictor import Predictor


@dataclass(frozen=True)
class Photographs:
    """What features are made of: names with classes where known, in order, and how to get at one.

    `read` gives the prepared photograph with a SHA-256; it raises ImageError for one that cannot be used. `identity`
    tells one set of photographs from another.
    """

    names: Sequence[str]
    labels: Sequence[str | None]
    read: Callable[[int], tuple[Prepared, str]]
    identity: str
    origin: dict[str, Any]


def of_files(paths: Iterable[Path], predictor: Predictor, *, skip_unreadable: bool = False) -> Photographs:
    """Image files in the order given, none of more pixels than the predictor reads; the SHA-256 is the file's.

    Where a name is relative, the origin has the working "folder" that it goes out from.
    One that cannot be opened or read is a DataError, because that may pass; or, with `skip_unreadable`, not used.
    """

    def read(number: int) -> tuple[Prepared, str]:
        try:
            content = content_of(Path(names[number]))
        except ImageError as error:
            if skip_unreadable or not isinstance(error.__cause__, OSError):
                raise
            raise DataError(
                f"The photograph {names[number]} {error}. What is done so far is kept: when it can be read again, give "
                "the same command; or leave out what cannot be read with --skip-unreadable."
            ) from error
        return read_image(content, *how), hashlib.sha256(content).hexdigest()

    names, how = [str(path) for path in paths], (predictor.description.preparation, predictor.max_pixels)
    told = hashlib.sha256(str(predictor.max_pixels).encode())
    for name in names:
        told.update(f"\0{name}".encode("utf-8", "surrogatepass"))
    origin = {"kind": "files", "sha256_of": "the file"}
    if not all(map(os.path.isabs, names)):
        origin["folder"] = str(Path.cwd())
    return Photographs(names, [None] * len(names), read, told.hexdigest(), origin)


def of_split(store: Store, split: str) -> Photographs:
    """The photographs of a split of a store, in its order; the SHA-256 is of the prepared pixels."""
    positions = store.split(split)

    def read(number: int) -> tuple[Prepared, str]:
        pixels = store.read(int(positions[number]))
        return Prepared(pixels), hashlib.sha256(pixels.tobytes()).hexdigest()

    names = [store.paths[position] for position in positions]
    classes = told_apart(store.classes)
    labels = [classes[store.labels[position]] for position in positions]
    origin = {"kind": "store", "path": str(store.path), "split": split, "sha256_of": "the prepared pixels"}
    return Photographs(names, labels, read, f"{store.fingerprint} {split}", origin)
