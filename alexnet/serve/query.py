"""What a request's address asks for, after the question mark: known names, each once, each of its kind."""

import re
from collections.abc import Iterable

from starlette.requests import Request

from alexnet.errors import unknown
from alexnet.serve.problems import bad

_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)


class Query:
    """The parameters of a request. Every method raises Problem for a value that is none.

    Raises Problem for a parameter that is not among `names`, or that is given twice.
    """

    def __init__(self, request: Request, *names: str) -> None:
        self._given: dict[str, str] = {}
        for name, value in request.query_params.multi_items():
            if name not in names:
                raise bad(str(unknown("parameter", name, names)) if names else "This path takes no parameters.")
            if name in self._given:
                raise bad(f"The parameter {name} is given twice.")
            self._given[name] = value

    def text(self, name: str, otherwise: str = "") -> str:
        """The text of a parameter."""
        return self._given.get(name, otherwise)

    def whole(self, name: str, otherwise: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        if name not in self._given:
            return otherwise
        text = self._given[name]
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            raise bad(f"{name} is a whole number from {low} to {high}, not {text[:20]!r}.")
        return int(text)

    def choice(self, name: str, known: Iterable[str], otherwise: str) -> str:
        """One of the known texts."""
        text = self._given.get(name, otherwise)
        if text not in (options := list(known)):
            raise bad(str(unknown(name, text[:80], options)))
        return text
