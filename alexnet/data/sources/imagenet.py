"""ILSVRC2012 as published: tar archives, or the folders extracted from them; labels are keyed by wnid."""

import errno
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from io import BytesIO
from pathlib import Path

from alexnet.data.images import load_photograph
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.source import SPLITS, Category, Example, Prepared
from alexnet.data.sources.archives import TarFiles
from alexnet.data.sources.files import Files, FolderFiles, Found, ListedSource, Listing, Span
from alexnet.data.sources.photographs import is_photograph
from alexnet.errors import DataError

_WNID = re.compile(r"n\d{8}")
_DEVKIT = "ILSVRC2012_devkit_t12"
_TRUTH = "ILSVRC2012_validation_ground_truth.txt"


class ImageNet(ListedSource):
    """The photographs of ILSVRC2012, all classes or some, in a folder that holds what was published.

    Training photographs: `ILSVRC2012_img_train.tar`, or `train/<wnid>/`. Validation photographs: `val/<wnid>/`,
    or `ILSVRC2012_img_val.tar` or a flat `val/` with labels, which are either

    - a list `val.txt` or `caffe_val.txt`: file name, and index from 0 among all sorted wnids, or
    - the devkit's ground truth, with its ids explained by `map_clsloc.txt` or, through scipy, by `meta.mat`.

    Such text files lie in `root`, in `ILSVRC2012_devkit_t12.tar.gz` or in the folder extracted from that.

    Either part may be absent. The classes are the sorted wnids of the training photographs, or without these of
    the validation labels; validation photographs of other classes are left out. Readable names come from
    `synset_words.txt` or `map_clsloc.txt`. Archives are read where they are. Raises DataError when something is
    not as described.
    """

    name = "imagenet"

    def __init__(self, root: Path):
        parts = {split: _open_part(root, split) for split in ("train", "val")}
        self._parts = {split: part for split, part in parts.items() if part}
        if not self._parts:
            raise DataError(
                f"{root} holds no part of ImageNet: it should have ILSVRC2012_img_train.tar and "
                "ILSVRC2012_img_val.tar, or the folders train and val."
            )
        super().__init__(FolderFiles(root))
        self._parts = {split: replace(part) for split, part in self._parts.items()}  # forgets a million names

    def load(self, example: Example, preparation: Preparation = DEFAULT) -> Prepared:
        """The example's photograph, resized. Raises ImageError with the reason when it cannot be used."""
        split, _, path = example.path.partition("/")
        return load_photograph(self._parts[split].read(path), path, preparation, self.max_pixels)

    def _list(self) -> Listing:
        texts = Texts(self._files.path)
        names = texts.names()
        train, val = self._parts.get("train"), self._parts.get("val")
        wnids = _class_folders(train) if train else []
        labels = {}
        if val and not val.folders:
            labels = texts.val_labels(sorted(names) or wnids)
            wnids = wnids or sorted(set(labels.values()))
        elif val:
            wnids = wnids or _class_folders(val)

        label = {wnid: index for index, wnid in enumerate(wnids)}
        rows = [
            (SPLITS.index(split), label[wnid], f"{split}/{path}", size)
            for split, part in self._parts.items()
            for path, size, wnid in _labelled(part, labels)
            if wnid in label
        ]
        for split, part in self._parts.items():
            found = {row[1] for row in rows if SPLITS[row[0]] == split}
            if not found or (split == "train" and len(found) < len(wnids)):
                missing = min(set(label.values()) - found)
                raise DataError(f"{part.path} has no photographs of the class {wnids[missing]}.")
        rows.sort()
        return Listing(
            tuple(Category(wnid, names.get(wnid, wnid)) for wnid in wnids),
            tuple(Example(path, label, SPLITS[split]) for split, label, path, _ in rows),
            tuple(size for *_, size in rows),
        )


def _open_part(root: Path, split: str) -> Files | None:
    """The training or validation photographs, extracted or not."""
    if (root / split).is_dir():
        return FolderFiles(root / split)
    archive = root / f"ILSVRC2012_img_{split}.tar"
    if archive.is_file():
        return ClassArchives(archive) if split == "train" else TarFiles(archive)
    return None


def _class_folders(part: Files) -> list[str]:
    """The wnids of a part in class folders, sorted."""
    names = sorted({folder.partition("/")[0] for folder in part.folders})
    for name in names:
        if not _WNID.fullmatch(name):
            raise DataError(f"{part.path / name} is not named by a wnid (such as n01440764); move it away.")
    if not names:
        raise DataError(f"{part.path} has no class folders, each named by a wnid (such as n01440764).")
    return names


def _labelled(part: Files, labels: Mapping[str, str]) -> Iterator[tuple[str, int, str]]:
    """Path, size and wnid of each photograph: by its folder, or in a flat part by `labels`."""
    for path, size in part.sizes.items():
        if not is_photograph(path):
            continue
        if part.folders and "/" not in path:
            raise DataError(f"{part.path / path} lies beside the class folders; move it into one or away.")
        if not part.folders and path not in labels:
            raise DataError(f"{part.path / path} has no label in the list of validation labels.")
        yield path, size, path.partition("/")[0] if part.folders else labels[path]


