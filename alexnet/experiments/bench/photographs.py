"""Photographs of ImageNet's usual size to measure with, made from the built-in pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from alexnet.data.jpeg import encode_jpeg
from alexnet.data.prepare import prepare
from alexnet.data.sources.folder import Folder
from alexnet.data.sources.shapes import picture
from alexnet.data.sources.things import THINGS
from alexnet.data.store import Store
from alexnet.errors import ConfigError

HEIGHT, WIDTH = 375, 500
QUALITY = 97  # 0.55 bytes a pixel, about what ImageNet's photographs have
DRAWN = 12  # pictures, of which four make a photograph


def write_photographs(folder: Path, count: int, classes: int = 2) -> Path:
    """`folder`, with `count` JPEG photographs of 500×375 pixels, all different, in the folders of so many classes.

    Each shows four of the built-in pictures side by side, turned and mirrored, so that it has edges, textures, shadows
    and a camera's noise over its whole area.
    """
    rng = np.random.default_rng(2012)
    things = list(THINGS)
    drawn = np.stack([picture(rng, things[number % len(things)]) for number in range(DRAWN)])  # (12, 256, 256, 3)
    for label in range(classes):
        (folder / f"class{label:04}").mkdir(parents=True)
    for number in range(count):
        tiles = [np.rot90(drawn[tile], int(rng.integers(4))) for tile in rng.integers(DRAWN, size=4)]
        tiles = [tile[:, ::-1] if rng.random() < 0.5 else tile for tile in tiles]
        square = np.concatenate([np.concatenate(tiles[:2], 1), np.concatenate(tiles[2:], 1)])  # (512, 512, 3)
        top, left = rng.integers(len(square) - HEIGHT), rng.integers(len(square) - WIDTH)
        photograph = square[top : top + HEIGHT, left : left + WIDTH]
        path = folder / f"class{number % classes:04}" / f"{number:05}.jpg"
        path.write_bytes(encode_jpeg(np.ascontiguousarray(photograph), QUALITY))
    return folder


@contextmanager
def folder_of(data: Path | None, count: int, classes: int = 2) -> Iterator[Path]:
    """The folder `data`; or one with `count` photographs, which is gone afterwards."""
    if data is not None:
        yield data
        return
    with TemporaryDirectory(prefix="alexnet-bench-") as made:
        yield write_photographs(Path(made) / "photographs", count, classes)


@contextmanager
def store_of(data: Path | None, count: int, *, classes: int = 2, encoding: str = "raw") -> Iterator[Store]:
    """The store at `data`; or one of `count` photographs to train on, which is gone afterwards.

    Raises ConfigError for a store with fewer photographs to train on.
    """
    if data is None:
        with folder_of(None, count, classes) as photographs:
            yield prepare(Folder(photographs), photographs.parent / "store", encoding=encoding, workers=0, split={})
        return
    store = Store.open(data)
    found = store.splits.get("train", 0)
    if found < count:
        raise ConfigError(
            f"The store {data} has {found} photographs to train on, but this measurement needs {count}; give a larger "
            "one, or a smaller batch size."
        )
    yield store
