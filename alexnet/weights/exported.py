"""Models out of the files that `alexnet export` wrote, which describe themselves."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from alexnet.errors import ConfigError, WeightsError
from alexnet.model.net import AlexNet
from alexnet.weights.description import MODEL, Description, from_texts
from alexnet.weights.files import check_name
from alexnet.weights.foreign.class_names import Names
from alexnet.weights.foreign.importing import Foreign, check_file, make_model
from alexnet.weights.model_dir import DESCRIPTION, INPUT, WEIGHTS, Model
from alexnet.weights.pytorch.state_dicts import read_safetensors
from alexnet.weights.pytorch.torchvision import import_torchvision


def import_safetensors(path: Path, *, classes: Names = None, weights: str | None = None) -> Model:
    """The model in a .safetensors file.

    A file that `alexnet export` wrote gives back the model that it was made from, and takes no other arguments than a
    function of `classes` that calls them as the file does. Others are read as `import_torchvision` does. Raises
    WeightsError when the file is damaged or of another network.
    """
    check_file(path)
    check_name(path)
    if path.name in (WEIGHTS, INPUT) and (path.parent / DESCRIPTION).is_file():
        raise WeightsError(f"{path} is part of the model {path.parent}; give that directory.")
    texts = _texts(path)
    if MODEL not in texts:
        return import_torchvision(path, classes=classes, weights=weights)
    known = from_texts(texts, path)
    named = classes is None or (callable(classes) and classes(known.spec.classes) == known.categories)
    if weights is not None or not named:
        raise ConfigError(f"{path} brings its classes along, and has one set of weights; leave those options out.")
    return exported_model(path, "safetensors, of alexnet export", known, read_safetensors(path))


def exported_model(path: Path, form: str, known: Description, tensors: Mapping[str, Tensor]) -> Model:
    """The model that `known` describes, with the file's tensors. Raises WeightsError where they do not fit."""
    try:
        with torch.device("meta"):
            names = {name: name for name in AlexNet(known.spec).state_dict()}
    except Exception as error:  # numbers of which no network can be made fail in any way
        raise WeightsError(f"What {path} says of its network does not fit together: {error}") from error
    earlier = known.provenance.get("conversions")
    done = (*(earlier if isinstance(earlier, list) else ()), "weights bit for bit")
    model = make_model(
        known.spec,
        Foreign(path, form, names, tensors, done),
        statistics=known.statistics,
        preparation=known.preparation,
        classes=lambda _: known.categories,
    )
    if model.net.spec != known.spec:
        raise WeightsError(f"{path} holds weights of other widths than the {known.spec.name!r} that it names.")
    return replace(model, provenance={**known.provenance, **model.provenance})


def _texts(path: Path) -> Mapping[str, str]:
    """What the file's header says besides the tensors; nothing of one that cannot be read, which is told later."""
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError):
        return {}
