"""Processes that do a job and may be stopped in it; what they leave behind is found."""

import ctypes
import os
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from alexnet.cli.main import _verdict

PATIENCE = 120.0  # seconds for a job, which takes one; other programs may be at work too
LATE = 20.0  # seconds after which a process whose parent is gone should be gone too
SHARED = Path("/dev/shm")
_BECOME_PARENT = 36  # PR_SET_CHILD_SUBREAPER: processes whose parents die are children of this one then

Meanwhile = Callable[[int, float], None]
"""What is done to a process while it works, time and again: its number, and for how long it has worked."""


def adopt() -> None:
    """Lets this process find those that are left behind."""
    ctypes.CDLL(None).prctl(_BECOME_PARENT, 1, 0, 0, 0)


def fork(work: Callable[[], object], meanwhile: Meanwhile = lambda child, seconds: None) -> tuple[int, str]:
    """The exit status and the last words of a process that does the work; 255 if it hangs."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        status = 21  # what becomes of an error that cannot even be told
        try:
            os.setpgid(0, 0)
            os.close(reader)
            words = ""
            try:
                work()
            except BaseException as error:
                status, words = verdict(error)
            else:
                status = 0
            os.write(writer, words.encode(errors="replace")[:4000])
        finally:
            os._exit(status)
    os.close(writer)
    began = time.monotonic()
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        meanwhile(child, time.monotonic() - began)
        if time.monotonic() > began + PATIENCE:
            kill(child, *descendants(child))
            os.waitpid(child, 0)
            ended = (child, 0xFF00)
            break
        time.sleep(0.0005)
    with os.fdopen(reader, "rb") as stream:
        words = stream.read().decode(errors="replace")
    return os.waitstatus_to_exitcode(ended[1]), words


def verdict(error: BaseException) -> tuple[int, str]:
    """10 for a sentence, 20 for what the command line would call unexpected."""
    if isinstance(error, Exception) and "unexpectedly" not in (sentence := _verdict(error)[0]):
        return 10, sentence
    return 20, "".join(traceback.format_exception(error)[-3:])[-700:]


def kill(*processes: int) -> None:
    """Ends them at once, those that are there."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def descendants(process: int) -> list[int]:
    """The processes that it has started, and theirs, in the order of their numbers."""
    found = []
    with suppress(OSError):
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    return sorted(found)


def orphans() -> int:
    """How many processes go on though nobody waits for them; they are ended."""
    end = time.monotonic() + LATE
    while time.monotonic() < end:
        try:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                time.sleep(0.01)
        except ChildProcessError:
            return 0
    left = descendants(os.getpid())
    kill(*left)
    return len(left)
