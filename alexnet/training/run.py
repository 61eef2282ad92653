"""A run directory: where things lie, and whether they will fit.

recipe.json  environment.json  run.json   what was asked for, where it runs, on which data and network
log.jsonl    metrics.csv  windows.csv     what happened; `alexnet train` draws it as curves.png
tensorboard/                              the same for TensorBoard
checkpoints/last.pt  checkpoints/best.pt  to resume from; the weights of the best validation error
model/                                    the best network so far, in the end the finished model
summary.json                              of a finished run: how long it took and what it needed
"""

import json
import os
import platform
import shutil
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import numpy
import PIL
import torch

from alexnet import kernels, process
from alexnet.errors import AlexNetError, ConfigError, WeightsError
from alexnet.hardware import processor, size
from alexnet.locking import held
from alexnet.reading import UnfitFileError, instead, read_file
from alexnet.schema import AtMost, Digest, SchemaError, Within, decode
from alexnet.version import VERSION
from alexnet.weights.files import write_text
from alexnet.weights.model_dir import WEIGHTS

SMALL_FILES = 10**7  # bytes: mean images, logs and the rest


MAX_JSON = 10_000_000  # bytes


class RunJson(TypedDict):
    """A run.json."""

    data: str
    fingerprint: Digest
    spec: dict[str, Any]
    device: Annotated[str, AtMost(100)]
    dtype: Annotated[str, AtMost(100)]
    threads: Annotated[int, Within(0, 100_000)]
    processes: NotRequired[Annotated[int, Within(1, 100_000)]]
    towers: NotRequired[Annotated[int, Within(1, 2)]]
    overfit: Annotated[int, Within(0, 10**9)]
    init_from: dict[str, Any] | None
    routes: NotRequired[dict[str, Annotated[str, AtMost(100)]]]
    machine: NotRequired[Annotated[str, AtMost(1000)]]


KINDS: dict[str, Any] = {"run.json": RunJson}


@dataclass(frozen=True)
class Run:
    """The paths of one training run."""

    path: Path

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return self.path / "checkpoints" / "last.pt"

    @property
    def best(self) -> Path:
        """The weights with the lowest validation error, and what it was."""
        return self.path / "checkpoints" / "best.pt"

    @property
    def model(self) -> Path:
        """The model directory: the best so far while the run is under way."""
        return self.path / "model"

    def held(self) -> AbstractContextManager[None]:
        """A block during which no other process trains here. Entering raises BusyError when one does."""
        return held(self.path / ".lock", f"training in {self.path}")

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Writes a JSON file of the run."""
        write_text(self.path / name, json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    def read(self, name: str) -> dict[str, Any]:
        """The content of a JSON file of the run. Raises WeightsError when there is none, or it is not as declared."""
        try:
            content: dict[str, Any] = decode(read_file(self.path / name, MAX_JSON), KINDS.get(name, dict[str, Any]))
        except FileNotFoundError:
            raise WeightsError(f"{self.path} is not a run directory: it has no {name}.") from None
        except OSError as error:
            raise WeightsError(
                f"{self.path / name} cannot be read: {error.strerror}; mend that and try again."
            ) from error
        except (SchemaError, UnfitFileError) as error:
            raise WeightsError(f"{self.path / name} is damaged: {error}.") from error
        return content


def create_run(path: Path) -> Run:
    """A new run directory at `path`, or at `path`-2, `path`-3, … where that is taken; never one that holds files.

    Raises AlexNetError when it cannot be written.
    """
    number = 1
    place = path
    try:
        while not _made(place):
            number += 1
            place = path.with_name(f"{path.name}-{number}")
        probe = place / "checkpoints" / ".probe"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise AlexNetError(f"Cannot write to {place}: {error.strerror}; give another --out.") from error
    return Run(place)


def _made(place: Path) -> bool:
    """Whether a new run may begin at `place`, whose folders are made; not where files lie or another just began."""
    if place.exists() and any(place.iterdir() if place.is_dir() else [place]):
        return False
    place.mkdir(parents=True, exist_ok=True)
    try:
        (place / "checkpoints").mkdir()
    except FileExistsError:
        return False
    return True


def check_space(run: Run, parameters: int) -> None:
    """Raises AlexNetError when the disk could not take the next checkpoints of so many parameters and the model."""
    # last.pt holds weights and velocities; best.pt and the model weights; each has its successor beside it for a moment
    present = sum(file.stat().st_size for file in (run.last, run.best, run.model / WEIGHTS) if file.is_file())
    needed = (8 + 8 + 4 + 4 + 4) * parameters + SMALL_FILES - present
    existing = next(place for place in (run.path, *run.path.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise AlexNetError(
            f"{run.path} has {size(free)} free, but checkpoints and model need {size(needed)}, "
            f"{size(needed - free)} more; free some space or give another --out."
        )


def environment(*, device: str, dtype: str, threads: int) -> dict[str, Any]:
    """What a result depends on besides recipe, network and data: versions, hardware, numbers, threads, command."""
    used = torch.device(device.partition(",")[0])
    return {
        "alexnet": VERSION,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
        "pillow": PIL.__version__,
        "system": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "device": device,
        **({"gpu": torch.cuda.get_device_name(used)} if used.type == "cuda" else {}),
        "dtype": dtype,
        "threads": threads,
        "kernels": kernels.describe(used),
        "memory": process.describe_memory(),
        "waiting": process.describe_waiting(),
        "command": sys.argv,
    }


def open_run(path: Path) -> Run:
    """The run directory at `path`, to resume. Raises ConfigError when there is none."""
    run = Run(path)
    if not (path / "run.json").is_file():
        found = instead(path, "run.json")
        raise ConfigError(f"{path} is not a run directory{found}; give the directory that `train` made.")
    return run
