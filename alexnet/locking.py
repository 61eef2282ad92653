"""One process at a place: the second is told which one came first."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alexnet.errors import AlexNetError

if sys.platform != "win32":
    import fcntl

# What file systems say that know no locks; there, nobody can be told apart.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class BusyError(AlexNetError):
    """Another process is at work on the same place."""


@contextmanager
def held(lock: Path, doing: str) -> Iterator[None]:
    """A block that one process at a time runs for the file `lock`, which is there as long as the block runs.

    The system lets go of the lock of a process that dies. `doing` goes on where "Process 12 is …" begins ("training in
    runs/a"). Raises BusyError when another process, or another thread, has the lock; OSError when the file cannot be
    made.
    """
    file = _claim(lock, doing)
    try:
        yield
    finally:
        with suppress(OSError):  # of a folder that is gone
            lock.unlink()  # before it is let go: whoever waits with the old file open sees that it is gone
        with suppress(OSError):  # a disk that fails now takes nothing back: the lock went with its name
            os.close(file)


def _claim(lock: Path, doing: str) -> int:
    """The descriptor of the lock's file, locked, with this process's number in it."""
    while True:
        file = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if sys.platform != "win32":
                _lock(file, doing)
            try:
                is_there = os.path.samestat(os.fstat(file), os.stat(lock))
            except FileNotFoundError:
                is_there = False
            if is_there:
                with suppress(OSError):  # on a full disk the second process is told without a number
                    os.truncate(file, 0)
                    os.write(file, b"%d" % os.getpid())
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # the one before removed it when it was done


def _lock(file: int, doing: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(file, 20, 0).decode("ascii", "replace")
        who = f"Process {holder}" if holder.isdigit() else "Another process"
        raise BusyError(f"{who} is {doing} now; wait until it has ended, or choose another place.") from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
