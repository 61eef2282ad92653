"""What every import does: a stranger's file opened with care, its tensors held against a network, a model made."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from alexnet.data.preparation import Preparation
from alexnet.data.statistics import InputStatistics
from alexnet.errors import ConfigError, WeightsError
from alexnet.model.net import AlexNet
from alexnet.model.spec import Conv, Layer, Linear, Spec
from alexnet.reading import read_file
from alexnet.weights.files import reading, sha256
from alexnet.weights.foreign.class_names import Names
from alexnet.weights.foreign.class_names import classes as named
from alexnet.weights.model_dir import Model

MAX_BYTES = 2**31 - 1  # of a file, and of its tensors in fp32; the largest network of the family takes a sixth of it
SHOWN = 5  # names in an error

# What a download that went wrong leaves behind, or what another program writes under the same suffix.
_NOT_WEIGHTS = {
    b"<": "a web page",
    b"version https://git-lfs": "a Git LFS pointer, which stands for the file",
    b"\x89HDF": "an HDF5 file",
}


@dataclass(frozen=True)
class Foreign:
    """What an importer found in a file: tensors under the file's own names, and what they are to the network.

    `names` holds for each parameter of the network (`conv1.weight`) the file's name; `conversions` says in words what
    was done to the numbers and what was assumed.
    """

    path: Path
    format: str
    names: Mapping[str, str]
    tensors: Mapping[str, Tensor]
    conversions: tuple[str, ...] = ()


def check_file(path: Path) -> None:
    """Raises WeightsError when `path` is no file, larger than `MAX_BYTES`, or plainly something else than weights."""
    if not path.is_file():
        fault = f"{path} is no regular file" if path.exists() else f"There is no file {path}"
        raise WeightsError(f"{fault}; give the file of weights.")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise WeightsError(f"{path} has {size:,} bytes, more than the {MAX_BYTES:,} that are read; it is no AlexNet.")
    with reading(str(path)), open(path, "rb") as file:
        head = file.read(64).lstrip()
    for start, what in _NOT_WEIGHTS.items():
        if head.startswith(start):
            raise WeightsError(f"{path} is {what}, not a file of weights; download it again.")


def read_weights(path: Path) -> bytes:
    """The content of a file that `check_file` takes, which says what is raised. AlexNetError when it cannot be read."""
    check_file(path)
    with reading(str(path)):
        return read_file(path, MAX_BYTES)


def make_model(
    spec: Spec, found: Foreign, *, statistics: InputStatistics, preparation: Preparation, classes: Names
) -> Model:
    """The model of `spec` with the foreign weights, on the CPU in fp32, in evaluation mode.

    The numbers of maps, units and classes are those of the weights, all else is the spec's. `classes` is a file with
    the classes' names, or what else `alexnet.weights.foreign.class_names.classes` takes. Raises WeightsError, with
    the file's own names, for tensors that are missing, unused, of another shape or not finite.
    """
    net = _build(spec, found)
    categories, assumed = named(classes, net.spec.classes)
    provenance = {
        "imported_from": found.path.name,
        "format": found.format,
        "source_sha256": sha256(found.path),
        "conversions": [*found.conversions, *([assumed] if assumed else [])],
    }
    return Model(net.eval(), categories, statistics, provenance, preparation)


def _build(spec: Spec, found: Foreign) -> AlexNet:
    theirs = set(found.names.values())
    problems = {
        "missing": [name for name in found.names.values() if name not in found.tensors],
        "of no use there": [name for name in found.tensors if name not in theirs],
    }
    if said := "; ".join(f"{what}: {_listed(names)}" for what, names in problems.items() if names):
        raise WeightsError(f"{found.path} does not hold the weights of {spec.name!r} and nothing else; {said}.")
    total = sum(prod(tensor.shape) for tensor in found.tensors.values())
    if 4 * total > MAX_BYTES:
        raise WeightsError(f"{found.path} holds {total:,} numbers, more than any network of this family has.")
    try:
        with torch.device("meta"):
            net = AlexNet(_fitted(spec, found))
    except ConfigError as error:  # maps that the groups do not divide
        raise WeightsError(f"The weights in {found.path} fit no network: {error}") from error
    state = {}
    for name, expected in net.state_dict().items():
        tensor = found.tensors[found.names[name]]
        if tensor.shape != expected.shape:
            raise _wrong_shape(spec, found, name, str(tuple(expected.shape)))
        state[name] = tensor.detach().to(torch.float32, copy=True).contiguous()
        if not state[name].isfinite().all():
            raise WeightsError(f"{found.path}: {found.names[name]} holds NaN or infinity; take another file.")
    net.load_state_dict(state, assign=True)
    return net


def _fitted(spec: Spec, found: Foreign) -> Spec:
    """`spec` with as many maps, units and classes as there are rows of weights."""
    rows = {}
    for layer in spec.layers:
        if not isinstance(layer, Conv | Linear):
            continue
        shape = found.tensors[found.names[f"{layer.name}.weight"]].shape
        rank = 4 if isinstance(layer, Conv) else 2
        if len(shape) != rank or 0 in shape:
            raise _wrong_shape(spec, found, f"{layer.name}.weight", f"{rank} sizes of at least 1")
        rows[layer.name] = shape[0]

    def fit(layer: Layer) -> Layer:
        if isinstance(layer, Conv):
            return replace(layer, channels=rows[layer.name])
        if isinstance(layer, Linear) and layer.units is not None:
            return replace(layer, units=rows[layer.name])
        return layer

    return replace(spec.mapped(fit), classes=rows[spec.layers[-1].name])


def _wrong_shape(spec: Spec, found: Foreign, name: str, expected: str) -> WeightsError:
    theirs = found.names[name]
    shape = tuple(found.tensors[theirs].shape)
    return WeightsError(
        f"{found.path}: {theirs} has shape {shape}, expected {expected} for {name} of {spec.name!r}; "
        "is it a file of another network?"
    )


def _listed(names: Iterable[str]) -> str:
    names = [name if name.isprintable() else repr(name) for name in names]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
