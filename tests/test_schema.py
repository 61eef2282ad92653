import json
import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NotRequired, TypedDict

import pytest

from alexnet.schema import MAX_DEPTH, AtMost, Digest, SchemaError, Within, check, decode


@dataclass(frozen=True)
class Point:
    kind: ClassVar[str] = "point"
    x: Annotated[int, Within(0, 9)]
    name: str = ""


class File(TypedDict):
    format: Literal[1, 2]
    sizes: Annotated[list[Annotated[int, Within(1, 100)]], AtMost(3)]
    pair: tuple[float, float] | None
    digests: dict[str, Digest]
    rest: NotRequired[dict[str, Any]]


GOOD: dict[str, Any] = {"format": 1, "sizes": [1, 2], "pair": [0.5, 1], "digests": {"a": "0f" * 32}}


@pytest.mark.parametrize("change", [{}, {"rest": {"x": [None, "y"]}}, {"pair": None}, {"sizes": []}, {"format": 2}])
def test_what_is_as_declared_passes(change: dict[str, Any]) -> None:
    assert decode(json.dumps(GOOD | change).encode(), File) == GOOD | change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 3}, "format is 3, expected 1 or 2"),
        ({"format": True}, "format is True, expected 1 or 2"),
        ({"format": 1.0}, "format is 1.0, expected 1 or 2"),
        ({"sizes": [1, 101]}, r"sizes[1] is 101, expected a number from 1 to 100"),
        ({"sizes": [1, 10**4000]}, "expected a number from 1 to 100"),
        ({"sizes": [1.0]}, "sizes[0] is 1.0, expected a whole number"),
        ({"sizes": [True]}, "sizes[0] is True, expected a whole number"),
        ({"sizes": [1, 2, 3, 4]}, "sizes has a length of 4, expected at most 3"),
        ({"sizes": "12"}, "sizes is '12', expected a list"),
        ({"pair": [1]}, "pair is [1], expected a list of 2"),
        ({"pair": [1, "x"]}, "pair[1] is 'x', expected a finite number"),
        ({"pair": [1, 10**400]}, "expected a finite number"),
        ({"digests": {"a": "0F" * 32}}, "digests.a is"),
        ({"digests": {"a": "0f"}}, "digests.a is '0f', expected 64 hexadecimal digits"),
        ({"digests": []}, "digests is [], expected an object"),
        ({"size": []}, "size is unknown; was 'sizes' meant"),
        ({"rest": 7}, "rest is 7, expected an object"),
    ],
)
def test_what_is_not_is_told_with_its_place(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SchemaError) as caught:
        decode(json.dumps(GOOD | change).encode(), File)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


def test_what_is_missing_is_told() -> None:
    with pytest.raises(SchemaError, match="digests is missing"):
        decode(b'{"format": 1, "sizes": [], "pair": null}', File)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe{", "byte 0 is no UTF-8"),
        (b'{"a": 1, "a": 2}', "an object with one key twice"),
        (b"[NaN]", "it holds NaN"),
        (b"[-Infinity]", "it holds -Infinity"),
        (b"[" * 60 + b"]" * 60, f"more than {MAX_DEPTH} deep"),
        (b"[" * 100_000 + b"]" * 100_000, f"more than {MAX_DEPTH} deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, f"more than {MAX_DEPTH} deep"),
        (b"1" * 5000, "limit"),
    ],
)
def test_what_is_no_plain_json_is_told(content: bytes, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        decode(content)


def test_names_that_are_no_unicode_are_read() -> None:
    assert decode('"\udcff"'.encode("utf-8", "surrogatepass")) == "\udcff"


def test_objects_are_checked_by_the_same_declaration() -> None:
    check([Point(3)], list[Point | str])
    with pytest.raises(SchemaError, match=r"\[0\]\.x is 10, expected a number from 0 to 9"):
        check([Point(10)], list[str | Point])
    with pytest.raises(SchemaError, match=r"x is nan, expected a whole number"):
        check(Point(math.nan), Point)  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="expected a Point"):
        check({"x": 1}, Point)
