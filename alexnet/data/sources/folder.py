"""Photographs in one folder per class, with or without `train/`, `val/` and `test/` above the classes."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

from alexnet.data.decode import SUFFIXES
from alexnet.data.source import SPLITS, Category, Example
from alexnet.data.sources.files import Files, ListedSource, Listing, open_files
from alexnet.errors import DataError

NOT_PHOTOGRAPHS: Final = {
    *(".csv", ".db", ".html", ".ini", ".json", ".log", ".mat", ".md", ".npy", ".pdf"),
    *(".py", ".sh", ".tsv", ".txt", ".xml", ".yaml", ".yml"),
}
"""Suffixes that may lie among photographs; a file with any other counts as one, to be loaded or refused."""

_SPLIT_OF = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


class Folder(ListedSource):
    """The photographs below one sub-folder per class: `cat/1.jpg`, or `train/cat/1.jpg` and `val/cat/2.jpg`.

    `root` is the folder, or a tar archive of it. Classes are sorted by name; photographs may lie deeper
    inside a class. Hidden files and `NOT_PHOTOGRAPHS` are passed over. Where the folder gives no split, a
    tenth of each class is held out for validation by default.

    Raises DataError when there are fewer than two classes, when a class is empty, when the splits have
    different classes, or when photographs lie beside the class folders.
    """

    name = "folder"

    def __init__(self, root: Path):
        super().__init__(open_files(root))

    @property
    def default_split(self) -> dict[str, float]:
        """A tenth for validation where the folder itself gives no split."""
        return {} if self.examples[0].split else {"val": 0.1}

    def _list(self) -> Listing:
        return list_class_folders(self._files)


def list_class_folders(files: Files) -> Listing:
    """The listing of class folders, or of split folders of class folders: by split, then class, then path.

    Raises DataError as `Folder` does.
    """
    splits = _split_folders(files)
    classes = _class_folders(files, splits)
    label = {name: index for index, name in enumerate(classes)}
    empty = {(top, name) for top in splits or [""] for name in classes}
    rows = []
    for path, size in files.sizes.items():
        suffix = PurePosixPath(path).suffix.lower()
        top, *below = path.split("/") if splits else ("", *path.split("/"))
        if len(below) > 1 and suffix not in NOT_PHOTOGRAPHS:
            rows.append((SPLITS.index(splits[top]) if splits else 0, label[below[0]], path, size))
            empty.discard((top, below[0]))
        elif suffix in SUFFIXES:
            raise DataError(f"{files.path / path} lies beside the class folders; move it into one or away.")
    if empty:
        names = _few(str(files.path / top / name) for top, name in sorted(empty))
        raise DataError(f"The class folders {names} have no photographs; fill or remove them.")
    rows.sort()
    return Listing(
        tuple(Category(name, name) for name in classes),
        tuple(Example(path, label, SPLITS[split] if splits else None) for split, label, path, _ in rows),
        tuple(size for *_, size in rows),
    )


def _split_folders(files: Files) -> dict[str, str]:
    """The top folders that are splits, and which; empty where the top folders are the classes."""
    tops = sorted(name for name in files.folders if "/" not in name)
    splits = {name: _SPLIT_OF[name] for name in tops if name in _SPLIT_OF}
    if len(splits) == len(tops) == len(set(splits.values())):
        return splits
    if len(splits) > 1 or any(folder.startswith(tuple(f"{name}/" for name in splits)) for folder in files.folders):
        raise DataError(
            f"{files.path} has the folders {_few(tops)}: splits or classes? Expected were class folders, or "
            "train, val and test with nothing beside them."
        )
    return {}  # one class may well be called "train"


def _class_folders(files: Files, splits: Iterable[str]) -> list[str]:
    """The sorted names of the class folders, which every split must have."""
    found: dict[str, set[str]] = {top: set() for top in splits or [""]}
    for folder in files.folders:
        top, _, name = folder.rpartition("/")
        if top in found:
            found[top].add(name)
    classes = sorted(set[str]().union(*found.values()))
    for top, names in found.items():
        if missing := sorted(set(classes) - names):
            raise DataError(
                f"{files.path / top} has no folder for {_few(missing)}, which the other splits have; every "
                "split needs the same classes."
            )
    if len(classes) < 2:
        raise DataError(
            f"{files.path} has {f'the class folder {classes[0]} alone' if classes else 'no class folders'}; "
            "expected was one for each class, at least two. Was the folder above or below it meant?"
        )
    return classes


def _few(names: Iterable[str]) -> str:
    """The names for a sentence, at most five of them."""
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
