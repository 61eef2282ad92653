"""What happened, in files: log.jsonl for every event, metrics.csv a row an epoch, windows.csv a row every 10,000
photographs, TensorBoard where it is installed.
"""

import csv
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from alexnet.errors import AlexNetError
from alexnet.reading import read_file
from alexnet.training.events import EpochEnd, Event, StepEnd, Warned, WindowEnd, silent
from alexnet.training.run import Run
from alexnet.training.state import TrainingState
from alexnet.training.windows import FILE

try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError:
    SummaryWriter = None  # type: ignore[misc, assignment]

STEPS_PER_LINE = 50
BLOCK = 1 << 20  # bytes of a log that are read at once, from its end
COLUMNS = [field.name for field in fields(EpochEnd)]
TABLES: dict[type, str] = {EpochEnd: "metrics.csv", WindowEnd: FILE}  # a row for each event of the kind
NO_TENSORBOARD = "TensorBoard events are not written, since tensorboard is not installed: pip install 'alexnet[tb]'."


class RunLog:
    """The logs of a run, opened to go on where it has come to; later rows of an earlier try are dropped.

    TensorBoard's file only repeats what the others say: when it cannot be written, `warn` is told so once, and no more
    is written to it.
    """

    def __init__(self, run: Run, progress: TrainingState, warn: Callable[[Warned], None] = silent) -> None:
        self._path, self._warn = run.path, warn
        self._board: Any = None
        self._told = False
        with self._sentence():
            _cut_torn_line(run.path / "log.jsonl")
            for kind, rows in ((EpochEnd, progress.history), (WindowEnd, progress.windows)):
                self._write_rows(kind, "w", [{field.name: field.name for field in fields(kind)}, *rows])
        self._hook = threading.excepthook
        if SummaryWriter is not None:
            threading.excepthook = self._quietly
            with self._board_or_warning():
                self._board = SummaryWriter(str(run.path / "tensorboard"), purge_step=len(progress.history) + 1)

    def write(self, event: Event) -> None:
        """Records an event; of steps, one in every so many. Raises AlexNetError when the disk refuses."""
        if isinstance(event, StepEnd) and event.step % STEPS_PER_LINE:
            return
        with self._sentence():
            with open(self._path / "log.jsonl", "a", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps({"event": type(event).__name__, **asdict(event)}) + "\n")
            if isinstance(event, EpochEnd | WindowEnd):
                self._write_rows(type(event), "a", [asdict(event)])
            if isinstance(event, EpochEnd):
                self._write_scalars(event)

    def close(self) -> None:
        """Flushes and closes what is open."""
        if self._board is not None:
            with self._board_or_warning():
                self._board.close()
        threading.excepthook = self._hook

    @property
    def missing(self) -> Warned | None:
        """What the user should know about logs that are not written."""
        return Warned(NO_TENSORBOARD) if SummaryWriter is None else None

    def _write_rows(self, kind: type, mode: str, rows: Sequence[Mapping[str, Any]]) -> None:
        with open(self._path / TABLES[kind], mode, encoding="utf-8", newline="") as file:
            csv.DictWriter(file, [field.name for field in fields(kind)], lineterminator="\n").writerows(rows)

    def _write_scalars(self, event: EpochEnd) -> None:
        if self._board is not None:
            with self._board_or_warning():
                for name in COLUMNS:
                    value = getattr(event, name)
                    if name != "epoch" and value is not None:
                        self._board.add_scalar(name, value, event.epoch)

    def _quietly(self, met: "threading.ExceptHookArgs") -> None:
        """Leaves out the traceback of TensorBoard's thread, whose error is handed on and told as a warning."""
        if not type(met.thread).__module__.startswith("tensorboard."):
            self._hook(met)

    @contextmanager
    def _board_or_warning(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # its thread hands on whatever it met
            self._board = None
            if not self._told:
                self._told = True
                reason = getattr(error, "strerror", None) or error
                self._warn(Warned(f"TensorBoard events cannot be written ({reason}); the other logs go on."))

    @contextmanager
    def _sentence(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise AlexNetError(
                f"Cannot write the logs in {self._path}: {error.strerror}; free some space or mend the directory, then "
                "go on with --resume."
            ) from error


def _cut_torn_line(path: Path) -> None:
    """Cuts off the half line that a full disk or a lost machine left."""
    if not path.exists():
        return
    end = path.stat().st_size
    while end:
        start = max(0, end - BLOCK)
        end = start + read_file(path, BLOCK, start, end - start).rfind(b"\n") + 1
        if end > start:
            break
    os.truncate(path, end)
