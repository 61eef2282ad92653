"""Ctrl-C and SIGTERM as a request that the loop answers between two steps."""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from alexnet.errors import AlexNetError


class Interrupted(AlexNetError):
    """Training was asked to stop and has saved its state; `exit_code` is 128 + the signal's number."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.exit_code = 128 + number


class TimeIsUp(AlexNetError):
    """The minutes that training was given are over and it has saved its state: no mistake of anybody's."""


TIME_IS_UP = 1000
"""What stands for the end of the minutes among the numbers of signals."""


class StopRequest:
    """The signal received, if any; else `TIME_IS_UP` once the minutes are over."""

    def __init__(self, minutes: float | None = None) -> None:
        self._signal: int | None = None
        self._until = math.inf if minutes is None else time.monotonic() + 60 * minutes

    @property
    def number(self) -> int | None:
        """What to stop for."""
        if self._signal is None and time.monotonic() >= self._until:
            return TIME_IS_UP
        return self._signal

    @number.setter
    def number(self, signal_number: int | None) -> None:
        self._signal = signal_number

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        # a second signal is not for waiting
        signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)


@contextmanager
def stop_requests(minutes: float | None = None) -> Iterator[StopRequest]:
    """Catches SIGINT and SIGTERM while the block runs (in the main thread; elsewhere nothing is caught).

    One that this process ignores, as of a job in a shell's background, stays ignored.
    The request is there too when `minutes` are over.
    """
    request = StopRequest(minutes)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    heard = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, request._receive) for number in heard}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
