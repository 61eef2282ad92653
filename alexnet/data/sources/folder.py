"""Photographs in one folder per class, with or without `train/`, `val/` and `test/` above the classes."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Literal
from unicodedata import normalize

from alexnet.data.decode import SUFFIXES
from alexnet.data.source import SPLITS, Category, Example
from alexnet.data.sources.archives import open_files
from alexnet.data.sources.files import Files, ListedSource, Listing
from alexnet.data.sources.photographs import alike_but_for_capitals, few, is_photograph, passed_over
from alexnet.data.sources.split_names import splits_of
from alexnet.errors import DataError
from alexnet.reading import instead

Tops = Literal["splits", "classes"]


class Folder(ListedSource):
    """The photographs below one sub-folder per class: `cat/1.jpg`, or `train/cat/1.jpg` and `val/cat/2.jpg`.

    `root` is the folder, or an archive of it. Classes are sorted by name, and two Unicode spellings of a name are one
    class; photographs may lie deeper inside a class. Folders above the classes are splits where their names say so in a
    usual spelling (`split_names`). A folder that holds one other folder alone stands for that one, and so do splits
    that all do. `is_photograph` says what counts as a photograph. Where the folder gives no split, a tenth of each
    class is held out for validation by default.

    `tops` says what the upper folders are where two readings are possible: "splits" or "classes". Raises DataError when
    it is needed and None, when there are fewer than two classes, when a class is empty, when the splits have different
    classes, or when photographs lie beside the class folders.
    """

    name = "folder"

    def __init__(self, root: Path, tops: Tops | None = None):
        self._tops = tops
        super().__init__(open_files(root))

    @property
    def default_split(self) -> dict[str, float]:
        """A tenth for validation where the folder itself gives no split."""
        return {} if self.examples[0].split else {"val": 0.1}

    def _list(self) -> Listing:
        return list_class_folders(self._files, self._tops)


def list_class_folders(files: Files, tops: Tops | None = None) -> Listing:
    """The listing of class folders, or of split folders of class folders: by split, then class, then path.

    Raises DataError as `Folder` does.
    """
    tree = _Tree(files)
    if (found := instead(files.path)) and not any(tree.photographs[top] for top in tree.photographs if top):
        raise DataError(f"{files.path} is not a folder of photographs{found}.")
    if store := next((path for path in files.sizes if path.endswith("/images.bin")), None):
        raise DataError(f"{(files.path / store).parent} is a store among the photographs; move it away from them.")
    inside = tree.wrapper()
    splits = _split_folders(tree, inside, tops)
    branches = _branches(tree, inside, splits)
    classes = _class_folders(tree, branches)
    label = {name: index for index, name in enumerate(classes)}
    empty = {(branch, name) for branch in branches for name in classes}
    rows, others, beside, nested = [], [], Counter[str](), set[str]()
    for path, size in files.sizes.items():
        branch = next((branch for branch in branches if path.startswith(branch)), None)
        if size < 0 and "/" not in path.removeprefix(branch or inside):
            raise DataError(f"{files.path / path} is a link that leads nowhere; mend or remove it.")
        if not is_photograph(path):
            others.append(path)
            continue
        if branch is None:
            beside[path.removeprefix(inside).partition("/")[0]] += 1
            continue
        name, *below = path.removeprefix(branch).split("/")
        if below:
            key = normalize("NFC", name)
            rows.append((SPLITS.index(branches[branch]), label[key], path, size))
            empty.discard((branch, key))
            nested.update(["/".join((name, below[0]))] if len(below) > 1 else [])
        elif PurePosixPath(path).suffix.lower() in SUFFIXES:
            raise DataError(f"{files.path / path} lies beside the class folders; move it into one or away.")
        else:
            others.append(path)
    if empty:
        names = few(str(files.path / branch / name) for branch, name in sorted(empty))
        raise DataError(f"The class folders {names} have no photographs; fill or remove them.")
    rows.sort()
    return Listing(
        tuple(Category(name, name) for name in classes),
        tuple(Example(path, label, SPLITS[split] if splits else None) for split, label, path, _ in rows),
        tuple(size for *_, size in rows),
        tuple(_remarks(tree, inside, splits, branches, nested, beside, others)),
    )


class _Tree:
    """The folders as a tree: what each holds directly. Names end with a slash, the root's is empty."""

    def __init__(self, files: Files):
        self.files = files
        self.below: defaultdict[str, list[str]] = defaultdict(list)  # folder: its sub-folders' own names
        for folder in sorted(files.folders):
            top, _, name = folder.rpartition("/")
            self.below[f"{top}/" if top else ""].append(name)
        self.photographs: Counter[str] = Counter()  # folder: photographs directly in it
        for path in files.sizes:
            top, _, name = path.rpartition("/")
            self.photographs[f"{top}/" if top else ""] += PurePosixPath(name).suffix.lower() in SUFFIXES

    def wrapper(self, inside: str = "", split: str | None = None) -> str:
        """The folder that holds all of `inside` where one folder lies alone, as archives have it; else `inside`.

        `split` is the one that `inside` is: the lone folder may be called that again, but not by another split's name.
        """
        while len(tops := self.below[inside]) == 1 and not self.photographs[inside]:
            if not set(splits_of(tops).values()) <= {split}:
                break
            if not self.below[f"{inside}{tops[0]}/"]:
                break
            inside += f"{tops[0]}/"
        return inside


