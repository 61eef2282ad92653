"""Photographs that a list names: `path,label[,split[,group]]`, with or without a header; `path label`; paths alone."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from posixpath import normpath
from typing import Final
from unicodedata import normalize

from alexnet.data.source import SPLITS, Category, Example
from alexnet.data.sources.archives import open_files
from alexnet.data.sources.files import Files, ListedSource, Listing
from alexnet.data.sources.photographs import alike_but_for_capitals, is_photograph, passed_over
from alexnet.data.sources.split_names import split_of
from alexnet.errors import ConfigError, DataError
from alexnet.reading import MAX_LIST, UnfitFileError, read_file

SUFFIXES: Final = (".csv", ".tsv", ".txt", ".lst")
"""What the name of a list ends with."""

_NUMBERS: Final = ("image_id", "id")  # columns that are the path where no other is

_COLUMNS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("path", "file", "filename", "file_name", "filepath", "image", "image_path", *_NUMBERS), "path"),
    **dict.fromkeys(("label", "class", "category", "target", "class_name", "species", "breed"), "label"),
    **dict.fromkeys(("split", "set", "subset", "partition"), "split"),
    **dict.fromkeys(("group", "subject", "patient", "subject_id", "patient_id", "group_id"), "group"),
}
"""Names of columns, and what they hold."""


@dataclass(frozen=True)
class Row:
    """A line of a list; `label` is None where the photograph's folder is its label."""

    path: str
    label: str | None = None
    split: str | None = None
    group: str | None = None


class PhotographList(ListedSource):
    """The photographs in a folder or an archive, labelled by lists or by a pattern instead of by folders.

    `lists` are files with the splits that they stand for (None: the list says, or there is none): lines of
    `path,label[,split[,group]]`, of `path label`, or of paths alone, whose folder is then the label. A first line of
    names of columns is known by them. `label_from` is a regular expression that finds the label in the path of every
    photograph, in its first parenthesis; with it lists are of paths alone. Labels that are all whole numbers are in the
    order of numbers. Photographs of one group are kept in one split. Where no split is given, a tenth of each class is
    held out for validation.

    Raises DataError when a list names what is not there or contradicts itself, and for fewer than two classes;
    ConfigError for a pattern that is none, and for one beside lists that have labels.
    """

    name = "list"

    def __init__(
        self, root: Path, lists: Sequence[tuple[str | None, Path]] = (), label_from: str | None = None
    ) -> None:
        self.lists, self._label_from = tuple(lists), label_from
        super().__init__(open_files(root))

    @property
    def default_split(self) -> dict[str, float]:
        """A tenth for validation where the lists give no split."""
        return {} if self.examples[0].split else {"val": 0.1}

    def _list(self) -> Listing:
        names = _Names(self._files)
        rows = [row for split, path in self.lists for row in read_list(path, split, names)]
        if self._label_from is not None:
            everything = [Row(path) for path in sorted(filter(is_photograph, self._files.sizes))]
            listed = [replace(row, path=names.find(row.path) or row.path) for row in rows]
            rows = _labelled(listed if self.lists else everything, self._label_from)
        return _listing(self._files, rows, names)


class _Names:
    """Which file a list means: by its path, without what stands above the place, or without its ending."""

    def __init__(self, files: Files):
        self._files = files
        self._tails: defaultdict[str, list[str]] | None = None

    def find(self, text: str) -> str | None:
        """The file's name in its place, None if there is none or more than one."""
        fitting = self.fitting(text)
        return fitting[0] if len(fitting) == 1 else None

    def fitting(self, text: str) -> Sequence[str]:
        """The names in their place of the files that may be meant; accents may be written in either form of Unicode."""
        name = normpath(text.strip().replace("\\", "/"))
        place = self._files.path
        if Path(name).is_absolute():
            for above in (place.absolute(), place.resolve()):
                if Path(name).is_relative_to(above):
                    name = Path(name).relative_to(above).as_posix()
                    break
        name = name.removeprefix(f"{place.absolute().name}/") if name not in self._files.sizes else name
        if name in self._files.sizes:
            return [name]
        if self._tails is None:
            self._tails = defaultdict(list)
            for path in filter(is_photograph, self._files.sizes):
                for tail in {path, path.rpartition("/")[2]}:
                    self._tails[normalize("NFC", tail)].append(path)
                    self._tails[normalize("NFC", tail.rpartition(".")[0])].append(path)
        return self._tails.get(normalize("NFC", name), ())


