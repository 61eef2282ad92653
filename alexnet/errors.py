"""Everything a user can cause, as exceptions whose text is the sentence shown at the terminal.

Each sentence says what was found, where, what was expected and what to do.
"""

import errno
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TypeGuard


class AlexNetError(Exception):
    """The root of all errors that are the user's to act on; `exit_code` is the command's exit status."""

    exit_code = 1


class ConfigError(AlexNetError):
    """What was asked for does not exist or does not fit: a name, an option, a value."""

    exit_code = 2


class DataError(AlexNetError):
    """Photographs, labels, splits or a store are missing, broken or inconsistent."""

    exit_code = 3


class ImageError(DataError):
    """One image cannot be used; the text is the reason, after the image's name where a caller's images have names."""


class WeightsError(AlexNetError):
    """A model directory or checkpoint is missing, broken or of another model."""

    exit_code = 3


_NO_MEMORY = re.compile("can't allocate memory|cannot allocate memory|not enough memory|out of memory|bad_?alloc", re.I)


def wants_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory: Python's, the system's, or one in PyTorch's words."""
    known = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return (
        isinstance(error, MemoryError)
        or known
        or (isinstance(error, RuntimeError) and bool(_NO_MEMORY.search(str(error))))
    )


def from_disk(error: BaseException) -> TypeGuard[OSError]:
    """Whether an error of PyTorch's reading is the disk's; of a damaged file it looks before the begin, an EINVAL."""
    return isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)


def unknown(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """An error for a `name` that is not among the `known` ones; names the nearest of them.

    `kind` is the noun in the sentence ("model", "recipe", "source").
    """
    known = sorted(known)
    near = get_close_matches(name, known, n=2, cutoff=0.5)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    return ConfigError(f"Unknown {kind} {name!r}{hint} Known: {', '.join(known)}.")
