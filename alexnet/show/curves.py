"""How runs learned, epoch by epoch, from what their directories hold."""

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from alexnet.errors import ConfigError, WeightsError, unknown
from alexnet.reading import MAX_LOG, instead, read_file, read_text
from alexnet.schema import decode

PANELS = ("error", "loss", "lr", "rate")
AXES = ("epoch", "images", "hours")
MAX_JSON = 10_000_000  # bytes
MOST_RUNS = 6  # colours that are told apart
STEADY, DROP = 0.98, 0.6  # a schedule has a step where the rate, steady before, falls to less than DROP of itself


class NoEpoch(WeightsError):
    """A run that has not finished an epoch yet."""


@dataclass(frozen=True)
class Curve:
    """One run: each column of metrics.csv, None where an epoch has no finite number; `data` tells data sets apart."""

    name: str
    data: str
    train_images: int
    epochs: tuple[int, ...]
    columns: dict[str, tuple[float | None, ...]]

    def along(self, axis: str) -> tuple[float, ...]:
        """Where on the axis its epochs end: their number, the images seen, or the hours of training."""
        match axis:
            case "images":
                return tuple(float(epoch * self.train_images) for epoch in self.epochs)
            case "hours":
                return tuple(total / 3600 for total in accumulate(each or 0.0 for each in self.columns["seconds"]))
        return tuple(map(float, self.epochs))

    @property
    def drops(self) -> tuple[int, ...]:
        """The positions of the epochs in which the learning rate falls at once."""
        rates = self.columns["lr"]
        ratios = [1.0 if other is None or not one else other / one for one, other in pairwise(rates)]
        before = [1.0, *ratios]
        steps = zip(before, ratios, strict=False)
        return tuple(number for number, (former, ratio) in enumerate(steps, 1) if ratio < DROP and former > STEADY)

    def reached(self, percent: float) -> int | None:
        """The first epoch whose training error is at most so many per cent; None where there is none."""
        known = zip(self.epochs, self.columns["train_error"], strict=True)
        return next((epoch for epoch, error in known if error is not None and 100 * error <= percent), None)


@dataclass(frozen=True)
class Curves:
    """The runs side by side; `axis` is one of `AXES`, `panels` are some of `PANELS`.

    `level` is an error, in per cent, to be marked by a line, as figure 1 of the paper marks 25.
    """

    runs: tuple[Curve, ...]
    axis: str = "epoch"
    panels: tuple[str, ...] = ("error", "loss")
    level: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types; with a `level`, "reached" is each run's epoch of that training error, or null."""
        told = {"axis": self.axis, "panels": list(self.panels), "runs": [asdict(run) for run in self.runs]}
        if self.level is None:
            return told
        return {**told, "level": self.level, "reached": [run.reached(self.level) for run in self.runs]}


def curves(
    paths: Sequence[Path],
    axis: str = "epoch",
    panels: Sequence[str] = ("error", "loss"),
    level: float | None = None,
) -> Curves:
    """The curves of run directories.

    Raises ConfigError for an unknown axis or panel, for too many runs, and for a level (in per cent) that is none or
    has no panel of errors; WeightsError for what is no run, NoEpoch among them for one without an epoch.
    """
    if axis not in AXES:
        raise unknown("axis", axis, AXES)
    for panel in panels:
        if panel not in PANELS:
            raise unknown("curve", panel, PANELS)
    if len(paths) > MOST_RUNS:
        raise ConfigError(f"At most {MOST_RUNS} runs can be told apart in a picture; {len(paths)} were given.")
    if level is not None and not 0 < level < 100:
        raise ConfigError(f"A level of error is between 0 and 100 per cent; {level:g} is not.")
    if level is not None and "error" not in panels:
        raise ConfigError("A level is drawn in the panel of errors; put error into --what.")
    names = [path.absolute().name for path in paths]
    told = [str(path) if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)]
    return Curves(tuple(_read(path, name) for path, name in zip(paths, told, strict=True)), axis, tuple(panels), level)


def _read(path: Path, name: str) -> Curve:
    try:
        rows = list(csv.DictReader(read_text(path / "metrics.csv", MAX_LOG, newline="")))
        lines = read_text(path / "log.jsonl", MAX_LOG)
        begun = next((json.loads(line) for line in lines if '"event": "Started"' in line), {"train_images": 0})
        images = int(begun["train_images"])
        fingerprint = str(decode(read_file(path / "run.json", MAX_JSON), dict[str, Any]).get("fingerprint"))
    except (FileNotFoundError, NotADirectoryError) as error:
        found = instead(path, Path(str(error.filename)).name)
        raise WeightsError(
            f"{path} is not a run directory{found}; give the directory that `alexnet train` made."
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError, csv.Error) as error:
        raise WeightsError(f"The logs in {path} are damaged: {error}.") from error
    except OSError as error:
        raise WeightsError(f"The logs in {path} cannot be read ({error.strerror}); mend that and try again.") from error
    if not rows:
        raise NoEpoch(f"{path} has not finished an epoch yet, so there is nothing to draw.")
    try:
        columns = {key: tuple(_number(row[key]) for row in rows) for key in rows[0] if key not in ("epoch", "best")}
        epochs = tuple(int(row["epoch"]) for row in rows)
    except (KeyError, ValueError, TypeError) as error:
        raise WeightsError(f"{path / 'metrics.csv'} is damaged: {error}.") from error
    return Curve(name, fingerprint, images, epochs, columns)


def _number(text: str) -> float | None:
    number = float(text) if text else math.nan
    return number if math.isfinite(number) else None