def read_list(path: Path, split: str | None, names: _Names) -> list[Row]:
    """The rows of a list. Raises DataError where a line is none, ConfigError where its columns are not known."""
    try:
        text = read_file(path, MAX_LIST).decode("utf-8-sig")
    except (OSError, UnfitFileError) as error:
        raise DataError(f"The list {path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not text in UTF-8 ({error.reason} at byte {error.start:,}); save it as such."
        ) from error
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise DataError(f"The list {path} is empty.")
    if all(names.find(line) for line in lines[:3]):
        return [Row(line.strip(), split=split) for line in lines]
    delimiter = next((mark for mark in "\t;," if mark in lines[0]), None)
    if delimiter is None:
        cells = [line.rsplit(maxsplit=1) for line in lines]
    else:
        reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)
        try:
            cells = [[cell.strip() for cell in row] for row in reader]
        except csv.Error as error:
            raise DataError(
                f"{path} cannot be read as a table ({error} at line {reader.line_num:,}); a quotation mark may be open."
            ) from error
    columns = _columns(path, cells[0], names)
    rows = cells if columns is None else cells[1:]
    columns = columns or dict(zip(("path", "label", "split", "group"), range(len(cells[0])), strict=False))
    return [_row(path, number, cell, columns, split) for number, cell in enumerate(rows, 1 + len(cells) - len(rows))]


def _columns(path: Path, first: Sequence[str], names: _Names) -> dict[str, int] | None:
    """Where each column is, by the names in the first line; None when that line is a photograph's."""
    if names.find(first[0]):
        return None
    spelled = [cell.lower().replace(" ", "_") for cell in first]
    known = [_COLUMNS.get(cell) for cell in spelled]
    if known.count("path") > 1:
        known = [None if cell in _NUMBERS else name for cell, name in zip(spelled, known, strict=True)]
    columns = {name: index for index, name in enumerate(known) if name is not None}
    for name in columns:
        if len(same := [cell for cell, what in zip(first, known, strict=True) if what == name]) > 1:
            raise ConfigError(
                f"Of the columns of the list {path} {' and '.join(same)} may each be the {name}; give another name to "
                "those that are not."
            )
    if len(first) == 2 and "path" in columns:
        columns.setdefault("label", 1 - columns["path"])
    if "path" not in columns and "label" not in columns:
        return None  # a photograph that is not there, said later
    if len(columns.keys() & {"path", "label"}) < 2:
        raise ConfigError(
            f"The list {path} has the columns {', '.join(first)}; name those that are meant path, label, and if there "
            "are such, split and group."
        )
    return columns


def _row(path: Path, number: int, cells: Sequence[str], columns: Mapping[str, int], split: str | None) -> Row:
    if len(cells) <= max(columns[name] for name in ("path", "label") if name in columns) or "label" not in columns:
        raise DataError(f"{path}, line {number}: found {' '.join(cells)!r}, expected a path and a label.")

    def cell(name: str) -> str | None:
        return (cells[columns[name]] or None) if name in columns and columns[name] < len(cells) else None

    given = cell("split")
    if given is not None and split_of(given) is None:
        raise DataError(f"{path}, line {number}: {given!r} is no name of a split; expected train, val or test.")
    label = cell("label")
    if label is None:
        raise DataError(f"{path}, line {number}: the photograph {cells[columns['path']]} has no label.")
    return Row(cells[columns["path"]], label, split or (split_of(given) if given else None), cell("group"))


