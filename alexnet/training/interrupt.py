"""Ctrl-C and SIGTERM as a request that the loop answers between two steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from alexnet.errors import AlexNetError


class Interrupted(AlexNetError):
    """Training was asked to stop and has saved its state; `exit_code` is 128 + the signal's number."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.exit_code = 128 + number


class StopRequest:
    """The signal received, if any."""

    def __init__(self) -> None:
        self.number: int | None = None

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        # a second signal is not for waiting
        signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Catches SIGINT and SIGTERM while the block runs (in the main thread; elsewhere nothing is caught)."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request._receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
