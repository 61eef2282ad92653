"""Threads that have room to begin.

`Thread.start` of CPython waits without an end for a thread that the system gave and that has no memory for its first
steps: it ends before it has told that it began.
"""

import mmap
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

ROOM: Final = 16 << 20  # bytes: a stack, for which the system keeps 8 MiB on Linux, and first steps

P = ParamSpec("P")
R = TypeVar("R")


def check_room() -> None:
    """Raises MemoryError unless a thread has room to begin."""
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    try:
        mmap.mmap(-1, ROOM, **private).close()
    except OSError as error:
        raise MemoryError(f"a thread needs {ROOM:,} bytes to begin, and they are not to be had") from error


class Threads(ThreadPoolExecutor):
    """A ThreadPoolExecutor that raises MemoryError for a thread without room, where Python may wait for ever."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """As ThreadPoolExecutor's."""
        check_room()
        return super().submit(fn, *args, **kwargs)
