"""Which images the words on the command line mean: files, folders, patterns, lists, and what comes in."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from errno import ENOENT
from glob import glob, has_magic
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TextIO

from alexnet.cli.session import Session
from alexnet.errors import ConfigError
from alexnet.reading import MAX_LIST, UnfitFileError, read_text

if TYPE_CHECKING:
    from alexnet.data.inputs import ImageInput

WORDS = "IMAGE|FOLDER|PATTERN|@LIST|-..."
"""The words, for the usage line of a verb."""


def expand(session: Session, images: Iterable[str], *, listed: bool = False) -> Iterator[tuple[str, "ImageInput"]]:
    """Every image with its name: folders, quoted patterns and lists of paths opened.

    "-" is one image on standard input, or with `listed` a list of paths. Raises ConfigError for it given twice or
    closed, and for a list that cannot be read.
    """
    words = list(images)
    if words.count("-") > 1:
        kind = "list" if listed else "image"
        raise ConfigError(f"Standard input holds one {kind}, but '-' was given more than once.")
    if listed and "-" not in words:
        raise ConfigError("--list says that '-' is a list of paths; give '-' too, or @FILE for a list in a file.")
    if "-" in words and sys.stdin is None:
        raise ConfigError("'-' means standard input, which is closed; give files, or open a pipe to it.")
    lists = {word: _list(Path(word[1:]).expanduser()) for word in words if _is_list(word)}
    return _opened(session, words, lists, listed)


def _opened(
    session: Session, words: Iterable[str], lists: Mapping[str, Sequence[str]], listed: bool
) -> Iterator[tuple[str, "ImageInput"]]:
    for word in words:
        if word == "-" and listed:
            yield from _each(session, _lines(sys.stdin))
        elif word == "-":
            yield "-", sys.stdin.buffer
        else:
            yield from _each(session, lists.get(word, [word]))


def _is_list(word: str) -> bool:
    return word.startswith("@") and not Path(word).exists()


def _each(session: Session, paths: Iterable[str]) -> Iterator[tuple[str, "ImageInput"]]:
    for path in paths:
        place = os.path.expanduser(path)
        if Path(place).is_dir():
            yield from _inside(session, Path(place))
        elif has_magic(place) and not Path(place).exists():
            yield from _matching(session, place)
        else:
            yield place, place


def _list(file: Path) -> list[str]:
    try:
        return list(_lines(read_text(file, MAX_LIST, errors="surrogateescape")))
    except UnfitFileError as error:
        raise ConfigError(f"The list {file} cannot be read ({error}); a pipe goes in by - --list.") from error
    except OSError as error:
        raise ConfigError(f"The list {file} cannot be read ({error.strerror}).") from error


def _lines(text: TextIO) -> Iterator[str]:
    return (line.rstrip("\r\n") for line in text if line.strip())


def _inside(session: Session, folder: Path) -> Iterator[tuple[str, "ImageInput"]]:
    from alexnet.data.sources.files import FolderFiles

    files = FolderFiles(folder)
    names = sorted(files.sizes, key=PurePosixPath)
    yield from _photographs(session, str(folder), names, folder.joinpath, files.hidden, "in this folder")


def _matching(session: Session, pattern: str) -> Iterator[tuple[str, "ImageInput"]]:
    found = sorted((path for path in glob(pattern, recursive=True) if Path(path).is_file()), key=PurePosixPath)
    yield from _photographs(session, pattern, found, Path, (), "that this pattern matches")


def _photographs(
    session: Session, word: str, names: list[str], path: Callable[[str], Path], hidden: Iterable[str], where: str
) -> Iterator[tuple[str, "ImageInput"]]:
    from alexnet.data.sources.photographs import is_photograph, passed_over

    if sentence := passed_over((name for name in names if not is_photograph(name)), hidden):
        session.note(f"{word}: {sentence}")
    images = list(filter(is_photograph, names))
    yield from ((str(path(name)), path(name)) for name in images)
    if not images:
        yield word, _Nothing(where)


class _Nothing:
    """Stands for the image that a folder or a pattern has not."""

    def __init__(self, where: str):
        self._where = where

    def read(self, size: int, /) -> bytes:
        raise FileNotFoundError(ENOENT, f"there is no image {self._where}")
