"""What a client is told when there is no answer: RFC 9457, one short code for each kind."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, Response

JSON = "application/problem+json"


class Problem(Exception):
    """A request that gets no answer: the HTTP status, a code for programs, a sentence for people."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.headers = status, code, dict(headers or {})

    def to_json(self) -> dict[str, object]:
        """As RFC 9457 has it, with `code` added."""
        title = HTTPStatus(self.status).phrase
        return {
            "type": "about:blank",
            "title": title,
            "status": self.status,
            "detail": str(self),
            "code": self.code,
        }

    def response(self) -> Response:
        """The answer that says it."""
        return Json(self.to_json(), self.status, self.headers, JSON)


class Json(JSONResponse):
    """An answer in JSON. What a name has that is no Unicode is escaped, as `--json` prints it."""

    def render(self, content: Any) -> bytes:
        """The body."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "backslashreplace")


class Gone(Exception):
    """The client has left."""


def busy(what: str) -> Problem:
    """More is waiting than may wait."""
    return Problem(503, "busy", f"{what}; try again in a second.", {"Retry-After": "1"})


def bad(detail: str) -> Problem:
    """A parameter that is not one."""
    return Problem(400, "bad_parameter", detail)
