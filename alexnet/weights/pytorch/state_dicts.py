"""State dicts in PyTorch's files: read without running anything from them, found in checkpoints, and unwrapped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile, ZipFile, is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from alexnet.errors import WeightsError, from_disk, unknown, wants_memory
from alexnet.weights.checkpoint import is_checkpoint
from alexnet.weights.files import check_name
from alexnet.weights.foreign.importing import MAX_BYTES

WRAPPERS: Final = {
    "module": "DataParallel, DistributedDataParallel, DeepSpeed, AveragedModel",
    "_orig_mod": "torch.compile",
    "_fsdp_wrapped_module": "FullyShardedDataParallel",
    "_fpw_module": "FullyShardedDataParallel, before PyTorch 1.13",
}
"""Parts of names that tools put round a network or round parts of it, and whose they are; they are left out."""

COUNTERS: Final = {
    "n_averaged": "AveragedModel",
    "num_updates": "the averages of latent diffusion",
    "initted": "ema-pytorch",
    "step": "ema-pytorch",
}
"""Single numbers that tools keep among the weights, and whose they are; they are passed over."""

AVERAGED: Final = ("ema", "swa", "averag", "shadow", "teacher")
"""What the name of a set of weights holds that is an average over the steps of training."""

PASSED_OVER: Final = (
    "argparse.Namespace",  # torchvision's training script keeps its options
    "pathlib.",
    "numpy.",
    "datetime.",
    "omegaconf.",
    "lightning.",
    "lightning_fabric.",
    "pytorch_lightning.",
)
"""Beginnings of the names of what checkpoints hold beside weights; an empty stand-in is put in its place."""

DEPTH = 3  # of mappings in mappings that weights are looked for in
SHOWN = 5  # names in an error


@dataclass(frozen=True)
class StateDict:
    """One set of weights: `tensors` by the file's names, and these by the network's own names in `names`.

    `label` is where it is in the file: keys and what is in front of the network's names, empty for the whole file.
    """

    label: str
    tensors: Mapping[str, Tensor]
    names: Mapping[str, str]


def read_state_dict(path: Path, roots: Sequence[str], wanted: str | None = None) -> tuple[StateDict, str | None]:
    """The weights in a .pth or .safetensors file of a network whose names begin with `roots`.

    With several sets in the file, the one labelled `wanted`, else the first that is no average; the sentence says which
    was taken. Raises WeightsError for a file that is damaged, holds more than tensors and plain values, or no weights;
    ConfigError for a label that is not there.
    """
    content = read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    if is_checkpoint(content):
        raise WeightsError(f"{path} is a checkpoint of this program; give its run directory.")
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path} holds no state dict, but {type(content).__name__}; save model.state_dict().")
    found = [each for where, held in _holders(content, roots) for each in _by_owner(path, where, held, roots)]
    labels = [each.label for each in found]
    if wanted is not None:
        if wanted not in labels:
            raise unknown(f"set of weights in {path}", wanted, [label or "(the whole file)" for label in labels])
        chosen = found[labels.index(wanted)]
    else:
        plain = [each for each in found if not any(word in each.label.lower() for word in AVERAGED)]
        chosen = (plain or found)[0]
    for name, value in chosen.tensors.items():
        if not isinstance(name, str) or not isinstance(value, Tensor) or value.layout is not torch.strided:
            raise WeightsError(f"{path} holds {name!r} of type {type(value).__name__} among the weights.")
        if not value.is_floating_point() or value.device.type != "cpu":
            raise WeightsError(f"{path} holds {name!r} as {value.dtype}, expected floating-point numbers.")
    if len(found) == 1:
        return chosen, None
    others = " or ".join(label for label in labels if label != chosen.label)
    return chosen, f"of {len(found)} sets of weights in the file {chosen.label} was taken; --weights takes {others}"


def _holders(content: Mapping[Any, Any], roots: Sequence[str]) -> list[tuple[str, Mapping[Any, Any]]]:
    """The mappings that hold a network of these roots, with their keys; else what comes nearest to it."""
    found = list(_mappings(content, "", DEPTH))
    if known := [each for each in found if any(_owner(name, roots) is not None for name in _tensor_names(each[1]))]:
        return known
    with_tensors = [each for each in found if any(True for _ in _tensor_names(each[1]))]
    return (with_tensors or [("", content)])[:1]


def _mappings(content: Any, where: str, depth: int) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    if isinstance(content, Mapping) and depth:
        yield where, content
        for key, value in content.items():
            if isinstance(key, str):
                yield from _mappings(value, f"{where}/{key}".strip("/"), depth - 1)


def _tensor_names(held: Mapping[Any, Any]) -> Iterator[str]:
    return (name for name, value in held.items() if isinstance(name, str) and isinstance(value, Tensor))


def _parts(name: Any) -> list[str]:
    """A name's parts without those of wrappers."""
    return [part for part in str(name).split(".") if part not in WRAPPERS]


