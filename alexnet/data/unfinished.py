"""The work on an unfinished store: kept so that a kill at any moment costs no more than the chunks in hand.

For a store at `path` it lies in `path.partial`: `plan.json` (what is being made), `store/images.bin` (the
photographs so far) and `journal.jsonl` (a line for each finished chunk of them, with their checksums). The
last two only grow, in the order of the source; what the journal does not vouch for is cut off when work
resumes. The finished `store` is renamed to `path`, and the rest deleted.
"""

import hashlib
import json
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from alexnet.data.packed import IMAGES
from alexnet.data.store import flush_folder, partial
from alexnet.errors import DataError
from alexnet.locking import held

JOURNAL = "journal.jsonl"


@dataclass(frozen=True, eq=False)
class Chunk:
    """What became of some consecutive examples of a source, which are numbered within the chunk."""

    records: NDArray[np.int64]  # (accepted, 4): length, crc32, width, height
    refused: dict[int, str]
    treated: dict[int, tuple[str, ...]]

    def to_line(self) -> bytes:
        """The chunk as a line of the journal, with its checksum."""
        columns = [self.records.tolist(), list(self.refused.items()), list(self.treated.items())]
        text = json.dumps(columns).encode()
        return b"%s %08x\n" % (text, zlib.crc32(text))

    @classmethod
    def from_line(cls, line: bytes) -> "Chunk":
        """The chunk of a line. Raises ValueError when the line is not whole, or its checksum is another."""
        text, _, checksum = line.rpartition(b" ")
        if checksum != b"%08x\n" % zlib.crc32(text):
            raise ValueError("it is not whole")
        records, refused, treated = json.loads(text)
        return cls(
            np.array(records, dtype=np.int64).reshape(-1, 4),
            dict(refused),
            {row: tuple(treatments) for row, treatments in treated},
        )

    def describes(self, content: bytes) -> bool:
        """Whether `content` is the chunk's photographs, by length and checksums."""
        ends = np.cumsum(self.records[:, 0]).tolist()
        checksums = [zlib.crc32(content[start:end]) for start, end in pairwise([0, *ends])]
        return checksums == self.records[:, 1].tolist() and len(content) == sum(self.records[:, 0])


class Unfinished:
    """The work on the store at `path`; as a context it is locked against other processes, resumed and kept.

    Entering raises BusyError when another process holds it, DataError when it is work on another `plan` (any bytes
    that tell plans apart). From the first chunk on that is not `good` any more, the work is done again.
    """

    def __init__(self, path: Path, plan: bytes, good: Callable[[Chunk], bool] = lambda _: True):
        self.path = path
        self.folder = partial(path)
        self.store = self.folder / "store"
        self.chunks: list[Chunk] = []
        self.sha256 = hashlib.sha256()  # of images.bin
        self._plan, self._good = plan, good
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self.store.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            stack.enter_context(claimed(self.folder))
            self._check_plan()
            self._images = stack.enter_context((self.store / IMAGES).open("ab+"))
            self._journal = stack.enter_context((self.folder / JOURNAL).open("ab+"))
            self._resume()
            self._open = stack.pop_all()  # closes all, the lock last, even where closing one fails on a full disk
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        journal = self.folder / JOURNAL
        if journal.exists() and journal.stat().st_size == 0:  # nothing is worth keeping
            discard(self.path)

    def append(self, chunk: Chunk, content: bytes) -> None:
        """Keep a finished chunk and its photographs; they are written before the journal vouches for them."""
        self._images.write(content)
        self._images.flush()
        self._journal.write(chunk.to_line())
        self._journal.flush()
        self.sha256.update(content)
        self.chunks.append(chunk)

    def publish(self) -> None:
        """Rename the store, which must be complete, into place. Nothing of the work remains."""
        self._images.close()  # Windows renames no folder that has an open file
        if self.path.exists():  # as an empty folder
            self.path.rmdir()
        self.store.rename(self.path)
        flush_folder(self.path.parent)
        self.discard()

    def discard(self) -> None:
        """Delete the work."""
        self._open.close()
        discard(self.path)

    def _check_plan(self) -> None:
        file = self.folder / "plan.json"
        found = file.read_bytes() if file.exists() else b""
        if found not in (b"", self._plan):
            raise DataError(
                f"{self.folder} holds unfinished work on other photographs or with other options than "
                "asked for now; ask for the same to continue it, delete it, or choose another path."
            )
        if not found:  # new, or a power cut took it, and with it what the journal was about
            (self.folder / JOURNAL).unlink(missing_ok=True)
            file.write_bytes(self._plan)

    def _resume(self) -> None:
        self._images.seek(0)
        self._journal.seek(0)
        images = lines = 0
        for line in self._journal:
            try:
                chunk = Chunk.from_line(line)
            except ValueError:
                break
            content = self._images.read(int(chunk.records[:, 0].sum()))
            if not (chunk.describes(content) and self._good(chunk)):
                break
            self.sha256.update(content)
            self.chunks.append(chunk)
            images += len(content)
            lines += len(line)
        self._images.truncate(images)
        self._journal.truncate(lines)


def claimed(folder: Path) -> AbstractContextManager[None]:
    """A block in which no other process works in this folder of unfinished work. Entering raises BusyError."""
    return held(folder / "lock", f"preparing {folder.with_suffix('')}")


def discard(path: Path) -> None:
    """Delete the work on the store at `path`, and nothing that others put beside it."""
    folder = partial(path)
    for file in [*(folder / "store").glob("*"), *(folder / name for name in (JOURNAL, "plan.json", "lock"))]:
        file.unlink(missing_ok=True)
    for empty in (folder / "store", folder):
        with suppress(OSError):
            empty.rmdir()
