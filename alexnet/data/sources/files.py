"""What sources are made of: files by name, in a folder or in an archive, and the examples among them."""

import bz2
import errno
import gzip
import hashlib
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from posixpath import dirname, normpath
from typing import Any, ClassVar, Final, NamedTuple

from alexnet.data.decode import MAX_PIXELS
from alexnet.data.formats import format_of
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
        return _read(self.path / name, part)

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

MAX_UNPACKED: Final = 2_000_000_000
"""Compressed archives that hold more bytes are not read."""

_COMPRESSED: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"\xfd7zXZ": lzma.LZMAFile,
    b"BZh": bz2.BZ2File,
}
_OTHER_ARCHIVES: Final = {b"Rar!": "RAR", b"7z\xbc\xaf'\x1c": "7-Zip", b"\x28\xb5\x2f\xfd": "Zstandard"}
_ELSE: Final = ", or give a folder, another archive (tar, zip) or a list (.csv, .txt)"


@dataclass(frozen=True)
class TarFiles(Files):
    """The files in a tar archive, read at random without extracting it.

    A plain archive stays on the disk. A compressed one is unpacked into memory, once in each process that
    reads from it. `inside` is a folder of the archive that is left out of the names; `start` is the offset at
    which the archive begins, for one that is itself a member of another.
    """

    inside: str = ""
    start: int = 0

    def read(self, name: str, part: Span | None = None) -> bytes:
        """The content of a file, or a part of it; see `Files.read`."""
        if name not in self._spans:
            raise FileNotFoundError(errno.ENOENT, f"it is not in {self.path}", name)
        offset, size = self._spans[name]
        if part:
            offset, size = offset + part.offset, part.size
        if self._unpacked is not None:
            return self._unpacked[offset : offset + size]
        return _read(self.path, Span(offset, size))

    def offset(self, name: str) -> int:
        """Where in the file the content of a member of a plain archive begins."""
        return self._spans[name].offset

    def _look(self) -> Found:
        spans: dict[str, Span] = {}
        folders: set[str] = set()
        hidden: set[str] = set()  # the upper end of a hidden branch
        top = f"{self.inside}/" if self.inside else ""
        try:
            with self.path.open("rb") if self._unpacked is None else io.BytesIO(self._unpacked) as stream:
                stream.seek(self.start)
                with tarfile.open(fileobj=stream, mode="r:") as archive:
                    for member in archive:
                        name = _inner(member.name, top)
                        if cut := _hidden_part(name):
                            hidden.add(cut)
                            continue
                        if member.isdir():
                            folders.add(name)
                        elif member.isfile():
                            spans[name] = Span(member.offset_data, member.size)
                        while name := dirname(name):  # an archive need not hold its folders as members
                            folders.add(name)
                stream.seek(archive.offset)
                if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # tarfile does not mind
                    raise EOFError("it breaks off")
        except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
            if isinstance(error, OSError) and error.strerror:  # the disk's own word, not gzip's
                raise DataError(f"{self.path} cannot be read ({error.strerror}).") from error
            raise DataError(f"{self.path} is not a whole tar archive ({error}); get it again{_ELSE}.") from error
        return Found(spans, folders, sorted(name.rpartition("/")[2] for name in hidden - {"."}))

    @cached_property
    def _unpacked(self) -> bytes | None:
        """The content of a compressed archive, None for a plain one."""
        with self.path.open("rb") as file:
            magic = file.read(5)
        return next((_unpack(self.path, way) for start, way in _COMPRESSED.items() if magic.startswith(start)), None)


