"""Files in tar and zip archives, read at random without extracting them, by the names that a folder would have."""

import bz2
import errno
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any, Final

from alexnet.data.formats import format_of
from alexnet.data.sources.files import MAX_BYTES, Files, FolderFiles, Found, Span, read_part
from alexnet.data.sources.photographs import is_hidden
from alexnet.errors import DataError, ImageError

MAX_UNPACKED: Final = 2_000_000_000
"""Compressed archives that hold more bytes are not read."""

MAX_LINKS: Final = 40  # that are followed from one to the next

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
        if size < 0:
            raise ImageError("it is a link to what is not in the archive")
        if part:
            offset, size = offset + part.offset, part.size
        if self._unpacked is not None:
            return self._unpacked[offset : offset + size]
        return read_part(self.path, Span(offset, size))

    def offset(self, name: str) -> int:
        """Where in the file the content of a member of a plain archive begins."""
        return self._spans[name].offset

    def _look(self) -> Found:
        everything: dict[str, Span] = {}
        folders: set[str] = set()
        links: dict[str, str] = {}
        top = f"{self.inside}/" if self.inside else ""
        try:
            with self.path.open("rb") if self._unpacked is None else io.BytesIO(self._unpacked) as stream:
                stream.seek(self.start)
                with tarfile.open(fileobj=stream, mode="r:") as archive:
                    for member in archive:
                        name = _inner(member.name, top)
                        if member.isdir():
                            folders.add(name)
                        elif member.isfile():
                            everything[name] = Span(member.offset_data, member.size)
                        elif member.islnk():
                            links[name] = _inner(member.linkname, top)
                        elif member.issym():
                            links[name] = _inner(join(dirname(normpath(member.name)), member.linkname), top, whole=True)
                stream.seek(archive.offset)
                if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # tarfile does not mind
                    raise EOFError("it breaks off")
        except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
            if isinstance(error, OSError) and error.strerror:  # the disk's own word, not gzip's
                raise DataError(f"{self.path} cannot be read ({error.strerror}).") from error
            raise DataError(f"{self.path} is not a whole tar archive ({error}); get it again{_ELSE}.") from error
        _follow(links, everything, self.path)
        return _found(everything, folders)

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
    def _members(self) -> dict[str, zipfile.ZipInfo]:
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
    def _index(self) -> tuple[Found, dict[str, zipfile.ZipInfo]]:
        """What is there, and the archive's own entry of each file."""
        everything, folders, members = {}, set(), {}
        top = f"{self.inside}/" if self.inside else ""
        entries = self._archive.infolist()
        backslashes = not any("/" in info.filename for info in entries)  # as some programs on Windows write them
        for info in entries:
            if info.flag_bits & 1:
                raise DataError(f"{self.path} is encrypted; unpack it with its password and give the folder.")
            written = _spelled(info)
            name = _inner(written.replace("\\", "/") if backslashes else written, top)
            if info.is_dir() or (backslashes and written.endswith("\\")):
                folders.add(name)
            else:
                everything[name], members[name] = Span(0, info.file_size), info
        return _found(everything, folders), members


def _spelled(info: zipfile.ZipInfo) -> str:
    """The name of a zip's entry. Many programs write UTF-8 without the mark that says so: then it is read as CP437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _inner(name: str, top: str, *, whole: bool = False) -> str:
    """The name of an archive's member below its place.

    What leads above the archive's own top is left out, as those who unpack it do; with `whole` it stays.
    """
    name = normpath(name).lstrip("/")
    while name.startswith("../") and not whole:
        name = name[3:]
    return name.removeprefix(top) or "."


def _follow(links: Mapping[str, str], everything: dict[str, Span], archive: Path) -> None:
    """Adds what links of a tar lead to, files first, then what lies in folders; one that leads nowhere has size -1."""

    def lead(name: str) -> str | None:
        for _ in range(MAX_LINKS):
            parts = name.split("/")
            heads = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
            if (head := next((each for each in heads if each in links), None)) is None:
                return name
            name = normpath(join(links[head], *parts[len(head.split("/")) :]))
        return None  # in circles

    ends = {name: lead(target) for name, target in links.items()}
    folders = {name: end for name, end in ends.items() if end is None or end not in everything}
    everything |= {name: everything[end] for name, end in ends.items() if end is not None and name not in folders}
    for name, end in folders.items():
        if end is not None and (end == "." or name.startswith(f"{end}/")):
            raise DataError(f"{name} in {archive} is a link to a folder that contains it; leave the link out.")
        inside = {} if end is None else {each: everything[each] for each in everything if each.startswith(f"{end}/")}
        everything |= {name + each[len(end or "") :]: span for each, span in inside.items()} or {name: Span(0, -1)}


def _found(everything: Mapping[str, Span], folders: set[str]) -> Found:
    """What there is without what is hidden; an archive need not hold its folders as members."""
    folders = set(folders)
    for name in [*everything, *folders]:
        while name := dirname(name):
            folders.add(name)
    hidden = {cut for name in [*everything, *folders] if (cut := _hidden_part(name))} - {"."}
    return Found(
        {name: span for name, span in everything.items() if not _hidden_part(name)},
        {name for name in folders if not _hidden_part(name)},
        sorted(name.rpartition("/")[2] for name in hidden),
    )


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