def _owner(name: str, roots: Sequence[str]) -> str | None:
    """What stands in front of the network's own name, None where there is none of the roots."""
    parts = _parts(name)
    place = next((place for place, part in enumerate(parts) if part in roots), None)
    return None if place is None else ".".join(parts[:place])


def _by_owner(path: Path, where: str, held: Mapping[Any, Any], roots: Sequence[str]) -> list[StateDict]:
    """The sets of weights in a mapping: one for each thing that has names of its own in front of the network's."""
    owner_of = {name: _owner(name, roots) if isinstance(name, str) else None for name in held}
    owners = list(dict.fromkeys(owner for owner in owner_of.values() if owner is not None)) or [""]
    found = []
    for owner in owners:
        others = [f"{other}." for other in owners if other and other != owner]
        tensors: dict[str, Tensor] = {}
        names: dict[str, str] = {}
        for name, value in held.items():
            bare = ".".join(_parts(name))
            if owner_of[name] not in (owner, None) or bare.startswith(tuple(others)) or _counts(name, value):
                continue
            bare = bare.removeprefix(f"{owner}." if owner else "")
            if bare in names:
                raise WeightsError(f"{path} holds {bare!r} twice, once as {name!r}.")
            tensors[name], names[bare] = value, name
        found.append(StateDict("/".join(filter(None, (where, owner))), tensors, names))
    return found


def _counts(name: Any, value: Any) -> bool:
    return isinstance(value, Tensor) and value.numel() == 1 and str(name).rpartition(".")[2] in COUNTERS


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors in a .safetensors file. Raises WeightsError when it is damaged or cannot be read."""
    check_name(path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsError(f"{path} is damaged, or no safetensors file: {error}.") from error
    except (OSError, RuntimeError) as error:  # the second is PyTorch's, of what the system says
        if wants_memory(error):
            raise
        raise WeightsError(f"{path} cannot be read ({error}); mend that and try again.") from error


def _read_pickle(path: Path) -> Any:
    """What is in the file; in place of what is in `PASSED_OVER` stand objects that hold and do nothing."""
    try:
        others: list[str] = []
        if is_zipfile(path):
            with ZipFile(path) as archive:
                size = sum(entry.file_size for entry in archive.infolist())
                if size > MAX_BYTES:
                    raise WeightsError(f"{path} unpacks to {size:,} bytes, more than the {MAX_BYTES:,} that are read.")
                if damaged := archive.testzip():  # PyTorch writes checksums, but does not compare them
                    raise BadZipFile(f"wrong checksum of {damaged}")
            others = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        if strange := [name for name in others if not name.startswith(PASSED_OVER)]:
            raise _more_than_tensors(path, ", ".join(strange[:SHOWN]))
        with torch.serialization.safe_globals([(_stand_in(name), name) for name in others]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:  # damaged and foreign files fail in any way
        if wants_memory(error):
            raise
        if from_disk(error):
            raise WeightsError(f"{path} cannot be read ({error.strerror}); mend that and try again.") from error
        raise _more_than_tensors(path, type(error).__name__) from error


def _more_than_tensors(path: Path, what: str) -> WeightsError:
    return WeightsError(
        f"{path} is damaged, or holds more than tensors and plain values ({what}); nothing else is read from a "
        "stranger's file: save the state_dict alone."
    )


def _stand_in(name: str) -> type:
    return type(name.rpartition(".")[2], (_StandIn,), {})


class _StandIn:
    """Takes the place of an object of a class that is not known here, and forgets all that it is given."""

    def __new__(cls, *_: Any, **__: Any) -> "_StandIn":
        return object.__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass
