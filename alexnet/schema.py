"""What plain data may be, declared by types, and checked before anything is made of it.

A kind is a type as annotations write it: `int`, `str | None`, `list[int]`, `tuple[float, float]`, `dict[str, Any]`,
`Literal["raw", "jpeg"]`, a `TypedDict`, a dataclass; `Annotated[int, Within(1, 100)]` says a range, and
`Annotated[str, AtMost(100)]` a length. Numbers are finite, a bool is no number, and an object has no other keys than
those declared. One declaration serves for JSON from a stranger's file and for objects that a program makes.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import lru_cache
from reprlib import Repr
from string import hexdigits
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

MAX_DEPTH = 50
"""How deep arrays and objects may lie in one another."""


class SchemaError(ValueError):
    """The data is not of its kind; the text says where, what was found and what was expected."""


@dataclass(frozen=True)
class Within:
    """A number from `low` to `high`, both included."""

    low: float
    high: float


@dataclass(frozen=True)
class AtMost:
    """A text, list or object of `count` characters or items at most."""

    count: int


@dataclass(frozen=True)
class Hexadecimal:
    """A text of so many hexadecimal digits, in lower case."""

    digits: int


@dataclass(frozen=True)
class FolderName:
    """A text that can be the name of a folder, or a part of one."""


Digest = Annotated[str, Hexadecimal(64)]


def names_folder(text: str) -> bool:
    """Whether a text can name a folder inside another: printable, without slashes, and no way to where it is."""
    return text.isprintable() and not set(text) & set("/\\") and text not in ("", ".", "..")


def decode(content: bytes, kind: Any = Any) -> Any:
    """The value of a JSON file of this kind. Raises SchemaError for what is no JSON, too deep, or of another kind."""
    try:
        text = content.decode("utf-8", "surrogatepass")  # names of files may be no Unicode
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise SchemaError(f"byte {error.start} is no UTF-8") from error
    except RecursionError as error:
        raise SchemaError(f"it is more than {MAX_DEPTH} deep") from error
    except ValueError as error:  # SchemaError too
        raise SchemaError(str(error)) from error
    _check_depth(value)
    check(value, kind)
    return value


def check(value: object, kind: Any, where: str = "") -> None:
    """Raises SchemaError unless `value`, which is at `where` in its file, is of the kind."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return
    if origin is Annotated:
        check(value, arguments[0], where)
        for limit in arguments[1:]:
            _check_limit(value, limit, where)
    elif origin is Literal:
        if not any(type(value) is type(each) and value == each for each in arguments):
            raise _wrong(value, where, " or ".join(map(repr, arguments)))
    elif origin in (Union, UnionType):
        _check_any(value, arguments, where)
    elif origin in (list, tuple, dict):
        _check_items(value, origin, arguments, where)
    elif is_typeddict(kind):
        _check_object(value, kind, where)
    elif is_dataclass(kind):
        if type(value) is not kind:
            raise _wrong(value, where, f"a {getattr(kind, '__name__', kind)}")
        for name, hint in hints(kind).items():
            check(getattr(value, name), hint, _at(where, name))
    else:
        _check_plain(value, kind, where)


def _check_keys(plain: object, known: Iterable[str], where: str) -> None:
    """Raises SchemaError unless `plain` is an object with no other keys than those known, naming the nearest."""
    if not isinstance(plain, Mapping):
        raise _wrong(plain, where, "an object")
    for key in plain:
        if key not in known:
            near = get_close_matches(str(key), list(known), n=1)
            meant = f"; was {near[0]!r} meant" if near else ""
            raise SchemaError(f"{_at(where, str(key)[:50])} is unknown{meant}")


@lru_cache(maxsize=100)
def hints(kind: Any) -> dict[str, Any]:
    """The kinds of a class's fields, with what they are annotated with; class variables left out."""
    found = get_type_hints(kind, include_extras=True)
    return {field.name: found[field.name] for field in fields(kind)}


@lru_cache(maxsize=100)
def _keys(kind: Any) -> dict[str, Any]:
    """The kinds of an object's values by key."""
    return get_type_hints(kind, include_extras=True)


_PLAIN: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _check_plain(value: object, kind: Any, where: str) -> None:
    if kind in (None, NoneType):
        if value is not None:
            raise _wrong(value, where, "null")
    elif kind is float:
        if type(value) not in (int, float) or not _is_finite(value):
            raise _wrong(value, where, "a finite number")
    elif type(value) is not kind:
        raise _wrong(value, where, _PLAIN.get(kind, str(kind)))


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def _check_limit(value: Any, limit: object, where: str) -> None:
    if isinstance(limit, Within) and not limit.low <= value <= limit.high:
        raise _wrong(value, where, f"a number from {limit.low:,} to {limit.high:,}")
    if isinstance(limit, Hexadecimal) and not (len(value) == limit.digits and set(value) <= set(hexdigits.lower())):
        raise _wrong(value, where, f"{limit.digits} hexadecimal digits")
    if isinstance(limit, FolderName) and not names_folder(value):
        raise _wrong(value, where, "a text that can name a folder")
    if isinstance(limit, AtMost) and len(value) > limit.count:
        raise SchemaError(f"{where or 'it'} has a length of {len(value):,}, expected at most {limit.count:,}")


def _check_any(value: object, kinds: tuple[Any, ...], where: str) -> None:
    """One of several kinds; of dataclasses the error is that of the value's own."""
    reasons = []
    for kind in (type(value),) if type(value) in kinds and is_dataclass(value) else kinds:
        try:
            check(value, kind, where)
        except SchemaError as error:
            reasons.append(error)
        else:
            return
    raise max(reasons, key=lambda reason: len(str(reason).partition(" is ")[0]))  # the one that came farthest


def _check_items(value: Any, origin: type, arguments: tuple[Any, ...], where: str) -> None:
    if origin is dict:
        if not isinstance(value, dict):
            raise _wrong(value, where, "an object")
        for key, item in value.items():
            check(item, arguments[1], _at(where, str(key)[:50]))
        return
    if not isinstance(value, list | tuple):
        raise _wrong(value, where, "a list")
    if origin is tuple and arguments[-1] is not ...:
        if len(value) != len(arguments):
            raise _wrong(value, where, f"a list of {len(arguments)}")
        kinds: Iterable[Any] = arguments
    else:
        kinds = [arguments[0]] * len(value)
    for number, (item, kind) in enumerate(zip(value, kinds, strict=True)):
        check(item, kind, f"{where}[{number}]")


def _check_object(value: object, kind: Any, where: str) -> None:
    found = _keys(kind)
    _check_keys(value, found, where)
    assert isinstance(value, Mapping)
    for name, hint in found.items():
        if name in value:
            check(value[name], get_args(hint)[0] if get_origin(hint) is NotRequired else hint, _at(where, name))
        elif name in kind.__required_keys__:
            raise SchemaError(f"{_at(where, name)} is missing")


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for each in level:
            inner += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        if not (level := [each for each in inner if isinstance(each, dict | list)]):
            return
    raise SchemaError(f"it is more than {MAX_DEPTH} deep")


def _refuse(constant: str) -> None:
    raise SchemaError(f"it holds {constant}, which is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) < len(pairs):
        raise SchemaError("it has an object with one key twice")
    return plain


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


_repr = Repr()
_repr.maxstring = _repr.maxother = 60


def _wrong(value: object, where: str, expected: str) -> SchemaError:
    found = str(value)[:60] if type(value) is int and abs(value) < 10**60 else _repr.repr(value)
    return SchemaError(f"{where or 'it'} is {found}, expected {expected}")
