"""HTTP/1.1 as uvicorn speaks it, with deadlines for those who send and read slowly, and refusals in JSON.

uvicorn waits for ever for a head that does not come, for the rest of a body that was refused, and for a reader that
does not read.
"""

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from alexnet.serve.problems import JSON, Problem, busy
from alexnet.serve.settings import Settings


def protocol(settings: Settings) -> type[asyncio.Protocol]:
    """The class of a connection that keeps to the settings' limits."""

    class Connection(H11Protocol):
        """One connection."""

        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            self._deadline: asyncio.TimerHandle | None = None
            self._reading: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            """Refuses one connection too many; the others have so long for their first head."""
            super().connection_made(transport)
            if len(self.connections) > settings.connections:
                transport.write(_raw(busy(f"There are {settings.connections} connections already")))
                transport.close()
                return
            self._watch()

        def data_received(self, data: bytes) -> None:
            """As uvicorn's, in time."""
            if self.transport.is_closing():
                return
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            """As uvicorn's; nothing is waited for any longer."""
            for timer in (self._deadline, self._reading):
                if timer is not None:
                    timer.cancel()
            super().connection_lost(exc)

        def pause_writing(self) -> None:
            """The reader is slow: it has so long to go on."""
            super().pause_writing()
            self._reading = self.loop.call_later(settings.body_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            """The reader goes on."""
            super().resume_writing()
            if self._reading is not None:
                self._reading.cancel()

        def on_response_complete(self) -> None:
            """As uvicorn's; what is still sent of a refused body is read for so long and no longer."""
            super().on_response_complete()
            self._watch()

        def send_400_response(self, msg: str) -> None:
            """What cannot be read as HTTP gets JSON too."""
            self.transport.write(_raw(Problem(400, "not_http", "This is not a request of HTTP/1.1.")))
            self.transport.close()

        def _watch(self) -> None:
            """One deadline runs while no request is at work; it is not moved by what trickles in."""
            working = self.cycle is not None and not self.cycle.response_complete
            if working and self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
            if not working and self._deadline is None:
                self._deadline = self.loop.call_later(settings.head_seconds, self._late)

        def _late(self) -> None:
            self._deadline = None
            if self.transport.is_closing():
                return
            if self.conn.their_state is h11.IDLE:  # else it is the rest of a body that nobody wants
                text = f"The head of the request did not arrive within {settings.head_seconds:g} seconds."
                self.transport.write(_raw(Problem(408, "too_slow", text)))
            self.transport.close()

    return Connection


def _raw(problem: Problem) -> bytes:
    """A whole answer, after which the connection ends."""
    body = json.dumps(problem.to_json()).encode()
    lines = [
        f"HTTP/1.1 {problem.status} {problem.to_json()['title']}",
        f"Content-Type: {JSON}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        *(f"{name}: {value}" for name, value in problem.headers.items()),
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
