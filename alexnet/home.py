"""Where downloads, stores, weights and models of this user lie: for the commands, and for what finds their files."""

import os
from pathlib import Path


def home() -> Path:
    """Where downloads and stores made on the way lie: ALEXNET_HOME, else `alexnet` in the user's cache folder."""
    if place := os.environ.get("ALEXNET_HOME"):
        return Path(place)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alexnet"
