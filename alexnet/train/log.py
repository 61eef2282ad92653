"""What happened, in files: log.jsonl for every event, metrics.csv a row an epoch, TensorBoard where it is installed."""

import csv
import json
from dataclasses import asdict, fields
from typing import Any

from alexnet.errors import AlexNetError
from alexnet.train.events import EpochEnd, Event, Step, Warned
from alexnet.train.run import Run

try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError:
    SummaryWriter = None  # type: ignore[misc, assignment]

STEPS_PER_LINE = 50
COLUMNS = [field.name for field in fields(EpochEnd)]
NO_TENSORBOARD = "TensorBoard events are not written, since tensorboard is not installed: pip install 'alexnet[tb]'."


class RunLog:
    """The logs of a run, opened to go on after `epochs` finished epochs; later rows of an earlier try are dropped."""

    def __init__(self, run: Run, *, epochs: int) -> None:
        self._csv = run.path / "metrics.csv"
        rows = self._csv.read_text(encoding="utf-8").splitlines()[: epochs + 1] if self._csv.exists() else []
        self._csv.write_text("\n".join(rows or [",".join(COLUMNS)]) + "\n", encoding="utf-8", newline="\n")
        self._jsonl = open(run.path / "log.jsonl", "a", encoding="utf-8", newline="\n")  # noqa: SIM115
        self._board: Any = None
        if SummaryWriter is not None:
            self._board = SummaryWriter(str(run.path / "tensorboard"), purge_step=epochs + 1)

    def write(self, event: Event) -> None:
        """Records an event; of steps, one in every so many."""
        if isinstance(event, Step) and event.step % STEPS_PER_LINE:
            return
        try:
            self._jsonl.write(json.dumps({"event": type(event).__name__, **asdict(event)}) + "\n")
            self._jsonl.flush()
            if isinstance(event, EpochEnd):
                self._write_epoch(event)
        except OSError as error:
            raise AlexNetError(f"Cannot write the log {self._jsonl.name}: {error.strerror}.") from error

    def close(self) -> None:
        """Flushes and closes the files."""
        self._jsonl.close()
        if self._board is not None:
            self._board.close()

    @property
    def missing(self) -> Warned | None:
        """What the user should know about logs that are not written."""
        return Warned(NO_TENSORBOARD) if self._board is None else None

    def _write_epoch(self, event: EpochEnd) -> None:
        with open(self._csv, "a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, COLUMNS, lineterminator="\n").writerow(asdict(event))
        if self._board is not None:
            for name in COLUMNS:
                value = getattr(event, name)
                if name != "epoch" and value is not None:
                    self._board.add_scalar(name, value, event.epoch)
