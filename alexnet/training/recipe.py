"""How a network is trained, as frozen data: one field a decision, each with the line of text that the help prints."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Self, get_args, get_type_hints

from alexnet.errors import ConfigError, unknown
from alexnet.model.options import OPTIONS
from alexnet.reading import UnfitFileError, read_file
from alexnet.schema import SchemaError, decode, names_folder

MOST = 10**9
MAX_JSON = 1_000_000  # bytes of a recipe file
SCHEDULES = ("plateau", "steps", "cosine", "constant")


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


def _option(name: str) -> Any:
    return _setting(None, f"{OPTIONS[name].text}; none: as the network has it")


@dataclass(frozen=True)
class LayerRate:
    """From `epoch` on, the weights of `layer` learn at `lr`; at 0 weights and biases are frozen and do not decay."""

    layer: str
    epoch: int
    lr: float


@dataclass(frozen=True)
class Recipe:
    """All that decides a training run besides data and machine. The defaults are the paper's (section 5)."""

    name: str = _setting("paper", "where the settings started from")
    epochs: int = _setting(90, "passes over the training photographs")
    batch_size: int = _setting(128, "photographs a step")
    accumulate: int = _setting(1, "parts a batch is worked through in, to save memory")
    seed: int = _setting(0, "of weights, order, crops, mirrors, colour noise and dropout")

    lr: float = _setting(0.01, "learning rate at the start")
    momentum: float = _setting(0.9, "share of the last change that goes on")
    weight_decay: float = _setting(5e-4, "share of a weight lost a step, times the learning rate")
    bias_rate: float = _setting(1.0, "learning rate of the biases, as a multiple of that of the weights")
    bias_falls: bool = _setting(True, "whether the biases' rate falls with that of the weights")
    last_rate: float = _setting(1.0, "learning rate of the last layer, as a multiple of that of the others")
    bias_decay: bool = _setting(True, "whether biases decay as weights do")
    warmup: float = _setting(0.0, "epochs over which the rate first rises to lr, in a straight line")

    schedule: str = _setting("plateau", "when the rate falls: plateau, steps, cosine or constant")
    lr_factor: float = _setting(0.1, "what a fall multiplies the rate by")
    lr_steps: tuple[int, ...] = _setting((), "epochs at whose start the rate falls (steps)")
    patience: int = _setting(5, "epochs without a better validation error before the rate falls (plateau)")
    max_falls: int = _setting(3, "falls at most (plateau)")
    early_stop: int | None = _setting(None, "epochs without a better validation error that end the run; none: never")
    layer_rates: tuple[LayerRate, ...] = _setting((), "layer:epoch:lr, a layer's own rate from an epoch on")

    random_crop: bool = _setting(True, "whether training crops lie anywhere, not in the centre")
    crop_area: float = _setting(1.0, "least share of a photograph in a random crop, resized; 1: crops of fixed size")
    crop_aspect: float = _setting(1.0, "how far a random crop may be from square before it is resized to one")
    mirror: bool = _setting(True, "whether half of the training crops are mirrored")
    colour_noise: float = _setting(0.1, "noise along the principal components of RGB, in standard deviations")
    colour_noise_epochs: int | None = _setting(None, "epochs with colour noise; none: all")
    noise_divisor: float = _setting(1.0, "what noisy images are divided by")
    crop_group: int = _setting(1, "consecutive photographs that share one crop and mirror decision")
    reshuffle: bool = _setting(True, "whether every epoch has an order of its own")

    mixup: float = _setting(0.0, "photographs blended in pairs, by shares from Beta(mixup, mixup); 0: not blended")
    label_smoothing: float = _setting(0.0, "share of the target spread over all classes")
    class_weights: float = _setting(0.0, "power of a class's rareness that its loss counts by; 1: classes count alike")
    holdout: float = _setting(0.1, "share of train kept for validation where the store has no val split")

    model: str = _setting("paper", "the network, where nothing else names one (alexnet models)")
    half: bool | None = _option("half")
    without: str | None = _option("without")
    activation: str | None = _option("activation")
    norm: bool | None = _option("norm")
    pooling: str | None = _option("pooling")
    pool_kind: str | None = _option("pool_kind")
    groups: int | None = _option("groups")
    batch_norm: bool | None = _option("batch_norm")
    pixels: str | None = _option("pixels")
    start: str | None = _option("start")
    relu_first: bool | None = _option("relu_first")
    spatial: bool | None = _option("spatial")
    biases: str | None = _option("biases")
    dropout: float | None = _option("dropout")

    def __post_init__(self) -> None:
        """Refuses what cannot work, naming the value; NumPy's scalars, whole numbers and lists become what is meant."""
        for name, kind in _kinds().items():
            object.__setattr__(self, name, _checked(name, getattr(self, name), kind))
        if len(self.name) > 100 or not names_folder(self.name):
            raise ConfigError(
                f"The name of a recipe becomes part of a folder's: {self.name[:40]!r} cannot be; give 1 to 100 "
                "printable characters without slashes, not . or .. alone."
            )
        for name, low in (("epochs", 1), ("batch_size", 1), ("accumulate", 1), ("crop_group", 1), ("patience", 1)):
            self._require(name, getattr(self, name) >= low, f"at least {low}")
        for name in ("epochs", "batch_size", "accumulate", "crop_group", "patience", "max_falls"):
            self._require(name, getattr(self, name) <= MOST, f"at most {MOST:,}")
        self._require("seed", self.seed < 2**63, "below 2^63")
        for name in ("lr_steps", "layer_rates"):
            self._require(name, len(getattr(self, name)) <= 1000, "at most 1,000 long")
        for name in ("lr", "lr_factor", "noise_divisor", "bias_rate", "last_rate"):
            self._require(name, getattr(self, name) > 0, "above 0")
        for name in ("seed", "weight_decay", "colour_noise", "warmup", "max_falls", "mixup", "class_weights"):
            self._require(name, getattr(self, name) >= 0, "at least 0")
        for name in ("momentum", "holdout", "label_smoothing"):
            self._require(name, 0 <= getattr(self, name) < 1, "from 0 to below 1")
        for each in fields(self):
            value = getattr(self, each.name)
            self._require(each.name, not isinstance(value, float) or math.isfinite(value), "finite")
        self._require("lr_steps", all(step >= 0 for step in self.lr_steps), "of epochs from 0 on")
        learnable = all(rate.epoch >= 0 and 0 <= rate.lr < math.inf for rate in self.layer_rates)
        self._require("layer_rates", learnable, "of epochs and rates from 0 on")
        self._require("crop_area", 0 < self.crop_area <= 1, "above 0 and at most 1")
        self._require("crop_aspect", self.crop_aspect >= 1, "at least 1")
        self._require("early_stop", self.early_stop is None or self.early_stop >= 1, "at least 1")
        noisy = self.colour_noise_epochs
        self._require("colour_noise_epochs", noisy is None or noisy >= 0, "at least 0")
        self._require("dropout", self.dropout is None or 0 <= self.dropout < 1, "from 0 to below 1")
        self._require("accumulate", self.accumulate <= self.batch_size, f"at most the batch size (={self.batch_size})")
        if self.schedule not in SCHEDULES:
            raise unknown("schedule", self.schedule, SCHEDULES)

    def _require(self, name: str, holds: bool, what: str) -> None:
        if not holds:
            raise ConfigError(f"The setting {name} (={getattr(self, name)}) of recipe {self.name!r} must be {what}.")

    @property
    def network_options(self) -> dict[str, Any]:
        """What the recipe changes in the network, as `alexnet.model.options.with_options` takes it."""
        return {name: getattr(self, name) for name in OPTIONS if hasattr(self, name)}

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain JSON types; `from_json` gives it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """The recipe that `to_json` wrote. Raises ConfigError for unknown keys and values of the wrong type."""
        if not isinstance(plain, Mapping):
            raise ConfigError(f"A recipe is an object of settings, not {str(plain)[:40]!r}.")
        return cls().updated({key: _text(value) for key, value in plain.items()})

    def updated(self, settings: Mapping[str, str]) -> Self:
        """This recipe with settings given as text, as in `--set lr=0.003 --set lr_steps=30,60`.

        Raises ConfigError for an unknown key (naming the nearest) or a value that is not of the field's type.
        """
        hints = _kinds()
        for key in settings:
            if key not in hints:
                raise unknown("setting", key, hints)
        return replace(self, **{key: parse_setting(key, text, hints[key]) for key, text in settings.items()})


