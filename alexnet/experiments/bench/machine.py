"""What a rate depends on besides the program: processor, cores, versions, commit, kernels."""

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from alexnet import kernels
from alexnet.hardware import cores
from alexnet.model.device import Placement
from alexnet.training.run import environment

PACKAGE = Path(__file__).parents[2]


def machine(placement: Placement) -> dict[str, Any]:
    """What `environment` tells, without the command; the cores that this process may use; the commit of the sources."""
    found = environment(device=str(placement.device), dtype=placement.dtype_name, threads=torch.get_num_threads())
    del found["command"]
    found["simplejpeg"] = _version("simplejpeg")
    found |= {"convolutions": kernels.describe_convolutions(placement.dtype), "cores": cores(), **commit()}
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> dict[str, Any]:
    """The commit of the sources, and whether they have been changed since; None outside a repository."""
    try:
        return {"commit": _git("rev-parse", "HEAD"), "changed": bool(_git("status", "--porcelain", "--", PACKAGE.name))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "changed": None}


def _git(*words: str) -> str:
    command = ["git", "-C", str(PACKAGE.parent), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