def _labelled(rows: Sequence[Row], label_from: str) -> list[Row]:
    """The rows with their labels, found in their paths."""
    if labelled := next((row for row in rows if row.label is not None), None):
        raise ConfigError(
            f"--label-from is for photographs without labels, and a list has some ({labelled.path}: {labelled.label}); "
            "leave one of them out."
        )
    try:
        pattern = re.compile(label_from)
    except re.error as error:
        raise ConfigError(f"--label-from takes a regular expression, not {label_from!r} ({error}).") from error
    matches = [pattern.search(row.path) for row in rows]
    labels = [match[min(1, pattern.groups)] if match else None for match in matches]
    if missed := [row.path for row, label in zip(rows, labels, strict=True) if not label]:
        raise DataError(
            f"--label-from {label_from!r} finds no label in the path of {len(missed):,} of {len(rows):,} photographs, "
            f"first {missed[0]}; the label is what the first parenthesis finds, or the whole where there is none."
        )
    return [replace(row, label=label) for row, label in zip(rows, labels, strict=True)]


def _listing(files: Files, rows: Sequence[Row], names: _Names) -> Listing:
    found: dict[str, Row] = {}
    missing = []
    for row in rows:
        name = names.find(row.path)
        if name is None:
            missing.append(row.path)
            continue
        label = normalize("NFC", row.label or name.rpartition("/")[0].rpartition("/")[2])
        row = Row(name, label, row.split, row.group)
        if found.setdefault(name, row) != row:
            raise DataError(
                f"The photograph {name} is listed twice, and differently: {_said(found[name])}; {_said(row)}."
            )
    if ambiguous := [path for path in missing if len(names.fitting(path)) > 1]:
        fitting = names.fitting(ambiguous[0])
        raise DataError(
            f"{len(ambiguous):,} of {len(rows):,} photographs listed may be several files in {files.path}: "
            f"{ambiguous[0]} is {' or '.join(sorted(fitting)[:2])}; write more of their paths."
        )
    if missing:
        raise DataError(
            f"{len(missing):,} of {len(rows):,} photographs listed are not in {files.path}, first {missing[0]}; name "
            "the folder that the paths begin in."
        )
    labels = {str(row.label) for row in found.values()}
    numbers = all(re.fullmatch(r"\d+", label) for label in labels)
    keys = sorted(labels, key=lambda label: (int(label) if numbers else 0, label))
    if len(keys) < 2:
        what = f"the label {keys[0]} alone" if keys else "no labels"
        raise DataError(f"The photographs listed have {what}; at least two are needed.")
    if len({row.split is None for row in found.values()}) > 1:
        bare = next(row.path for row in found.values() if row.split is None)
        raise DataError(f"Some photographs listed have a split and some have none, first {bare}; give all of them one.")
    index = {key: number for number, key in enumerate(keys)}
    ordered = sorted(
        found.values(), key=lambda row: (SPLITS.index(row.split or "train"), index[str(row.label)], row.path)
    )
    return Listing(
        tuple(Category(key, key) for key in keys),
        tuple(Example(row.path, index[str(row.label)], row.split, row.group) for row in ordered),
        tuple(files.sizes[row.path] for row in ordered),
        tuple(_remarks(files, found, rows)),
    )


def _said(row: Row) -> str:
    return ", ".join(f"{what} {said}" for what, said in (("label", row.label), ("split", row.split)) if said)


def _remarks(files: Files, found: Mapping[str, Row], rows: Sequence[Row]) -> Iterator[str]:
    stores = tuple(path.removesuffix("images.bin") for path in files.sizes if path.endswith("/images.bin"))
    others = [path for path in files.sizes if path not in found and not path.startswith(stores)]
    unlisted = [path for path in others if is_photograph(path)]
    if unlisted:
        yield f"Not listed, and left out: {len(unlisted):,}, first {min(unlisted)}."
    if sentence := alike_but_for_capitals(str(row.label) for row in found.values()):
        yield sentence
    if len(rows) > len(found):
        yield f"Listed more than once, and taken once: {len(rows) - len(found):,}."
    if sentence := passed_over((path for path in others if not is_photograph(path)), files.hidden):
        yield sentence