def _split_folders(tree: _Tree, inside: str, asked: Tops | None) -> dict[str, str]:
    """The top folders that are splits, and which; empty where the top folders are the classes."""
    tops = tree.below[inside]
    splits = splits_of(tops)
    if asked == "classes":
        return {}
    if asked == "splits":
        if not splits or len(set(splits.values())) < len(splits):
            raise DataError(
                f"{tree.files.path / inside} has the folders {few(tops)}, whose names do not say which split each is; "
                "rename them train, val and test."
            )
        return splits
    holding = [top for top in splits if tree.below[f"{inside}{top}/"]]
    if len(splits) == len(tops) == len(set(splits.values())) == len(holding):
        return splits
    flat = [top for top in splits if top not in holding and tree.photographs[f"{inside}{top}/"]]
    if flat and holding and len(splits) == len(tops):
        raise DataError(
            f"{tree.files.path / inside / flat[0]} has photographs and no class folders, so they have no labels; sort "
            "them into class folders or move them away."
        )
    inner = [Counter(tree.below[f"{inside}{top}/"]) for top in tops]
    common = sorted(name for name, count in sum(inner, Counter[str]()).items() if count == len(tops) > 1)
    apart = not any(tree.photographs[f"{inside}{top}/"] for top in tops)  # no "class" holds a photograph directly
    if len(splits) > 1 or holding or (apart and len(common) > 1):
        hint = f", each with the folders {few(common)}" if len(common) > 1 else ""
        rename = "" if splits else ", after you have renamed them train, val or test"
        beside = " Folders beside the splits are left out then." if splits and len(splits) < len(tops) else ""
        raise DataError(
            f"{tree.files.path / inside} has the folders {few(tops)}{hint}: splits or classes? Give `alexnet prepare` "
            f"--classes if they are {len(tops)} classes, --splits if they are splits{rename}.{beside}"
        )
    return {}  # one class may well be called "train"


def _branches(tree: _Tree, inside: str, splits: Mapping[str, str]) -> dict[str, str]:
    """The folders that hold the class folders, and the split of each; deeper where every split holds one folder."""
    above = {f"{inside}{top}/": split for top, split in splits.items()} or {inside: "train"}
    deeper = {tree.wrapper(branch, split): split for branch, split in above.items()}
    return above if above.keys() & deeper.keys() else deeper


def _class_folders(tree: _Tree, branches: Collection[str]) -> list[str]:
    """The sorted names of the class folders, which every split must have."""
    found = {branch: {normalize("NFC", name) for name in tree.below[branch]} for branch in branches}
    classes = sorted(set[str]().union(*found.values()))
    for branch, names in found.items():
        if missing := sorted(set(classes) - names):
            raise DataError(
                f"{tree.files.path / branch} has no folder for {few(missing)}, which the other splits have; every "
                "split needs the same classes."
            )
    if len(classes) < 2:
        flat = not classes and any(tree.photographs[branch] for branch in branches)
        hint = "Did you mean the folder above or below it?"
        if flat:
            hint = "Where photographs lie flat, `alexnet prepare` takes --label-from PATTERN or --list FILE."
        raise DataError(
            f"{tree.files.path} has {f'the class folder {classes[0]} alone' if classes else 'no class folders'}; "
            f"there should be one for each class, at least two. {hint}"
        )
    return classes


def _remarks(
    tree: _Tree,
    inside: str,
    splits: Mapping[str, str],
    branches: Iterable[str],
    nested: Iterable[str],
    beside: Mapping[str, int],
    others: Iterable[str],
) -> Iterator[str]:
    """What the reader should know of how the folders were read."""
    if inside:
        yield f"Everything lies in the folder {inside.rstrip('/')}, which is taken for the place of the photographs."
    if spelt := [f"{top} as {split}" for top, split in splits.items() if top != split]:
        yield f"Folders taken as splits: {few(spelt)}."
    if deeper := sorted(set(branches) - {f"{inside}{top}/" for top in splits} - {inside}):
        said = few(name.rstrip("/") for name in deeper)
        yield f"Folders that hold all of a split, taken for the place of its classes: {said}."
    spellings = Counter(normalize("NFC", name) for name in {name for branch in branches for name in tree.below[branch]})
    if several := sorted(name for name, count in spellings.items() if count > 1):
        yield f"Folders whose names are one in Unicode are one class: {few(several)}."
    if sentence := alike_but_for_capitals(spellings):
        yield sentence
    if inner := sorted(nested):
        yield f"Photographs in folders inside a class count as the class's: {few(inner)}."
    if beside:
        yield f"Left out, photographs beside the splits: {few(f'{count:,} in {top}' for top, count in beside.items())}."
    if sentence := passed_over(others, tree.files.hidden):
        yield sentence
