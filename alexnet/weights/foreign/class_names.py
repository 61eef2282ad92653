"""The classes of foreign weights, from the files that people keep their names in."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alexnet.data.imagenet_classes import imagenet_classes
from alexnet.data.source import Category
from alexnet.data.store import Store
from alexnet.errors import AlexNetError, WeightsError
from alexnet.weights.model_dir import read_description

MAX_BYTES = 10_000_000  # Caffe's list of 1,000 classes has 31,675

Names = Path | Callable[[int], tuple[Category, ...]] | None
"""Where a network's classes come from: a file, a function of their number, or None; see `classes`."""

_SYNSET = re.compile(r"(n\d{8})(?:\s*[\s,:;]\s*(\S.*))?")
_NUMBERED = re.compile(r"(\d{1,9})(?:\s*[,:;]|\.\s|\s)\s*(\S.*)")


def unnamed_classes(count: int) -> tuple[Category, ...]:
    """Classes called by their numbers."""
    return tuple(Category(str(index), f"class {index}") for index in range(count))


def classes(names: Names, count: int) -> tuple[tuple[Category, ...], str | None]:
    """The `count` classes that `names` stands for, and the sentence that says what was assumed.

    For None, 1,000 outputs are taken for the classes of ImageNet; any other number of them is called by its numbers.
    """
    if isinstance(names, Path):
        return read_classes(names, count), None
    if names is not None:
        return names(count), None
    known = imagenet_classes()
    if count != len(known):
        return unnamed_classes(count), None
    return known, f"{count:,} outputs taken for the classes of ImageNet 2012, in the order of their wnids"


def read_classes(path: Path, count: int) -> tuple[Category, ...]:
    """The `count` classes that `path` names in the order of the network's outputs.

    `path` is one of
    - text with a wnid a line, names behind it or none, in the order of the wnids (Caffe's `synset_words.txt`)
    - text with a name a line
    - either with a number in front of each line, from 0 or from 1 on, which says the order
    - JSON: a list of names; or by number from 0, [wnid, name] (`imagenet_class_index.json`) or a name
    - a model directory or a store of this program

    A class without a wnid is keyed by its name, and by its number too where names repeat (ImageNet has two cranes).
    Raises WeightsError when it is none of these or names another number of classes.
    """
    found = _read(path)
    if len(found) != count:
        raise WeightsError(f"The network has {count:,} outputs, but {path} names {len(found):,} classes.")
    return found


def _read(path: Path) -> tuple[Category, ...]:
    if path.is_dir():
        return _of_ours(path)
    if not path.is_file():
        raise WeightsError(f"There is no file of classes at {path}.")
    if path.stat().st_size > MAX_BYTES:
        raise WeightsError(f"{path} has {path.stat().st_size:,} bytes, which is no list of classes.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        if text.lstrip()[:1] in ("{", "["):
            return _keyed(path, _of_json(json.loads(text)))
    except (ValueError, RecursionError) as error:  # of UTF-8 and JSON, and what is JSON but no list of classes
        raise WeightsError(f"{path} is no list of classes that can be read: {error}.") from error
    lines = _by_number([line.strip() for line in text.splitlines() if line.strip()])
    synsets = [_SYNSET.fullmatch(line) for line in lines]
    if not all(synsets):
        return _keyed(path, [("", line) for line in lines])
    rows = [(match[1], match[2] or match[1]) for match in synsets if match]
    if rows != sorted(rows, key=lambda row: row[0]):
        raise WeightsError(
            f"The wnids in {path} are not in order, in which Caffe and torchvision number the classes; the devkit's "
            "lists are not: give Caffe's synset_words.txt."
        )
    return _keyed(path, rows)


def _by_number(lines: list[str]) -> list[str]:
    """The lines in the order of their numbers, and without them; as they are where they are not numbered throughout."""
    found = [_NUMBERED.fullmatch(line) for line in lines]
    rest = {int(match[1]): match[2] for match in found if match}
    if len(rest) < len(lines) or sorted(rest) not in ([*range(len(lines))], [*range(1, len(lines) + 1)]):
        return lines
    return [rest[number] for number in sorted(rest)]


def _of_ours(path: Path) -> tuple[Category, ...]:
    if (path / "manifest.json").is_file():
        try:
            return Store.open(path).classes
        except AlexNetError as error:
            raise WeightsError(f"The classes cannot be taken from {path}: {error}") from error
    description = read_description(path)
    try:
        return tuple(Category(**category) for category in description["classes"])
    except (KeyError, TypeError) as error:
        raise WeightsError(f"The classes cannot be taken from {path}: {error}.") from error


def _of_json(content: Any) -> list[tuple[str, str]]:
    """(wnid or "", name) by class. Raises ValueError for anything else than the forms above."""
    if isinstance(content, dict):
        numbers = [str(index) for index in range(len(content))]
        if set(content) != set(numbers):
            raise ValueError(f"its keys are not the numbers from 0 to {len(content) - 1}")
        content = [content[number] for number in numbers]
    rows = [row if isinstance(row, list) else ["", row] for row in content]
    if not all(len(row) == 2 and all(isinstance(each, str) for each in row) for row in rows):
        raise ValueError("expected names, or [wnid, name] by number")
    return [(key, name) for key, name in rows]


def _keyed(path: Path, rows: list[tuple[str, str]]) -> tuple[Category, ...]:
    times = Counter(name for _, name in rows)
    found = tuple(
        Category(key or (name if times[name] == 1 else f"{name} ({index})"), name)
        for index, (key, name) in enumerate(rows)
    )
    if len({category.key for category in found}) < len(found):
        raise WeightsError(f"{path} names a class twice.")
    return found
