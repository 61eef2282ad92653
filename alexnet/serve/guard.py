"""What stands before every route: who may ask, how long it may take, what every answer carries, what is logged."""

import asyncio
import time
import traceback
from collections.abc import Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from alexnet.errors import AlexNetError
from alexnet.serve.metrics import Metrics
from alexnet.serve.problems import Gone, Problem
from alexnet.serve.settings import Settings

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
PORTS = {"http": 80, "https": 443}


class Guard:
    """The application around the routes.

    `say` gets a line for each request, without the names of files, and whether it is a fault of the service's own.
    """

    def __init__(self, routes: ASGIApp, settings: Settings, metrics: Metrics, say: Callable[[str, bool], None]) -> None:
        self._routes, self._settings, self._metrics, self._say = routes, settings, metrics, say

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        scope["app"] = self  # Starlette's routes then raise what they refuse
        sent = _Sent(send)
        begin = time.perf_counter()
        seconds = self._settings.body_seconds + self._settings.answer_seconds
        try:
            async with asyncio.timeout(seconds):
                problem = await self._answer(scope, receive, sent)
        except TimeoutError:
            problem = Problem(503, "too_slow_here", f"There was no answer within {seconds:g} seconds.")
        if problem is not None and not sent.status:
            if problem.code in ("too_many_bytes", "too_slow"):
                problem.headers["Connection"] = "close"
            await problem.response()(scope, receive, sent)
        took = time.perf_counter() - begin
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"
        status = sent.status or 499
        self._metrics.request(route, method, status, took)
        reason = f" {problem.code}" if problem is not None else ""
        self._say(f"{method} {route} {status}{reason} {took * 1000:.0f} ms", False)

    async def _answer(self, scope: Scope, receive: Receive, send: "_Sent") -> Problem | None:
        """Lets the routes answer; or says what is to be answered instead."""
        try:
            _check(Headers(scope=scope), scope, self._settings)
            await self._routes(scope, receive, send)
        except Problem as problem:
            return problem
        except Gone:
            return None
        except HTTPException as error:
            return _refused(error)
        except AlexNetError as error:
            if error.exit_code == 2:
                return Problem(400, "bad_parameter", str(error))
            return self._fault(error)
        except Exception as error:
            return self._fault(error)
        return None

    def _fault(self, error: Exception) -> Problem:
        """Ours: the log gets all of it, the client a number to ask about."""
        number = uuid4().hex[:8]
        self._say(f"error {number}: {''.join(traceback.format_exception(error)).strip()}", True)
        return Problem(500, "fault", f"The service failed; its log says more under {number}.")


class _Sent:
    """Sends, with what every answer carries, and remembers the status."""

    def __init__(self, send: Send) -> None:
        self._send, self.status = send, 0

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


def _check(headers: Headers, scope: Scope, settings: Settings) -> None:
    """Raises Problem for a name that is not ours (DNS rebinding), and for what another site's page sends."""
    host, port = _host(headers.get("host", ""))
    if host not in settings.names:
        raise Problem(
            403, "bad_host", "The Host header gives a name that this service does not answer to; start it with "
            "--allow-host NAME for each name that it should have."
        )  # fmt: skip
    site = headers.get("sec-fetch-site", "none")
    opened = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET" and scope["path"] == "/"
    origin = headers.get("origin")
    if (site not in ("none", "same-origin") and not opened) or (origin is not None and not _same(origin, host, port)):
        raise Problem(403, "cross_site", "A page of another site may not ask here.")


def _host(text: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(f"//{text}")
        return (parts.hostname or ""), parts.port
    except ValueError:
        return "", None


def _same(origin: str, host: str, port: int | None) -> bool:
    """Whether the origin is the address that was asked; behind a proxy the Host header may lack the port."""
    try:
        parts = urlsplit(origin)
        theirs = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return False
    return parts.hostname == host and parts.scheme in PORTS and (port is None or theirs == port)


def _refused(error: HTTPException) -> Problem:
    """What the routes raise: no such path, or another method there."""
    headers = dict(error.headers or {})
    if error.status_code == 405:
        return Problem(405, "method_not_allowed", f"Only {headers.get('Allow', 'other methods')} here.", headers)
    if error.status_code == 404:
        return Problem(404, "not_found", "There is nothing at this path; /openapi.json lists what there is.")
    return Problem(error.status_code, "refused", str(error.detail), headers)
