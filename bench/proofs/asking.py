"""Another program asked, in the environment of the comparison."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parents[1]
PYTHON = HERE / ".venv" / "bin" / "python"


@dataclass(frozen=True)
class Testimony:
    """What a script of bench/witnesses answered: arrays by name, and the packages that gave them."""

    found: dict[str, NDArray[Any]]
    versions: dict[str, str]

    @property
    def witness(self) -> str:
        """The packages in words."""
        return ", ".join(f"{package} {version}" for package, version in self.versions.items())

    def of(self, prefix: str) -> dict[str, NDArray[Any]]:
        """The arrays under a prefix, without it."""
        return {name.removeprefix(prefix): each for name, each in self.found.items() if name.startswith(prefix)}


def ask(script: str, folder: Path, given: Mapping[str, Any]) -> Testimony:
    """The answer of a script to the arrays `given` and the files in `folder`."""
    if not PYTHON.exists():
        raise SystemExit(f"There is no {PYTHON}, the environment of the comparison; `make proofs` makes it.")
    np.savez(folder / "given.npz", **given)
    quiet = {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}
    command = [PYTHON, HERE / "witnesses" / script, folder]
    ended = subprocess.run(command, env=os.environ | quiet, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{script} ended with status {ended.returncode}:\n{ended.stderr}")
    with np.load(folder / "found.npz") as found:
        return Testimony(dict(found), json.loads(ended.stdout.splitlines()[-1]))
