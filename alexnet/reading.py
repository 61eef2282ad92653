"""Files that come from anywhere, read whole: regular ones alone, and of a stated size at most."""

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

MAX_LIST: Final = 1_000_000_000
"""Lists of photographs of more bytes are not read; one of ImageNet's has 60 million."""

MAX_LOG: Final = 200_000_000
"""Logs of a run of more bytes are not read; one of 10,000 epochs has 3 million."""


_MARKS: Final = {
    "a store": ("manifest.json", "images.bin"),
    "a model directory": ("model.json", "model.safetensors"),
    "a run directory": ("run.json", "recipe.json"),
    "a directory of features": ("features.json", "images.jsonl"),
}
"""What directories of ours hold, of each kind."""


def instead(path: Path, mark: str = "") -> str:
    """What a directory is, to end a sentence that says what it is not: ", but a store".

    Where that is not known, the file `mark` that it lacks: ": it has no model.json"; nothing without a mark.
    """
    found = next((kind for kind, names in _MARKS.items() if all((path / name).is_file() for name in names)), None)
    if found is not None:
        return f", but {found}"
    return f": it has no {mark}" if mark else ""


class UnfitFileError(ValueError):
    """What is there is not to be read: a device, a pipe, or more than was expected. The text is the reason."""


def read_file(path: Path, most: int, start: int = 0, size: int | None = None) -> bytes:
    """The content of a file, of `most` bytes at most; or `size` bytes of it from `start` on.

    Raises UnfitFileError for what is no regular file or holds more; OSError, with the file's name, when it cannot be
    read, and when it ends before the bytes that were asked for.
    """
    with naming(path):
        return _read(path, most, start, size)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """A block that reads the file: the system names it in an error of opening, and here in one of reading too."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _read(path: Path, most: int, start: int, size: int | None) -> bytes:
    # a pipe would wait here for somebody to write
    file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(file, "rb") as stream:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise UnfitFileError("it is no regular file")
        wanted = found.st_size if size is None else size
        if wanted > most:
            raise UnfitFileError(f"it has {wanted:,} bytes, more than the {most:,} that are read")
        stream.seek(start)
        content = stream.read(most + 1 if size is None else size)
    if len(content) > most:
        raise UnfitFileError(f"it has more than the {most:,} bytes that are read")
    if size is not None and len(content) < size:
        raise OSError(errno.EIO, f"it ends at byte {start + len(content):,}, before byte {start + size:,}", str(path))
    return content


def read_text(path: Path, most: int, *, errors: str = "strict", newline: str | None = None) -> TextIO:
    """A file of UTF-8 as `open` gives it, with or without its mark of order. Raises as `read_file`, and ValueError."""
    return io.StringIO(read_file(path, most).decode("utf-8-sig", errors), newline)
