"""A model directory: weights, and all else that a prediction needs.

model.safetensors   the network's parameters, fp32, under the names of its layers
input.safetensors   the mean image, covariance and principal components of the training photographs
model.json          format version, spec, classes, preparation, provenance, SHA-256 of the two files above and of itself
README.md           the model card
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.source import Category
from alexnet.data.statistics import InputStatistics
from alexnet.errors import AlexNetError, ConfigError, WeightsError, wants_memory
from alexnet.model.account import check_classes
from alexnet.model.net import AlexNet, check_weights, unfit
from alexnet.model.spec import Spec
from alexnet.reading import UnfitFileError, instead, read_file
from alexnet.schema import AtMost, Digest, SchemaError, check, decode
from alexnet.weights.card import model_card
from alexnet.weights.files import check_name, recover, replacing_folder, sha256, write_text
from alexnet.weights.statistics_tensors import from_tensors, to_tensors

FORMAT = 2
FORMER = 1  # the preparation in words: always the same ones, since there was no other yet
WEIGHTS, INPUT, DESCRIPTION, CARD = "model.safetensors", "input.safetensors", "model.json", "README.md"


MAX_JSON = 50_000_000  # bytes of a model.json; one of 20,000 classes has 2 million


class CategoryJson(TypedDict):
    """A class in a file."""

    key: Annotated[str, AtMost(1000)]
    name: Annotated[str, AtMost(1000)]


CategoriesJson = Annotated[list[CategoryJson], AtMost(2**20)]


class ModelJson(TypedDict):
    """A model.json; one written before there was a fingerprint has none."""

    format: int
    spec: dict[str, Any]
    classes: CategoriesJson
    preparation: dict[str, Any]
    provenance: dict[str, Any]
    sha256: dict[str, Digest]
    fingerprint: NotRequired[Digest]


@dataclass(frozen=True)
class Model:
    """A trained network with what its outputs mean and what its inputs must look like.

    `provenance` says where the weights came from: recipe, data, seed, versions, errors measured; plain JSON types.
    Raises ConfigError when the mean image is of another side than photographs are prepared to.
    """

    net: AlexNet
    categories: tuple[Category, ...]
    statistics: InputStatistics
    provenance: dict[str, Any] = field(default_factory=dict)
    preparation: Preparation = DEFAULT

    def __post_init__(self) -> None:
        self.statistics.check_side(self.preparation.side)


def check_categories(model: Model) -> None:
    """Raises WeightsError when `model` names more or fewer classes than its network has outputs."""
    if len(model.categories) != model.net.spec.classes:
        raise WeightsError(
            f"The model has {model.net.spec.classes} outputs but names {len(model.categories)} classes; give a name "
            "for each output."
        )


def no_model(thing: object, taken: str = "an alexnet.Model or the path of one") -> ConfigError:
    """The error for a `thing` that was given as a model, where a model is what is `taken`."""
    return ConfigError(
        f"A model is {taken}, not {type(thing).__name__}; of a network one is made by alexnet.Model(net, categories, "
        "statistics)."
    )


def check_whole(model: Model) -> None:
    """Raises WeightsError, or ConfigError, when `model` would not come back from a file: its parts do not fit."""
    if not isinstance(model, Model):
        raise no_model(model, "an alexnet.Model")
    spec = model.net.spec
    model.net.check_layers()
    check_classes(spec)
    check_categories(model)
    try:
        check([asdict(category) for category in model.categories], CategoriesJson, "classes")
    except SchemaError as error:
        raise WeightsError(f"The classes of the model cannot be written: {error}.") from error
    try:
        json.dumps(model.provenance, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise WeightsError(
            f"The provenance of the model cannot be written: {error}; make it of texts, finite numbers, lists and "
            "dictionaries."
        ) from error
    with torch.device("meta"):
        expected = AlexNet(spec)
    check_weights(expected, model.net.state_dict())


def save_model(model: Model, path: str | Path) -> None:
    """Writes `model` as a directory at `path`, whole or not at all; replaces a model directory that is there.

    Weights are saved and hooks are not: a network that has some is saved without them, as one that is watched must be.
    Raises AlexNetError when `path` is something else or cannot be written, and WeightsError as `check_whole` does.
    """
    check_whole(model)
    path = Path(path)
    recover(path)
    if path.exists() and not (path / DESCRIPTION).is_file():
        raise AlexNetError(f"{path} exists and is not a model directory; give another place for the model.")
    with replacing_folder(path) as folder:
        weights = {name: tensor.detach().float().contiguous().cpu() for name, tensor in model.net.state_dict().items()}
        _save_tensors(weights, folder / WEIGHTS)
        _save_tensors(to_tensors(model.statistics), folder / INPUT)
        description: dict[str, Any] = {
            "format": FORMAT,
            "spec": model.net.spec.to_json(),
            "classes": [asdict(category) for category in model.categories],
            "preparation": model.preparation.to_json(),
            "provenance": model.provenance,
            "sha256": {name: sha256(folder / name) for name in (WEIGHTS, INPUT)},
        }
        description["fingerprint"] = fingerprint(description)
        write_text(folder / DESCRIPTION, json.dumps(description, indent=1, ensure_ascii=False) + "\n")
        write_text(folder / CARD, model_card(description), "backslashreplace")


def _save_tensors(tensors: dict[str, torch.Tensor], file: Path) -> None:
    file.touch()
    mode = file.stat().st_mode  # as the umask has it; safetensors makes files that their owner alone can read
    try:
        save_file(tensors, file)
        file.chmod(mode)
    except SafetensorError as error:  # it wraps what the disk says
        raise OSError(str(error)) from error


def load_model(path: str | Path) -> Model:
    """The model in directory `path`, on the CPU in fp32, in evaluation mode.

    Raises WeightsError when it is missing, of another format, damaged (SHA-256), or when its tensors are not those of
    its spec.
    """
    path = Path(path)
    description = read_description(path)
    try:
        for name in (WEIGHTS, INPUT):
            _check_digest(path, name, description["sha256"].get(name, ""))
        spec = Spec.from_json(description["spec"])
        with torch.device("meta"):
            net = AlexNet(spec)
        _load_state(net, _tensors(path / WEIGHTS), path)
        model = Model(
            net.eval(),
            tuple(Category(**category) for category in description["classes"]),
            from_tensors(_tensors(path / INPUT)),
            description["provenance"],
            Preparation.from_json(description["preparation"]),
        )
    except (KeyError, TypeError, ValueError, SafetensorError, ConfigError) as error:
        raise WeightsError(f"The model {path} is not one that this version reads: {str(error).rstrip('.')}.") from error
    if len(model.categories) != spec.classes:
        raise WeightsError(f"The model {path} has {spec.classes} outputs but names {len(model.categories)} classes.")
    return model


def _tensors(file: Path) -> dict[str, torch.Tensor]:
    check_name(file)
    try:
        return load_file(file)
    except (OSError, RuntimeError) as error:  # the second is PyTorch's, of what the system says
        if wants_memory(error):
            raise
        raise WeightsError(f"{file} cannot be read ({error}); mend that and try again.") from error


def model_of_run(path: Path) -> Path:
    """The model of a run directory, the best so far if it is unfinished; else `path` itself."""
    if not (path / DESCRIPTION).is_file() and (path / "model" / DESCRIPTION).is_file():
        return path / "model"
    return path


def read_description(path: Path) -> dict[str, Any]:
    """The content of a model directory's model.json, brought to this format.

    Raises WeightsError when there is none, or one that is damaged, not as `ModelJson` says, or of an unknown format.
    """
    recover(path)
    if not path.exists():
        raise WeightsError(f"There is no model at {path}; give the directory that `alexnet train` wrote (RUN/model).")
    if not (path / DESCRIPTION).is_file():
        nested = path / "model" / DESCRIPTION
        hint = f"; did you mean {path / 'model'}?" if nested.is_file() else "."
        raise WeightsError(f"{path} is not a model directory{instead(path, DESCRIPTION)}{hint}")
    try:
        description: dict[str, Any] = decode(read_file(path / DESCRIPTION, MAX_JSON), dict[str, Any])
        if description.get("fingerprint", fingerprint(description)) != fingerprint(description):
            raise SchemaError("its content is not what its fingerprint says; copy it again")
        found = description.get("format")
        if found == FORMER:
            description = {**description, "format": FORMAT, "preparation": DEFAULT.to_json()}
        elif found != FORMAT:
            raise WeightsError(
                f"The model {path} is of format {str(found)[:20]}, this version reads formats {FORMER} and {FORMAT}."
            )
        check(description, ModelJson)
    except OSError as error:
        raise WeightsError(
            f"{path / DESCRIPTION} cannot be read ({error.strerror}); mend that and try again."
        ) from error
    except (SchemaError, UnfitFileError) as error:
        raise WeightsError(f"{path / DESCRIPTION} is damaged, or no model's: {error}.") from error
    return description


def fingerprint(description: Mapping[str, Any]) -> str:
    """The SHA-256 of all that a description says, but for the fingerprint in it."""
    content = {name: value for name, value in description.items() if name != "fingerprint"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("ascii")).hexdigest()


def _check_digest(path: Path, name: str, digest: str) -> None:
    if not (path / name).is_file():
        raise WeightsError(f"The model {path} lacks its file {name}; copy the whole directory again.")
    if sha256(path / name) != digest:
        raise WeightsError(f"{path / name} is damaged: its SHA-256 is not the one in {DESCRIPTION}; copy it again.")


def _load_state(net: AlexNet, state: dict[str, torch.Tensor], path: Path) -> None:
    if wrong := unfit(net, state):
        raise WeightsError(f"The weights of {path} are not those of {net.spec.name!r}: {wrong}.")
    net.load_state_dict(state, assign=True)
