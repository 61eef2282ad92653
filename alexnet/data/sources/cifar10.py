"""CIFAR-10 (Krizhevsky 2009): 50,000 training and 10,000 test pictures of 32×32 pixels, enlarged."""

from pathlib import Path
from typing import Final

import numpy as np

from alexnet.data.images import resized
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.source import Category, Example, Prepared
from alexnet.data.sources.archives import open_files
from alexnet.data.sources.files import ListedSource, Listing, Span
from alexnet.data.sources.folder import list_class_folders
from alexnet.errors import DataError

NAMES: Final = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_BATCHES = {
    **{f"data_batch_{number}.bin": "train" for number in range(1, 6)},
    "test_batch.bin": "test",
}
_RECORD = 1 + 3 * 32 * 32  # bytes: the label, then the red, green and blue planes


class Cifar10(ListedSource):
    """CIFAR-10 from the published binary archive, or from class folders `train/<class>` and `test/<class>`.

    `location` is cifar-10-binary.tar.gz, the folder extracted from it, the folder that holds the class folders,
    or a tar archive of that. Raises DataError when it is none of these.
    """

    name = "cifar10"

    def __init__(self, location: Path):
        super().__init__(open_files(location, inside="cifar-10-batches-bin"))

    def load(self, example: Example, preparation: Preparation = DEFAULT) -> Prepared:
        """The example's picture, enlarged. Raises ImageError with the reason when it cannot be used."""
        batch, _, row = example.path.partition(".bin/")
        if not row:
            return super().load(example, preparation)
        record = self._files.read(f"{batch}.bin", Span(int(row) * _RECORD, _RECORD))
        planes = np.frombuffer(record, np.uint8)[1:].reshape(3, 32, 32)
        return Prepared(resized(planes.transpose(1, 2, 0), preparation), size=(32, 32))

    def _list(self) -> Listing:
        if any(batch in self._files.sizes for batch in _BATCHES):
            return self._list_batches()
        listing = list_class_folders(self._files)
        classes = tuple(category.key for category in listing.categories)
        splits = {example.split for example in listing.examples}
        if classes != NAMES or splits != {"train", "test"}:
            raise DataError(
                f"{self._files.path} is not CIFAR-10: give cifar-10-binary.tar.gz, or a folder with train and test, "
                f"each with the class folders {', '.join(NAMES)}."
            )
        return listing

    def _list_batches(self) -> Listing:
        examples = []
        for batch, split in _BATCHES.items():
            content = self._files.read(batch) if batch in self._files.sizes else b""
            labels = content[::_RECORD]
            if not content or len(content) % _RECORD or max(labels) >= len(NAMES):
                raise DataError(
                    f"{self._files.path} has no whole {batch}: it has {len(content):,} bytes, which are not "
                    f"records of {_RECORD:,} bytes that start with a label under {len(NAMES)}. Get it again."
                )
            examples += [Example(f"{batch}/{row:05d}", label, split) for row, label in enumerate(labels)]
        categories = tuple(Category(name, name) for name in NAMES)
        return Listing(categories, tuple(examples), (_RECORD,) * len(examples))