@cache
def _kinds() -> dict[str, Any]:
    """The type of every setting."""
    hints = get_type_hints(Recipe)
    return {each.name: hints[each.name] for each in fields(Recipe)}


def parse_assignments(assignments: Iterable[str]) -> dict[str, str]:
    """`["lr=0.1"]` → `{"lr": "0.1"}`. Raises ConfigError for text without an equals sign."""
    pairs = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise ConfigError(f"A setting is written key=value, not {assignment!r}.")
        pairs[key.strip()] = value.strip()
    return pairs


def _text(value: Any) -> str:
    """The text that `parse_setting` reads back as `value`."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case LayerRate():
            return f"{value.layer}:{value.epoch}:{value.lr}"
        case {"layer": layer, "epoch": epoch, "lr": lr}:
            return f"{layer}:{epoch}:{lr}"
        case list() | tuple():
            return ",".join(map(_text, value))
        case _:
            return str(value)


WANTED: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
    str | None: "a word or none",
    bool | None: "true, false or none",
    int | None: "a whole number or none",
    float | None: "a number or none",
    tuple[int, ...]: "epochs like 30,60",
    tuple[LayerRate, ...]: "layer:epoch:lr like conv1:0:0",
}


def parse_setting(key: str, text: str, kind: Any) -> Any:
    """The value of type `kind` that `text` stands for. Raises ConfigError, naming the setting `key`, for other text."""
    try:
        return _value(text, kind)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"The setting {key} takes {WANTED[kind]}, not {text!r}.") from error


def _checked(key: str, value: Any, kind: Any) -> Any:
    """`value` as one of type `kind`. Raises ConfigError, naming the setting `key`, for one of another type."""
    try:
        return _typed(value, kind)
    except (TypeError, OverflowError) as error:
        raise ConfigError(f"The setting {key} takes {WANTED[kind]}, not {value!r}.") from error


def _typed(value: Any, kind: Any) -> Any:
    if getattr(value, "ndim", None) == 0:  # of NumPy or PyTorch
        value = value.item()
    if kind is LayerRate and isinstance(value, LayerRate):
        return LayerRate(_typed(value.layer, str), _typed(value.epoch, int), _typed(value.lr, float))
    if kind is float and type(value) is int:
        return float(value)
    if kind in (bool, int, float, str, LayerRate):
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise TypeError
        return value
    inner, other = get_args(kind)
    if other is type(None):
        return None if value is None else _typed(value, inner)
    if not isinstance(value, list | tuple):
        raise TypeError
    return tuple(_typed(item, inner) for item in value)


def _value(text: str, kind: Any) -> Any:
    if kind is bool:
        return {"true": True, "false": False}[text.lower()]
    if kind in (int, float, str):
        return kind(text)
    if kind is LayerRate:
        layer, epoch, lr = text.split(":")
        return LayerRate(layer, int(epoch), float(lr))
    inner, other = get_args(kind)
    if other is type(None):
        return None if text.lower() == "none" else _value(text, inner)
    return tuple(_value(item, inner) for item in text.split(",") if item)


def read_recipe(content: str | bytes) -> Recipe:
    """The recipe in JSON, as a run directory holds it. Raises ConfigError for anything else."""
    try:
        plain = decode(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    except SchemaError as error:
        raise ConfigError(f"A recipe file holds JSON, but this one does not parse: {error}.") from error
    if not isinstance(plain, dict):
        raise ConfigError(f"A recipe file holds a JSON object of settings, not {str(plain)[:40]!r}.")
    return Recipe.from_json(plain)


def load_recipe(path: Path) -> Recipe:
    """The recipe in a file. Raises ConfigError when it holds none, OSError when it cannot be read."""
    try:
        return read_recipe(read_file(path, MAX_JSON))
    except UnfitFileError as error:
        raise ConfigError(f"{path} is no recipe file: {error}.") from error


def settings_table(recipe: Recipe = Recipe()) -> list[tuple[str, str, str]]:
    """Name, value in `recipe` as --set takes it, and meaning of every setting, in order."""
    return [(each.name, _text(getattr(recipe, each.name)), each.metadata["help"]) for each in fields(recipe)]