@dataclass(frozen=True)
class ClassArchives(Files):
    """The files in a tar archive of tar archives, `<wnid>.tar`, as if in folders `<wnid>/`."""

    def read(self, name: str, part: Span | None = None) -> bytes:
        """The content of a file, or a part of it; see `Files.read`."""
        wnid, _, inner = name.partition("/")
        if wnid not in self._starts:
            raise FileNotFoundError(errno.ENOENT, f"its class is not in {self.path}", name)
        return _recent_archive(self.path, self._starts[wnid]).read(inner, part)

    def _look(self) -> Found:
        spans = {}
        for wnid, start in self._starts.items():
            for name, size in TarFiles(self.path, start=start).sizes.items():
                spans[f"{wnid}/{name}"] = Span(0, size)
        return Found(spans, set(self._starts), [])

    @cached_property
    def _starts(self) -> dict[str, int]:
        """The offset of each class's archive."""
        outer = TarFiles(self.path)
        return {name.removesuffix(".tar"): outer.offset(name) for name in outer.sizes}


@lru_cache(maxsize=8)
def _recent_archive(path: Path, start: int) -> TarFiles:
    """The archive there, with its index kept: photographs are asked for class after class."""
    return TarFiles(path, start=start)


@dataclass(frozen=True)
class Texts:
    """The published text files (and `meta.mat`), which lie in `root` or in the devkit there."""

    root: Path

    def names(self) -> dict[str, str]:
        """The readable names by wnid; empty where no file has them."""
        if rows := self._rows("synset_words.txt", columns=2):
            return {row[0]: row[1] for row in rows}
        if rows := self._rows("map_clsloc.txt", columns=3):
            return {wnid: words.replace("_", " ") for wnid, _, words in rows}
        return {}

    def val_labels(self, wnids: list[str]) -> dict[str, str]:
        """The wnids of the validation photographs by file name; a label list counts in `wnids`.

        Raises DataError when the files that say so are missing or contradict each other.
        """
        indices = {str(index): wnid for index, wnid in enumerate(wnids)}
        for name in ("val.txt", "caffe_val.txt"):
            if rows := self._rows(name, columns=2):
                return {path: _look_up(index, indices, name) for path, index in rows}
        if rows := self._rows(_TRUTH, columns=1):
            ids = self._ids()
            return {
                f"ILSVRC2012_val_{number:08d}.JPEG": _look_up(id_, ids, _TRUTH)
                for number, (id_,) in enumerate(rows, start=1)
            }
        raise DataError(
            f"The validation photographs in {self.root} have no labels: put {_DEVKIT}.tar.gz beside them, or val.txt "
            "(file name and index among the sorted wnids), or sort them into folders named by wnid."
        )

    def _ids(self) -> dict[str, str]:
        """The wnids by the devkit's ids."""
        if rows := self._rows("map_clsloc.txt", columns=3):
            return {id_: wnid for wnid, id_, _ in rows}
        if meta := self._read("meta.mat"):
            try:
                from scipy.io import loadmat  # type: ignore[import-untyped]
            except ImportError as error:
                raise DataError(
                    f"The ids in {_TRUTH} are explained by meta.mat, which takes scipy to read: pip install "
                    f"'alexnet[imagenet]', or put map_clsloc.txt (wnid, id, name) into {self.root}."
                ) from error
            synsets = loadmat(BytesIO(meta), squeeze_me=True)["synsets"]
            return {str(synset["ILSVRC2012_ID"]): str(synset["WNID"]) for synset in synsets}
        raise DataError(f"Nothing explains the ids in {_TRUTH}: put map_clsloc.txt or meta.mat into {self.root}.")

    def _rows(self, name: str, columns: int) -> list[list[str]]:
        """The lines of a text file, cut into so many columns; empty where there is no such file."""
        try:
            text = self._read(name).decode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name} is not text in UTF-8 ({error.reason} at byte {error.start:,}); save it as such."
            ) from error
        rows = [line.split(maxsplit=columns - 1) for line in text.splitlines()]
        for number, row in enumerate(rows, start=1):
            if len(row) != columns:
                raise DataError(f"{name}, line {number}: found {' '.join(row)!r}, expected {columns} columns.")
        return rows

    def _read(self, name: str) -> bytes:
        """The content of a file, empty where there is none."""
        for folder in (self.root, self.root / _DEVKIT / "data"):
            if (folder / name).is_file():
                return FolderFiles(folder).read(name)
        if self._devkit and name in self._devkit.sizes:
            return self._devkit.read(name)
        return b""

    @cached_property
    def _devkit(self) -> TarFiles | None:
        archive = self.root / f"{_DEVKIT}.tar.gz"
        return TarFiles(archive, f"{_DEVKIT}/data") if archive.is_file() else None


def _look_up(number: str, wnids: Mapping[str, str], name: str) -> str:
    if number not in wnids:
        raise DataError(
            f"{name} has the label {number}, where only {len(wnids)} classes are known; put synset_words.txt or "
            "map_clsloc.txt with all of the classes beside it."
        )
    return wnids[number]
