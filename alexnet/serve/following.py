"""How a run stands that training goes on with, from what its directory holds."""

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet.errors import ConfigError, WeightsError
from alexnet.reading import MAX_LOG, instead, read_text
from alexnet.serve.problems import Problem
from alexnet.show.curves import Curve, NoEpoch, curves

STALE = 300.0  # seconds without a word after which a run may have ended; at least twice its last epoch


@dataclass(frozen=True)
class Log:
    """The events of a log.jsonl, and the seconds since its last line."""

    events: list[dict[str, Any]]
    silent: float

    @property
    def finished(self) -> bool:
        """Whether the last event says that the run is over."""
        return bool(self.events) and self.events[-1]["event"] == "Finished"

    def last(self, kind: str) -> dict[str, Any]:
        """The last event of a kind since training began or went on; empty when there is none."""
        found: dict[str, Any] = next(
            (event for event in reversed(self.events) if event["event"] in (kind, "Started")), {}
        )
        return found if found.get("event") == kind else {}


def remark(path: Path) -> str:
    """What to know before the run at `path` is followed; nothing for one that has begun.

    Raises ConfigError for what is no run and cannot become one: a file, or a directory that holds something else.
    """
    try:
        if (path / "run.json").is_file():
            return ""
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            return f"There is no run at {path} yet; it is shown when it has begun."
    except OSError as error:
        raise ConfigError(f"--run {path} cannot be read ({error.strerror}); give a directory that can be.") from error
    found = instead(path, "run.json")
    raise ConfigError(f"--run {path} is not a run directory{found}; give the directory that `alexnet train` makes.")


def state(path: Path, after: int) -> dict[str, Any]:
    """The state of a run, and its epochs after one, as JSON types. Raises Problem for logs that cannot be read."""
    try:
        log = _log(path / "log.jsonl")
    except (FileNotFoundError, NotADirectoryError):
        return {"name": path.name, "state": "not begun", "epochs": 0, "rows": []}
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _unreadable(f"The log of the run {path.name} cannot be read: {reason}.") from None
    try:
        (curve,) = curves([path]).runs
    except NoEpoch:
        curve = None
    except WeightsError as error:
        raise _unreadable(str(error).replace(str(path), path.name)) from None
    begun, step = log.last("Started"), log.last("StepEnd")
    epochs, stepped = _whole(begun.get("epochs")), _whole(step.get("epoch"))
    done = curve.epochs[-1] if curve else 0
    seconds = curve.columns.get("seconds", (None,))[-1] if curve else None  # of the last epoch
    of_rows = None if seconds is None else seconds * max(0, epochs - done)
    left = step.get("seconds_left") if stepped > done else of_rows
    return {
        "name": path.name,
        "state": "finished"
        if log.finished
        else "silent"
        if log.silent > max(STALE, 2 * (seconds or 0.0))
        else "running",
        "silent_seconds": round(log.silent),
        "epochs": epochs,
        "epoch": done if log.finished else min(epochs, max(stepped, done + 1)),
        "seconds_left": None if log.finished else _finite(left),
        "rows": [] if curve is None else _rows(curve, after),
    }


def _log(path: Path) -> Log:
    """Raises OSError, and ValueError for a line that is no event; one that is being written is left out."""
    text = read_text(path, MAX_LOG).read()
    events = []
    for number, line in enumerate(text[: text.rfind("\n") + 1].split("\n"), 1):
        if line.strip():
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            if not isinstance(event, dict) or not isinstance(event.get("event"), str):
                raise ValueError(f"line {number} is no event")
            events.append(event)
    return Log(events, time.time() - path.stat().st_mtime)


def _rows(curve: Curve, after: int) -> list[dict[str, Any]]:
    return [
        {"epoch": epoch, **{name: column[place] for name, column in curve.columns.items()}}
        for place, epoch in enumerate(curve.epochs)
        if epoch > after
    ]


def _finite(value: object) -> float | None:
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _unreadable(sentence: str) -> Problem:
    return Problem(500, "damaged_run", sentence)
