"""torchvision's alexnet: its names of our parameters, and checkpoints of it from wherever it was trained."""

from collections import OrderedDict
from pathlib import Path
from typing import Final

import torch
from torch import nn

from alexnet.data.preparation import Preparation
from alexnet.data.statistics import InputStatistics
from alexnet.model.variants import variant
from alexnet.weights.foreign.class_names import Names
from alexnet.weights.foreign.importing import Foreign, check_file, make_model
from alexnet.weights.model_dir import Model
from alexnet.weights.pytorch.state_dicts import read_state_dict

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

_ROOTS = ("features", "classifier")  # of torchvision's names

# Of torchvision's reference transforms, (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225) of pixels from 0 to 1.
MEAN, STD = (255 * 0.485, 255 * 0.456, 255 * 0.406), (255 * 0.229, 255 * 0.224, 255 * 0.225)


def plain_network(classes: int) -> nn.Module:
    """The network of torchvision/models/alexnet.py in PyTorch's layers, under its names, its weights not set yet."""
    with torch.device("meta"):
        features = nn.Sequential(
            *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
        )
        classifier = nn.Sequential(
            *(nn.Dropout(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU()),
            *(nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU()),
            nn.Linear(4096, classes),
        )
    layers = {
        "features": features,
        "avgpool": nn.AdaptiveAvgPool2d(6),
        "flatten": nn.Flatten(),
        "classifier": classifier,
    }
    return nn.Sequential(OrderedDict(layers)).to_empty(device="cpu")


def import_torchvision(path: Path, *, classes: Names = None, weights: str | None = None) -> Model:
    """The model in a .pth or .safetensors file of torchvision's alexnet, its weights bit for bit.

    Training checkpoints, names of wrappers and forks with the classifier renumbered are understood; other widths than
    torchvision's are kept. `weights` says which set to take of a file that holds several, as of a model and of its
    average. The preparation is torchvision's: shorter side to 256 bilinear, centre 224, mean and std. For `classes` and
    errors see `make_model`; nothing from the file is executed.
    """
    check_file(path)
    found, taken = read_state_dict(path, _ROOTS, weights)
    names, said = dict(NAMES), ["weights bit for bit"]
    if "classifier.0.weight" in found.names:
        moved = {f"{old}.{part}": f"{new}.{part}" for old, new in _MOVED.items() for part in ("weight", "bias")}
        names = {ours: moved.get(theirs, theirs) for ours, theirs in names.items()}
        said.append("classifier renumbered by a fork that moved dropout; training on drops where torchvision does")
    names = {ours: found.names.get(theirs, theirs) for ours, theirs in names.items()}
    kinds = {str(tensor.dtype).removeprefix("torch.") for tensor in found.tensors.values()}
    if kinds - {"float32"}:
        said[0] = f"weights turned from {', '.join(sorted(kinds))} to float32"
    if taken:
        said.append(taken)
    return make_model(
        variant("owt"),
        Foreign(path, "torchvision", names, found.tensors, tuple(said)),
        statistics=InputStatistics.of_mean(MEAN),
        preparation=Preparation(resize="torchvision", interpolation="bilinear", std=STD),
        classes=classes,
    )
