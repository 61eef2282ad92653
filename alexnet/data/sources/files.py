"""What sources are made of: files by name, here those of a folder, and the examples among them."""

import hashlib
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

from alexnet.data.decode import MAX_PIXELS
from alexnet.data.images import load_photograph
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.source import Category, Example, Prepared
from alexnet.data.sources.photographs import is_hidden
from alexnet.errors import DataError, ImageError
from alexnet.reading import UnfitFileError, read_file


class Span(NamedTuple):
    """Where a file's content lies, in bytes: in its archive, or in the file itself."""

    offset: int
    size: int


class Found(NamedTuple):
    """What lies below a place: files, folders, and the names of what is hidden there."""

    spans: dict[str, Span]
    folders: set[str]
    hidden: list[str]


@dataclass(frozen=True)
class Files(ABC):
    """The files below one place, by names with forward slashes; without what `is_hidden` hides.

    Pickling keeps the place alone: a copy in another process looks again, and only when it has to.
    """

    path: Path

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Every file's size in bytes, by name; -1 for a link that leads nowhere."""
        return {name: span.size for name, span in self._spans.items()}

    @property
    def folders(self) -> set[str]:
        """The names of the folders, empty ones too."""
        return self._listing.folders

    @property
    def hidden(self) -> list[str]:
        """The names, without their folders, of the files and folders that are left out as hidden."""
        return self._listing.hidden

    @abstractmethod
    def read(self, name: str, part: Span | None = None) -> bytes:
        """The content of a file, or a part of it.

        Raises ImageError for what is no regular file or holds more than `MAX_BYTES`, OSError when it cannot be read.
        """

    @abstractmethod
    def _look(self) -> "Found":
        """What is there."""

    @cached_property
    def _listing(self) -> "Found":
        return self._look()

    @property
    def _spans(self) -> dict[str, Span]:
        return self._listing.spans

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class FolderFiles(Files):
    """The files in a folder and its sub-folders, through links too."""

    def read(self, name: str, part: Span | None = None) -> bytes:
        """The content of a file, or a part of it; see `Files.read`."""
        return read_part(self.path / name, part)

    def _look(self) -> Found:
        spans: dict[str, Span] = {}
        folders: set[str] = set()
        hidden: list[str] = []

        def walk(folder: Path, inside: str, above: tuple[Path, ...]) -> None:
            real = folder.resolve()
            if real in above:
                raise DataError(f"{folder} is a link to a folder that contains it; remove the link.")
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = inside + entry.name
                    if is_hidden(entry.name):
                        hidden.append(entry.name)
                        continue
                    if entry.is_dir():
                        folders.add(name)
                        walk(Path(entry.path), f"{name}/", (*above, real))
                    elif entry.is_file():
                        spans[name] = Span(0, entry.stat().st_size)
                    elif entry.is_symlink():
                        spans[name] = Span(0, -1)

        try:
            walk(self.path, "", ())
        except OSError as error:
            raise DataError(f"{error.filename} cannot be listed ({error.strerror}).") from error
        return Found(spans, folders, hidden)


MAX_BYTES: Final = 500_000_000
"""Files of more bytes are not read; a bitmap of the most pixels that are decoded has somewhat fewer."""


def read_part(path: Path, part: Span | None) -> bytes:
    """A file or a part of it. It is opened each time, so that threads and processes share no position in it."""
    try:
        return read_file(path, MAX_BYTES, *(part or ()))
    except UnfitFileError as error:
        raise ImageError(str(error)) from error


@dataclass(frozen=True)
class Listing:
    """What a source holds; `sizes` are the bytes of each example's file, `remarks` what its reader should know."""

    categories: tuple[Category, ...]
    examples: tuple[Example, ...]
    sizes: tuple[int, ...]
    remarks: tuple[str, ...] = ()

    def identity(self) -> str:
        """A SHA-256 digest of all that the listing says of photographs."""
        rows = [f"{category.key}\0{category.name}" for category in self.categories]
        rows += [
            f"{example.path}\0{example.label}\0{example.split}\0{size}"
            + ("" if example.group is None else f"\0{example.group}")
            for example, size in zip(self.examples, self.sizes, strict=True)
        ]
        return hashlib.sha256("\n".join(rows).encode("utf-8", "surrogateescape")).hexdigest()


class ListedSource(ABC):
    """A `Source` over files, listed when it is opened so that what is wrong is said then.

    A pickled copy does not carry the list, and lists again only if asked: `load` does without.
    """

    name: ClassVar[str]
    max_pixels: int = MAX_PIXELS
    """Files of more pixels are reduced or refused, as `decode` says; to be set before the source is used."""

    def __init__(self, files: Files):
        self._files = files
        _ = self._listing

    @property
    def categories(self) -> tuple[Category, ...]:
        """The classes in label order."""
        return self._listing.categories

    @property
    def examples(self) -> tuple[Example, ...]:
        """Every photograph, in an order that depends on the data set alone."""
        return self._listing.examples

    @property
    def place(self) -> Path:
        """The folder or the archive that holds the files."""
        return self._files.path

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on how the files were read where another reading was possible, and on what was left out."""
        return self._listing.remarks

    @cached_property
    def identity(self) -> str:
        """A digest of the classes, paths, labels, splits, groups and sizes, and of another limit of pixels."""
        digest = self._listing.identity()
        if self.max_pixels == MAX_PIXELS:
            return digest
        return hashlib.sha256(f"{digest} {self.max_pixels}".encode()).hexdigest()

    @property
    def default_split(self) -> dict[str, float]:
        """The shares held out of each class when the source gives no split."""
        return {}

    def load(self, example: Example, preparation: Preparation = DEFAULT) -> Prepared:
        """The example's photograph, resized. Raises ImageError with the reason when it cannot be used."""
        return load_photograph(self._files.read(example.path), example.path, preparation, self.max_pixels)

    @abstractmethod
    def _list(self) -> Listing:
        """The listing; raises DataError where the files are not what the source consists of."""

    @cached_property
    def _listing(self) -> Listing:
        return self._list()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_listing"}
