"""The photographs of a store, one after the other in a file, and the records that find them there."""

import os
import zlib
from contextlib import suppress
from pathlib import Path
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from alexnet.data.jpeg import decode_jpeg
from alexnet.errors import DataError

IMAGES = "images.bin"
INDEX = np.dtype(
    [
        ("offset", "<i8"),  # in images.bin
        ("length", "<i4"),
        ("crc32", "<u4"),
        ("label", "<i4"),
        ("split", "u1"),  # indexes SPLITS
        ("width", "<i4"),  # of the original, 0 where there was none
        ("height", "<i4"),
    ]
)


class Images:
    """The photographs of an images.bin, as `index` (INDEX records) finds them in it."""

    def __init__(self, file: Path, index: NDArray[np.void], encoding: str, side: int):
        self.file = file
        try:
            self._descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise DataError(f"{file} cannot be read ({error.strerror}); mend that and try again.") from error
        finalize(self, _close, self._descriptor)
        self.index = index
        self._raw = encoding == "raw"
        self._side = side
        self._compared = np.zeros(len(index), dtype=np.bool_)

    def read(self, position: int, *, check: bool | None = None) -> NDArray[np.uint8]:
        """The photograph, uint8 RGB (side, side, 3); see `Store.read`."""
        record = self.index[position]
        stored = self._stored(position)
        # once: it would be a third of the work on a training batch
        if check or (check is None and not self._compared[position]):
            if zlib.crc32(stored.data) != record["crc32"]:
                raise DataError(
                    f"Photograph {position} in {self.file} is corrupted: its checksum is not the one of "
                    "preparation; delete the store and prepare it again."
                )
            self._compared[position] = True
        return stored.reshape(self._side, self._side, 3) if self._raw else decode_jpeg(stored.tobytes())

    def stored(self, position: int) -> bytes:
        """The photograph as it is stored, encoded or raw."""
        return self._stored(position).tobytes()

    def _stored(self, position: int) -> NDArray[np.uint8]:
        """The photograph's bytes. Raises DataError when the file has become shorter, or its disk fails.

        Copied, not mapped: a page of a mapped file that is not there any more ends the process without a word.
        """
        record = self.index[position]
        content = np.empty(record["length"], np.uint8)
        try:
            found = os.preadv(self._descriptor, [content.data], int(record["offset"]))
        except OSError as error:
            raise DataError(f"{self.file} cannot be read ({error.strerror}); the store's disk may be gone.") from error
        if found < len(content):
            raise DataError(
                f"{self.file} ends before photograph {position}: it has become shorter while it was read; put the "
                "store back, or prepare it again."
            )
        content.flags.writeable = False
        return content

    def part(self, positions: NDArray[np.int64]) -> "Images":
        """Those photographs alone, numbered anew."""
        return Images(self.file, self.index[positions], "raw" if self._raw else "jpeg", self._side)


def _close(descriptor: int) -> None:
    with suppress(OSError):  # of a disk that fails; nothing was written
        os.close(descriptor)
