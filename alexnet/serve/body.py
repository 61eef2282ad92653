"""A request's body, counted as it comes and never on a disk."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from alexnet.serve.problems import Gone, Problem, busy
from alexnet.serve.settings import Settings

T = TypeVar("T")


class Bodies:
    """The bodies in memory at one time, bounded together."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.held = 0  # bytes

    @contextmanager
    def held_by(self) -> Iterator["Body"]:
        """An empty body; its bytes count for as long as the block lasts."""
        body = Body(self, self._settings)
        try:
            yield body
        finally:
            body.drop()


class Body:
    """The bytes of one request."""

    def __init__(self, bodies: Bodies, settings: Settings) -> None:
        self._bodies, self._settings = bodies, settings
        self._size = 0

    async def read(self, request: Request) -> bytes:
        """All of it. Raises Problem when it is too large, too slow, or in parts; Gone when its sender leaves."""
        if request.headers.get("content-type", "").lower().startswith("multipart/"):
            raise Problem(
                415, "multipart", "Send the photograph's bytes as the body: curl --data-binary @photo.jpg URL; a form "
                "is not read."
            )  # fmt: skip
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._settings.max_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                return await self._collect(request)
        except TimeoutError:
            text = f"The body did not arrive within {self._settings.body_seconds:g} seconds."
            raise Problem(408, "too_slow", text) from None
        except ClientDisconnect:
            raise Gone from None

    def drop(self) -> None:
        """Its bytes are needed no longer."""
        self._bodies.held -= self._size
        self._size = 0

    async def _collect(self, request: Request) -> bytes:
        parts = []
        async for part in request.stream():
            self._size += len(part)
            self._bodies.held += len(part)
            if self._size > self._settings.max_bytes:
                raise self._too_large()
            if self._bodies.held > self._settings.held_bytes:
                raise busy("Other photographs fill the memory that there is for them")
            parts.append(part)
        return b"".join(parts)

    def _too_large(self) -> Problem:
        return Problem(413, "too_many_bytes", f"A photograph may have {self._settings.max_bytes:,} bytes at most.")


async def while_connected(request: Request, work: Coroutine[object, object, T]) -> T:
    """What `work` gives, unless the client leaves before: then it is cancelled. Raises Gone; the body must be read."""
    doing = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((doing, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise Gone
        return doing.result()
    finally:
        doing.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
