"""Training checkpoints: tensors and plain types in one file, readable without running code from it."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from alexnet.errors import WeightsError, from_disk, wants_memory
from alexnet.weights.files import replacing

FORMAT = 1


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Writes `content` (tensors, numbers, texts, lists and dicts of them) atomically."""
    with replacing(path) as temporary:
        try:
            torch.save({"format": FORMAT, **content}, temporary)
        except RuntimeError as error:  # what PyTorch's writer makes of a full disk
            raise OSError("PyTorch could not write the file") from error


def is_checkpoint(content: object) -> bool:
    """Whether what PyTorch read from a file is what `save_checkpoint` writes of a network."""
    if not isinstance(content, dict) or type(content.get("format")) is not int:
        return False
    weights = content.get("weights")
    return isinstance(weights, dict) and "conv1.weight" in weights


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The content that `save_checkpoint` wrote, on the CPU.

    Raises WeightsError when it is missing, cannot be read, is damaged or foreign.
    """
    if not path.is_file():
        raise WeightsError(
            f"There is no checkpoint at {path}: it was lost, or the run stopped before it wrote one. Put it back or "
            "train anew."
        )
    try:
        with ZipFile(path) as archive:  # PyTorch writes checksums, but does not compare them
            if damaged := archive.testzip():
                raise BadZipFile(f"wrong checksum of {damaged}")
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged and foreign files fail in any way
        if wants_memory(error):
            raise
        if from_disk(error):
            raise WeightsError(f"{path} cannot be read ({error.strerror}); mend that and try again.") from error
        raise WeightsError(
            f"The checkpoint {path} is damaged, or is not a checkpoint ({type(error).__name__}); copy it again, or "
            "train anew."
        ) from error
    found = content.get("format") if isinstance(content, dict) else None
    if type(found) is not int or found != FORMAT:
        raise WeightsError(f"{path} is not a checkpoint of this version (format {FORMAT}).")
    return content