@dataclass(frozen=True)
class ZipFiles(Files):
    """The files in a zip archive, read at random without extracting it; see `TarFiles` for `inside`."""

    inside: str = ""

    def read(self, name: str, part: Span | None = None) -> bytes:
        """The content of a file, or a part of it; see `Files.read`."""
        if name not in self._spans:
            raise FileNotFoundError(errno.ENOENT, f"it is not in {self.path}", name)
        if self._spans[name].size > MAX_BYTES:
            raise ImageError(f"it holds more than {MAX_BYTES:,} bytes")
        try:
            content = self._archive.read(self._members[name])
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise ImageError(f"it cannot be unpacked ({error})") from error
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise ImageError("it cannot be unpacked (its place in the archive is none)") from error
        return content if part is None else content[part.offset : part.offset + part.size]

    def _look(self) -> Found:
        return self._index[0]

    @property
    def _members(self) -> dict[str, str]:
        return self._index[1]

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        """The archive, opened once in each process; its reader lets threads take turns."""
        try:
            return zipfile.ZipFile(self.path)
        except OSError as error:
            raise DataError(f"{self.path} cannot be read ({error.strerror}).") from error
        except (zipfile.BadZipFile, ValueError) as error:
            raise DataError(f"{self.path} is not a whole zip archive ({error}); get it again.") from error

    @cached_property
    def _index(self) -> tuple[Found, dict[str, str]]:
        """What is there, and the archive's own name of each file."""
        found, members, hidden = Found({}, set(), []), {}, set()
        top = f"{self.inside}/" if self.inside else ""
        for info in self._archive.infolist():
            if info.flag_bits & 1:
                raise DataError(f"{self.path} is encrypted; unpack it with its password and give the folder.")
            name = _inner(info.filename, top)
            if cut := _hidden_part(name):
                hidden.add(cut)
                continue
            if info.is_dir():
                found.folders.add(name)
            else:
                found.spans[name], members[name] = Span(0, info.file_size), info.filename
            while name := dirname(name):
                found.folders.add(name)
        found.hidden.extend(sorted(name.rpartition("/")[2] for name in hidden - {"."}))
        return found, members


def _inner(name: str, top: str) -> str:
    """The name of an archive's member below its place."""
    return normpath(name).lstrip("/").removeprefix(top) or "."


def _hidden_part(name: str) -> str:
    """The upper end of a hidden branch; empty for what is not hidden."""
    parts = name.split("/")
    return "/".join(parts[: next((end for end, part in enumerate(parts, 1) if is_hidden(part)), 0)])


def _unpack(path: Path, way: Callable[[Path], Any]) -> bytes:
    """What a compressed file holds. Raises DataError when it is more than is to be held in memory."""
    content = io.BytesIO()
    with way(path) as stream:
        while block := stream.read(1 << 20):
            content.write(block)
            if content.tell() > MAX_UNPACKED:
                raise DataError(
                    f"{path} unpacks to more than {MAX_UNPACKED:,} bytes, and a compressed archive is unpacked into "
                    "memory; unpack it yourself and give the folder."
                )
    return content.getvalue()


def _read(path: Path, part: Span | None) -> bytes:
    """A file or a part of it. It is opened each time, so that threads and processes share no position in it."""
    try:
        return read_file(path, MAX_BYTES, *(part or ()))
    except UnfitFileError as error:
        raise ImageError(str(error)) from error


def open_files(path: Path, inside: str = "") -> Files:
    """The files in a folder, a tar or a zip archive; in its folder `inside`, if there is one of that name."""
    if path.is_dir():
        return FolderFiles(path / inside if (path / inside).is_dir() else path)
    if not path.is_file():
        fault = "is neither a folder nor a regular file" if path.exists() else "does not exist"
        raise DataError(f"{path} {fault}; give the path of a folder, or of a tar or zip archive.")
    with path.open("rb") as file:
        start = file.read(16)
    if (kind := format_of(start)) is not None:
        raise DataError(f"{path} is one {kind} image; give the folder of photographs, an archive or a list of them.")
    if other := next((name for magic, name in _OTHER_ARCHIVES.items() if start.startswith(magic)), None):
        raise DataError(f"{path} is a {other} archive, which is not read; unpack it and give the folder.")
    return ZipFiles(path, inside) if start.startswith(b"PK") else TarFiles(path, inside)


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
