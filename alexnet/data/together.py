"""Which photographs a split must not part: copies, what belongs to one subject, and, if asked for, look-alikes."""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alexnet.data.source import Example
from alexnet.errors import ConfigError

LOOKALIKES: Final = "look-alikes"
"""What keeps together the photographs that look alike; any other text is a pattern."""


def checked(together: Iterable[str]) -> tuple[str, ...]:
    """The rules, sorted. Raises ConfigError for a pattern that is none."""
    rules = tuple(sorted(set(together)))
    for rule in rules:
        if rule != LOOKALIKES:
            _compiled(rule)
    return rules


def groups(
    examples: Sequence[Example],
    rules: Sequence[str],
    copies: Sequence[Sequence[int]],
    outlines: Callable[[], Iterable[int]],
) -> NDArray[np.int64] | None:
    """The group of each example, as the number of its first member; None where each stands alone.

    Together are: `copies` (rows of the same pixels), examples of the same `group`, those whose paths agree in what a
    pattern among the `rules` finds (in its first parenthesis, if it has one), and those of the same outline if the
    rules have `LOOKALIKES`; `outlines` gives them. Raises ConfigError for a pattern that finds nothing in any path.
    """
    keys: list[list[Hashable]] = [[example.group for example in examples]]
    for rule in rules:
        keys.append(list(outlines()) if rule == LOOKALIKES else _found(rule, examples))
    found = united(len(examples), (*copies, *(members for column in keys for members in same(column))))
    return None if len(np.unique(found)) == len(examples) else found


def united(count: int, parties: Iterable[Sequence[int]]) -> NDArray[np.int64]:
    """The group of each of `count` rows, as the number of its first member; parties that share a row are one group."""
    leader = list(range(count))

    def first(row: int) -> int:
        while leader[row] != row:
            leader[row] = row = leader[leader[row]]
        return row

    for rows in parties:
        for row in rows[1:]:
            one, other = sorted((first(rows[0]), first(row)))
            leader[other] = one
    return np.array([first(row) for row in range(count)], dtype=np.int64)


def identical(crc32: NDArray[np.uint32], content: Callable[[int], bytes]) -> list[list[int]]:
    """The rows that have the same content, in groups; `content` is asked for those of equal checksums alone."""
    _, inverse, counts = np.unique(crc32, return_inverse=True, return_counts=True)
    suspected = np.flatnonzero(counts[inverse] > 1).tolist()
    return list(same([content(row) for row in suspected], suspected))


def same(keys: Sequence[Hashable], rows: Sequence[int] | None = None) -> Iterator[list[int]]:
    """The rows of equal keys, wherever there are several; None is equal to nothing."""
    members: dict[Hashable, list[int]] = {}
    for row, key in zip(range(len(keys)) if rows is None else rows, keys, strict=True):
        if key is not None:
            members.setdefault(key, []).append(row)
    return (each for each in members.values() if len(each) > 1)


def _found(rule: str, examples: Sequence[Example]) -> list[Hashable]:
    pattern = _compiled(rule)
    matches = [pattern.search(example.path) for example in examples]
    if not any(matches):
        raise ConfigError(
            f"The pattern {rule!r} that says what to keep together finds nothing in any path; the first path is "
            f"{examples[0].path}."
        )
    return [match and match[min(1, pattern.groups)] for match in matches]


def _compiled(rule: str) -> re.Pattern[str]:
    try:
        return re.compile(rule)
    except re.error as error:
        raise ConfigError(
            f"To keep together are {LOOKALIKES!r} or what a regular expression finds in the paths; {rule!r} is neither "
            f"({error})."
        ) from error
