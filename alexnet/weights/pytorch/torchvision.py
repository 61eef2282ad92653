"""torchvision's alexnet: its names of our parameters, and checkpoints of it from wherever it was trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile, ZipFile, is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from alexnet.data.preparation import Preparation
from alexnet.data.statistics import InputStatistics
from alexnet.errors import WeightsError
from alexnet.model.variants import variant
from alexnet.weights.foreign.importing import MAX_BYTES, Foreign, check_file, make_model
from alexnet.weights.model_dir import Model

_MODULES = {
    "conv1": "features.0",
    "conv2": "features.3",
    "conv3": "features.6",
    "conv4": "features.8",
    "conv5": "features.10",
    "fc6": "classifier.1",
    "fc7": "classifier.4",
    "fc8": "classifier.6",
}
NAMES: Final = {
    f"{ours}.{part}": f"{theirs}.{part}" for ours, theirs in _MODULES.items() for part in ("weight", "bias")
}
"""torchvision's name of each parameter of `owt`."""

# Forks that moved dropout behind fc6 and fc7 (pytorch/vision issue 549), which renumbers the classifier.
_MOVED = {"classifier.1": "classifier.0", "classifier.4": "classifier.3"}

_WRAPPERS = ("_orig_mod.", "module.")  # torch.compile; DataParallel and its kin, round all or round the features alone
_HOLDERS = ("state_dict", "model", "model_state_dict")  # of the weights in a training checkpoint

# Of torchvision's reference transforms, (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225) of pixels from 0 to 1.
MEAN, STD = (255 * 0.485, 255 * 0.456, 255 * 0.406), (255 * 0.229, 255 * 0.224, 255 * 0.225)


def import_torchvision(path: Path, *, classes: Path | None = None) -> Model:
    """The model in a .pth or .safetensors file of torchvision's alexnet, its weights bit for bit.

    Training checkpoints, prefixes of wrappers and forks with the classifier renumbered are understood; other widths
    than torchvision's are kept. The preparation is torchvision's: shorter side to 256 bilinear, centre 224, mean and
    std. For `classes` and errors see `make_model`; nothing from the file is executed.
    """
    check_file(path)
    state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    tensors: dict[str, Tensor] = {}
    for name, tensor in state.items():
        bare = name
        for wrapper in _WRAPPERS:
            bare = bare.replace(wrapper, "")
        if bare in tensors:
            raise WeightsError(f"{path} holds {bare!r} twice, once as {name!r}.")
        tensors[bare] = tensor
    names, said = dict(NAMES), ["weights bit for bit"]
    if "classifier.0.weight" in tensors:
        moved = {f"{old}.{part}": f"{new}.{part}" for old, new in _MOVED.items() for part in ("weight", "bias")}
        names = {ours: moved.get(theirs, theirs) for ours, theirs in names.items()}
        said.append("classifier renumbered by a fork that moved dropout; training on drops where torchvision does")
    kinds = {str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()}
    if kinds - {"float32"}:
        said[0] = f"weights turned from {', '.join(sorted(kinds))} to float32"
    return make_model(
        variant("owt"),
        Foreign(path, "torchvision", names, tensors, tuple(said)),
        statistics=InputStatistics.of_mean(MEAN),
        preparation=Preparation(resize="torchvision", interpolation="bilinear", std=STD),
        classes=classes,
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsError(f"{path} is damaged, or no safetensors file: {error}.") from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        if is_zipfile(path):
            with ZipFile(path) as archive:
                size = sum(entry.file_size for entry in archive.infolist())
                if size > MAX_BYTES:
                    raise WeightsError(f"{path} unpacks to {size:,} bytes, more than the {MAX_BYTES:,} that are read.")
                if damaged := archive.testzip():  # PyTorch writes checksums, but does not compare them
                    raise BadZipFile(f"wrong checksum of {damaged}")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:  # damaged and foreign files fail in any way
        raise WeightsError(
            f"{path} is damaged, or holds more than tensors and plain values ({type(error).__name__}); nothing else is "
            "read from a stranger's file: save the state_dict alone."
        ) from error
    return _tensors(path, content)


def _tensors(path: Path, content: Any) -> dict[str, Tensor]:
    """The state dict, or the one inside a training checkpoint."""
    if isinstance(content, Mapping):
        for holder in _HOLDERS:
            if isinstance(content.get(holder), Mapping):
                content = content[holder]
                break
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path} holds no state dict, but {type(content).__name__}; save model.state_dict().")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor) or value.layout is not torch.strided:
            raise WeightsError(f"{path} holds {name!r} of type {type(value).__name__} among the weights.")
        if not value.is_floating_point() or value.device.type != "cpu":
            raise WeightsError(f"{path} holds {name!r} as {value.dtype}, expected floating-point numbers.")
    return dict(content)
