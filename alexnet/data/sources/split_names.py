"""Names that say of a folder, or of a column's entries, which split they are."""

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Final

_SPLIT_OF: Final[Mapping[str, str]] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "validating", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation"), "test"),
}

_FILLERS: Final = (
    *("set", "sets", "data", "dataset", "datasets", "split", "folder", "seg", "final"),
    *("image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "pic", "pics", "sample", "samples"),
)
"""Words that say nothing when they stand beside the name of a split."""

_ANY_FILLER = "|".join(sorted(_FILLERS, key=len, reverse=True))
_JOINED = re.compile(f"(?:{_ANY_FILLER})?({'|'.join(sorted(_SPLIT_OF, key=len, reverse=True))})(?:{_ANY_FILLER})?")


def split_of(name: str) -> str | None:
    """The split that a usual spelling means (`Training`, `seg_test`, `VAL`, `trainset`); None for another name."""
    known, other = _parts(name)
    return known if not other else None


def splits_of(names: Iterable[str]) -> dict[str, str]:
    """The names that are splits, and which: alone, or beside words that all of the names share (`pets-train`)."""
    parts = {name: _parts(name) for name in names}
    shared = all(one[1] == other[1] for one, other in pairwise(parts.values())) and len(parts) > 1
    return {name: known for name, (known, other) in parts.items() if known and (shared or not other)}


def _parts(name: str) -> tuple[str | None, tuple[str, ...]]:
    """The one split that the words of a name tell of (None for none or several), and the words that say more."""
    found, other = set(), []
    for word in _words(name):
        if match := _JOINED.fullmatch(word):
            found.add(_SPLIT_OF[match[1]])
        elif word not in _FILLERS:
            other.append(word)
    return (found.pop(), tuple(other)) if len(found) == 1 else (None, tuple(other))


def _words(name: str) -> list[str]:
    """Runs of letters in lower case, cut also where a capital follows a small letter."""
    cut = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [word.casefold() for word in re.findall(r"[^\W\d_]+", cut)]
