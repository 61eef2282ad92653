"""Files that come from anywhere, read whole: regular ones alone, and of a stated size at most."""

import errno
import os
import stat
from pathlib import Path


class UnfitFileError(ValueError):
    """What is there is not to be read: a device, a pipe, or more than was expected. The text is the reason."""


def read_file(path: Path, most: int, start: int = 0, size: int | None = None) -> bytes:
    """The content of a file, of `most` bytes at most; or `size` bytes of it from `start` on.

    Raises UnfitFileError for what is no regular file or holds more; OSError when it cannot be read, and when it ends
    before the bytes that were asked for.
    """
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
