"""Where downloads, stores, weights and models of this user lie: for the commands, and for what finds their files."""

import os
from pathlib import Path

from alexnet.errors import AlexNetError

REMEDY = "set ALEXNET_HOME to a folder of yours"


def home() -> Path:
    """Where downloads and stores made on the way lie: ALEXNET_HOME, else `alexnet` in the user's cache folder."""
    if place := os.environ.get("ALEXNET_HOME"):
        return Path(place).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "alexnet"


def make(folder: Path) -> None:
    """Makes a folder of the cache, unless it is there. Raises AlexNetError when nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AlexNetError(f"Cannot make the folder {folder}: {error.strerror or error}; {REMEDY}.") from error
    if reason := obstacle(folder):
        raise AlexNetError(f"Cannot write to the folder {folder}: {reason}; {REMEDY}.")


def obstacle(folder: Path) -> str:
    """Why nothing can be written in a folder, there or yet to be made; "" where something can."""
    there = standing(folder)
    if not there.is_dir():
        return "Not a directory"
    return "" if os.access(there, os.W_OK | os.X_OK) else "Permission denied"


def standing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    whole = folder.absolute()
    return next(each for each in (whole, *whole.parents) if os.path.exists(each))
