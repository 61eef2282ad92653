"""The table of sources, and the one way to open them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alexnet.data.download import ARCHIVES, IMAGENET
from alexnet.data.source import Source
from alexnet.data.sources.cifar10 import Cifar10
from alexnet.data.sources.flowers17 import Flowers17
from alexnet.data.sources.folder import Folder, Tops
from alexnet.data.sources.imagenet import ImageNet
from alexnet.data.sources.lists import SUFFIXES as LISTS
from alexnet.data.sources.lists import PhotographList
from alexnet.data.sources.shapes import Shapes
from alexnet.errors import ConfigError, DataError, unknown


@dataclass(frozen=True)
class SourceEntry:
    """A source that has a name: what opens it at a location, and how to get its data.

    `alexnet.data.sources.names` says what it is. `open` takes no location where `how_to_get` is None: the source is
    built in.
    """

    open: Callable[..., Source]
    how_to_get: str | None


_DOWNLOAD = "get it with `alexnet data download {0}`, or give the path of {1} with --from."

SOURCES: Final = {
    "cifar10": SourceEntry(
        Cifar10,
        _DOWNLOAD.format("cifar10", ARCHIVES["cifar10"].file_name),
    ),
    "flowers17": SourceEntry(
        Flowers17,
        _DOWNLOAD.format("flowers17", ARCHIVES["flowers17"].file_name),
    ),
    "folder": SourceEntry(Folder, "give its path with --from."),
    "imagenet": SourceEntry(ImageNet, IMAGENET),
    "shapes": SourceEntry(Shapes, None),
}
"""The sources by name."""


def open_source(
    name_or_path: str | Path,
    location: str | Path | None = None,
    *,
    tops: Tops | None = None,
    lists: Sequence[tuple[str | None, Path]] = (),
    label_from: str | None = None,
) -> Source:
    """The source of that name, at `location`; or what is at that path, a folder or an archive of class folders.

    `tops` says what its upper folders are (see `Folder`); with `lists` or `label_from` it is a `PhotographList`. So is
    the path of a list itself (.csv, .txt), of photographs beside it or at `location`.

    A name of the table comes before a folder of the same name (write ./name, or give a Path, for the folder). Raises
    ConfigError for an unknown name or a missing location, DataError when the data is not what the source consists of.
    """
    location = None if location is None else Path(location)
    row = None if isinstance(name_or_path, Path) else SOURCES.get(name_or_path)
    name_or_path = str(name_or_path)
    if row is None:
        given = Path(name_or_path)
        if given.suffix.lower() in LISTS and given.is_file():
            return PhotographList(location or given.absolute().parent, [(None, given), *lists], label_from)
        location = _existing(name_or_path, location)
        row = SOURCES["folder"]
    if row.open is Folder and location is not None:
        return PhotographList(location, lists, label_from) if lists or label_from else Folder(location, tops)
    if lists or label_from:
        raise ConfigError(f"--list and --label-from are for folders of photographs, not for {name_or_path!r}.")
    if tops is not None:
        raise ConfigError(f"--splits and --classes are for folders of photographs, not for {name_or_path!r}.")
    if row.how_to_get is None:
        if location is not None:
            raise ConfigError(
                f"The source {name_or_path} is built in, so it has no place {location}; leave out --from."
            )
        return row.open()
    if location is None:
        raise ConfigError(f"The source {name_or_path} needs data: {row.how_to_get}")
    return row.open(location)


def _existing(text: str, location: Path | None) -> Path:
    if not Path(text).exists():
        if os.sep in text:
            raise DataError(f"{text} does not exist; give the path of a folder, or one of: {', '.join(SOURCES)}.")
        raise ConfigError(f"{unknown('source', text, SOURCES)} There is no folder of that name either.")
    if location is not None:
        raise ConfigError(f"{text} is itself a place, and --from names another, {location}; leave out one of them.")
    return Path(text)
