"""The 17 Category Flower Dataset (Nilsback and Zisserman, CVPR 2006): 80 photographs of each class."""

from pathlib import Path
from typing import Final

from alexnet.data.source import Category, Example
from alexnet.data.sources.archives import open_files
from alexnet.data.sources.files import ListedSource, Listing
from alexnet.errors import DataError

NAMES: Final = (
    *("daffodil", "snowdrop", "lily of the valley", "bluebell", "crocus", "iris", "tigerlily", "tulip"),
    *("fritillary", "sunflower", "daisy", "coltsfoot", "dandelion", "cowslip", "buttercup", "windflower", "pansy"),
)
"""The classes in the order of the photographs' numbers."""

PER_CLASS: Final = 80


class Flowers17(ListedSource):
    """The 1,360 photographs of the published archive, 17flowers.tgz, or of the folder extracted from it.

    The published splits are not used: by default a fifth of each class is held out as the test split. Raises
    DataError when a photograph is missing.
    """

    name = "flowers17"

    def __init__(self, location: Path):
        super().__init__(open_files(location, inside="jpg"))

    @property
    def default_split(self) -> dict[str, float]:
        """16 of the 80 photographs of each class for the test."""
        return {"test": 0.2}

    def _list(self) -> Listing:
        paths = [f"image_{number:04d}.jpg" for number in range(1, PER_CLASS * len(NAMES) + 1)]
        sizes = self._files.sizes
        if missing := [path for path in paths if path not in sizes]:
            raise DataError(
                f"{self._files.path} lacks {len(missing)} of the {len(paths)} photographs of flowers17, first "
                f"{missing[0]}; give 17flowers.tgz or the folder extracted from it."
            )
        return Listing(
            tuple(Category(name, name) for name in NAMES),
            tuple(Example(path, index // PER_CLASS) for index, path in enumerate(paths)),
            tuple(sizes[path] for path in paths),
        )
