"""Files and folders that are whole or absent: written beside their place, flushed, then put into it by one rename."""

import ctypes
import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from alexnet.data.store import flush_folder
from alexnet.errors import AlexNetError, WeightsError
from alexnet.locking import held

_AT_FDCWD, _EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h
_NOT_KNOWN = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}  # to this kernel, or to this file system


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; renamed to `path` when the block ends well, removed otherwise.

    A kill or a power cut at any moment leaves the old file or the new one. Raises AlexNetError when the disk refuses,
    or another process is writing there. What the block reads it reads under `reading`: else the sentence would be
    of writing.
    """
    with writing(path), _held(path):
        temporary = _beside(path, "tmp")  # one name: what a kill leaves behind is overwritten next time
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
            flush_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A new, empty folder beside `path` to fill; put at `path` when the block ends well, removed otherwise.

    At every moment one whole folder, old or new, is at `path`; or, where the system cannot exchange two folders at
    once, `recover` puts it back. The folders above `path` are made. Raises AlexNetError as `replacing` does.
    """
    if path.is_symlink():
        path = path.resolve()
    with writing(path):
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
        with _held(path):
            _put_back(path)
            temporary = _beside(path, "tmp")
            for leftover in (temporary, _beside(path, "old")):  # of a killed process
                shutil.rmtree(leftover, ignore_errors=True)
            try:
                temporary.mkdir()
                yield temporary
                for file in temporary.iterdir():
                    with open(file, "rb") as content:
                        os.fsync(content.fileno())
                flush_folder(temporary)
                _put(temporary, path)
                flush_folder(path.parent)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)


def recover(path: Path) -> None:
    """Puts the folder back that `replacing_folder` had taken from `path` when its process was killed, if it was."""
    if not path.exists() and _beside(path, "old").is_dir():
        with writing(path), _held(path):
            _put_back(path)


def _put_back(path: Path) -> None:
    old = _beside(path, "old")
    if not path.exists() and old.is_dir():
        os.rename(old, path)


def _put(new: Path, path: Path) -> None:
    """Renames the folder `new` to `path`; what was there is called `new` then, or is gone."""
    if not path.exists():
        os.rename(new, path)
        return
    if _exchange(new, path):
        return
    old = _beside(path, "old")
    os.rename(path, old)
    try:
        os.rename(new, path)
    except BaseException:
        os.rename(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Whether the two folders have changed places, at one moment; False where the system does not know how to."""
    rename = _renameat2()
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_KNOWN:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _renameat2() -> Callable[..., int] | None:
    """The C library's function, where there is one."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f".{path.name}.{suffix}")


def _held(path: Path) -> AbstractContextManager[None]:
    return held(_beside(path, "lock"), f"writing {path}")


@contextmanager
def reading(what: str) -> Iterator[None]:
    """A block that reads the file `what`. Raises AlexNetError when that cannot be read."""
    try:
        yield
    except OSError as error:
        raise AlexNetError(f"Cannot read {what}: {error.strerror or error}; mend that and try again.") from error


@contextmanager
def writing(path: Path, remedy: str = "free some space or choose another place") -> Iterator[None]:
    """A block that writes at `path`. Raises AlexNetError, with what to do, when the disk refuses."""
    try:
        yield
    except OSError as error:
        raise AlexNetError(f"Cannot write {path}: {error.strerror or error}; {remedy}.") from error


def check_name(path: Path) -> None:
    """Raises WeightsError for a path that the library of safetensors does not open, one that is no Unicode."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise WeightsError(
            f"The name of {path} is not valid UTF-8, so the library of safetensors does not open it; rename it."
        ) from error


def write_text(path: Path, text: str, errors: str = "surrogatepass") -> None:
    """Writes `text` as UTF-8, whole or not at all.

    `errors` says what becomes of names that are no Unicode, as files may have them: "surrogatepass" for JSON, which
    `alexnet.schema.decode` reads back; "surrogateescape" for the bytes that the disk has, in a list; "backslashreplace"
    for escapes, in a page.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=errors, newline="\n")


def copy(source: Path, path: Path) -> None:
    """Copies a file, whole or not at all. Raises AlexNetError that says whether reading or writing failed."""
    with replacing(path) as temporary, open(temporary, "wb") as made:
        for block in _blocks(source):
            made.write(block)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal. Raises AlexNetError when it cannot be read."""
    digest = hashlib.sha256()
    for block in _blocks(path):
        digest.update(block)
    return digest.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with reading(str(path)), open(path, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            yield block
