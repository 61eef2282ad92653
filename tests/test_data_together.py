import numpy as np
import pytest

from alexnet.data.source import Example
from alexnet.data.together import LOOKALIKES, checked, groups, identical
from alexnet.errors import ConfigError

PATHS = ("a/x1-1.jpg", "a/x1-2.jpg", "a/x2-1.jpg", "b/x2-2.jpg", "b/y.jpg")
EXAMPLES = [Example(path, 0) for path in PATHS]


def none() -> list[int]:
    raise AssertionError("nobody asked for outlines")


def test_where_each_stands_alone_there_are_no_groups() -> None:
    assert groups(EXAMPLES, (), [], none) is None
    assert groups(EXAMPLES, (LOOKALIKES,), [], lambda: range(5)) is None


def test_a_group_is_named_by_its_first_member() -> None:
    found = groups(EXAMPLES, (), [[3, 1]], none)
    assert found is not None
    assert found.tolist() == [0, 1, 2, 1, 4]


def test_what_several_rules_keep_together_is_one_group() -> None:
    of_sources = [Example(path, 0, None, "p" if path.endswith("-1.jpg") else None) for path in PATHS]
    found = groups(of_sources, (r"(x\d)-", LOOKALIKES), [[1, 4]], lambda: range(5))
    assert found is not None
    assert found.tolist() == [0, 0, 0, 0, 0]  # x1 and x2 by the pattern, joined by the source's group, and a copy
    alone = groups(EXAMPLES, ("x",), [], none)  # without a parenthesis: all of the find
    assert alone is not None
    assert alone.tolist() == [0, 0, 0, 0, 4]


def test_rules_are_sorted_and_looked_through() -> None:
    assert checked(["b", LOOKALIKES, "b", "a"]) == ("a", "b", LOOKALIKES)
    with pytest.raises(ConfigError, match="regular expression finds in the paths; '\\[' is neither"):
        checked(["["])
    with pytest.raises(
        ConfigError, match=r"'z' that says what to keep together finds nothing in any path; the first path is a/"
    ):
        groups(EXAMPLES, ("z",), [], none)


def test_equal_checksums_are_looked_at_again() -> None:
    contents = [b"one", b"two", b"one", b"three", b"other"]
    asked = []

    def content(row: int) -> bytes:
        asked.append(row)
        return contents[row]

    assert identical(np.array([7, 7, 7, 8, 9], dtype=np.uint32), content) == [[0, 2]]
    assert asked == [0, 1, 2]
