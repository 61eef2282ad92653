"""A record of each run: what it was, where it ran, what came out. One JSON file, written whole, never changed.

results/experiments/lrn/norm=false-0.json      an arm's run with seed 0
results/experiments/base/imagenet20-64-0.json  a bench's base: shared by all experiments on it
results/experiments/relu/ARM-rate0.004-100.json  a run that was only to find the arm's rate
results/experiments/specialise/base-0.json     a look at the network of a run: errors are those of its record
"""

import base64
import hashlib
import json
import lzma
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from alexnet.data.store import Store
from alexnet.errors import DataError
from alexnet.experiments.design import BASE, LOOK_SECONDS, TOGETHER, Experiment
from alexnet.model.options import with_options
from alexnet.model.spec import Spec
from alexnet.reading import UnfitFileError, read_file
from alexnet.schema import AtMost, Digest, SchemaError, Within, decode
from alexnet.training.plan import training_plan
from alexnet.training.recipe import Recipe
from alexnet.version import VERSION
from alexnet.weights.files import write_text

MAX_JSON = 1_000_000  # bytes of a record
MOST_DIGITS = 200_000
FEW, PACKED = 100, "b85:"  # fewer digits than that are written as they are
LZMA = [{"id": lzma.FILTER_LZMA2, "preset": 9, "lc": 0, "lp": 0, "pb": 0}]
NINTH = 9  # a rank of 9 or more is written as 9

Text = Annotated[str, AtMost(1000)]
Digits = Annotated[str, AtMost(MOST_DIGITS)]
Ending = Literal["finished", "level", "cap", "diverged"]
Share = Annotated[float, Within(0, 1)]


class ErrorsJson(TypedDict):
    """Errors on a split of the store."""

    images: int
    top1_error: Share
    top5_error: Share
    loss: float


class IdentityJson(TypedDict):
    """What makes two runs the same: digests of network, recipe and data, when it stops, numbers, code."""

    spec: Digest
    recipe: Digest
    data: Digest
    stop: Text
    dtype: Text
    code: Text


class RecordJson(TypedDict):
    """A record of a run."""

    format: Literal[1]
    experiment: Text
    arm: Text
    seed: int
    search: bool
    quick: bool
    network: Text
    classes: Annotated[int, Within(1, 1_000_000)]
    recipe: dict[str, Any]
    identity: IdentityJson
    fingerprint: Digest
    ended: Ending
    epochs: float  # gone by at the end
    windows: list[tuple[float, float]]  # epochs gone by at the end of a window of training, error in it
    train: ErrorsJson | None
    test: ErrorsJson | None
    ranks: Digits  # a digit for each test photograph, in the store's order: see `digits`
    ten_crop: NotRequired[ErrorsJson | None]  # as `test`, by ten crops
    ten_crop_ranks: NotRequired[Digits]
    model: NotRequired[Text]  # the digest of the network that came out
    numbers: NotRequired[dict[str, list[float]]]  # what a look at the network found, by name
    counts: NotRequired[dict[str, Digits]]  # the same, a digit of base 36 for each photograph
    seconds: float
    cpu_seconds: float
    pieces: int  # in which it was run
    environment: dict[str, Any]
    commit: Text | None


@dataclass(frozen=True)
class Task:
    """One run that an experiment asks for: an arm with a seed, at a rate of its own or the bench's."""

    experiment: Experiment
    arm: str
    seed: int
    rate: float | None = None
    search: bool = False

    @property
    def is_base(self) -> bool:
        """Whether its record serves other experiments too."""
        return self.arm == BASE and not self.experiment.of

    @property
    def needs(self) -> tuple["Task", ...]:
        """The runs whose networks it looks at, its own the last: ensembles are of its network and those before it."""
        row = self.experiment
        before = [seed for seed in row.seeds if seed < self.seed] if row.outcome == TOGETHER else []
        return tuple(Task(row.trained, self.arm, seed) for seed in [*before, self.seed]) if row.of else ()

    @property
    def about(self) -> float:
        """About how many seconds it takes: see `Experiment.seconds`."""
        return LOOK_SECONDS[self.experiment.outcome] if self.experiment.of else self.experiment.seconds(self.epochs)

    @property
    def file(self) -> str:
        """The record's place below the folder of records."""
        if self.is_base:
            return f"{BASE}/{self.experiment.bench.name}-{self.seed}.json"
        rate = f"-rate{self.rate:g}" if self.search else ""
        return f"{self.experiment.name}/{self.arm}{rate}-{self.seed}.json"

    @property
    def name(self) -> str:
        """As it is told: experiment, arm, rate where it is searched, seed."""
        rate = f", rate {self.rate:g}" if self.rate is not None else ""
        return f"{self.experiment.name}: {self.arm}{rate}, seed {self.seed}"

    @property
    def recipe(self) -> Recipe:
        """All settings of the run."""
        return self.experiment.recipe(self.experiment.arm(self.arm), self.seed, self.rate)

    def network(self, classes: int) -> Spec:
        """The network, before the recipe's options are applied."""
        return self.experiment.network(self.experiment.arm(self.arm), classes)

    @property
    def epochs(self) -> float | None:
        """After how many epochs it is stopped before its recipe's end; None: never."""
        row = self.experiment
        if self.search:
            return row.search.epochs if row.search else None
        return row.stop.epochs if row.stop else None

    @property
    def level(self) -> float | None:
        """The training error at which it is stopped."""
        return None if self.search or self.experiment.stop is None else self.experiment.stop.level


def digest(plain: Any) -> str:
    """The SHA-256 of plain JSON types, in hexadecimal."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def recipe_digest(recipe: Recipe) -> str:
    """The digest of a recipe's settings that are not the defaults: a setting that comes later changes no old digest."""
    defaults = Recipe().to_json()
    return digest({name: value for name, value in recipe.to_json().items() if value != defaults[name]})


def spec_digest(task: Task, classes: int) -> str:
    """The digest of a run's network as it is trained; of what it computes, not of how it is described."""
    spec = with_options(task.network(classes), **task.recipe.network_options)
    return digest({**spec.to_json(), "summary": "", "source": ""})


def identity(task: Task, store: Store, dtype: str) -> IdentityJson:
    """What a record of `task` on the store must say. Raises ConfigError where arm, bench and store do not fit."""
    training_plan(task.network(len(store.classes)), task.recipe, store)  # raises for what does not fit
    return {
        "spec": spec_digest(task, len(store.classes)),
        "recipe": recipe_digest(task.recipe),
        "data": store.fingerprint,
        "stop": json.dumps(_stop(task)),
        "dtype": dtype,
        "code": f"alexnet {VERSION}",
    }


def _stop(task: Task) -> dict[str, Any]:
    """When a run stops; of a look, what it looks for."""
    row = task.experiment
    if row.of:
        return {"look": row.outcome, "networks": sorted({pair.networks for pair in row.pairs})}
    return {"level": task.level, "epochs": task.epochs}


def read_record(path: Path) -> RecordJson | None:
    """The record at `path`; None where there is none. Raises DataError for anything else there."""
    try:
        found: RecordJson = decode(read_file(path, MAX_JSON), RecordJson)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; mend that and try again.") from error
    except (SchemaError, UnfitFileError) as error:
        raise DataError(f"{path} is no record of a run: {error}; take it away, and the run is made again.") from error
    if found["fingerprint"] != digest(found["identity"]):
        raise DataError(f"{path} was changed: its fingerprint is not that of what it says it is of; take it away.")
    found["recipe"] = {**Recipe().to_json(), **found["recipe"]}
    try:
        found["ranks"] = _unpacked(found["ranks"])
        found["ten_crop_ranks"] = _unpacked(found.get("ten_crop_ranks", ""))
        found["counts"] = {name: _unpacked(each) for name, each in found.get("counts", {}).items()}
    except (ValueError, lzma.LZMAError) as error:
        raise DataError(f"{path} was changed: its digits cannot be unpacked ({error}); take it away.") from error
    return found


def write_record(path: Path, record: RecordJson) -> None:
    """Writes a record, whole or not at all: long digits packed, of the recipe what is not usual."""
    path.parent.mkdir(parents=True, exist_ok=True)
    usual = Recipe().to_json()
    written: dict[str, Any] = dict(record)
    written["recipe"] = {name: value for name, value in record["recipe"].items() if usual.get(name) != value}
    for name in ("ranks", "ten_crop_ranks"):
        if name in written:
            written[name] = _packed(written[name])
    if counts := record.get("counts"):
        written["counts"] = {name: _packed(each) for name, each in counts.items()}
    lines = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in written.items()]
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def _packed(text: str) -> str:
    """Digits as a record keeps them: many in LZMA (digit by digit, not by groups of bytes), in base 85."""
    if len(text) < FEW:
        return text
    packed = lzma.compress(text.encode("ascii"), format=lzma.FORMAT_RAW, filters=LZMA)
    return PACKED + base64.b85encode(packed).decode("ascii")


def _unpacked(text: str) -> str:
    """The digits that a record keeps. Raises ValueError or LZMAError for others."""
    if not text.startswith(PACKED):
        return text
    unpack = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=LZMA)
    found = unpack.decompress(base64.b85decode(text[len(PACKED) :]), MOST_DIGITS)
    if not unpack.eof:
        raise ValueError(f"there are more than {MOST_DIGITS:,}, or the end is missing")
    return found.decode("ascii")


def check_same(path: Path, record: Mapping[str, Any], wanted: IdentityJson, recipe: Recipe) -> None:
    """Raises DataError when the record is of another run than the one wanted, with both values of what differs."""
    found = record["identity"]
    differences = []
    for key, value in wanted.items():
        if found[key] == value:
            continue
        if key == "recipe":
            mine, other = recipe.to_json(), Recipe.from_json(record["recipe"]).to_json()
            differences += [f"{name} {other[name]!r}, not {mine[name]!r}" for name in mine if mine[name] != other[name]]
        else:
            short = 12 if len(str(value)) == 64 else 200
            differences.append(f"{key} {str(found[key])[:short]!r}, not {str(value)[:short]!r}")
    if differences:
        raise DataError(
            f"{path} is a record of another run than this one would be: it has {'; '.join(differences)}. "
            "Give another --out, or take that record away."
        )


def digits(ranks: Iterable[int]) -> str:
    """Ranks of the true class, from 0, as text: a digit for each photograph, 9 for the tenth place or a later one."""
    return "".join(str(min(rank, NINTH)) for rank in ranks)


def as_json(errors: Any) -> ErrorsJson:
    """The part of a tally that a record keeps."""
    return {
        "images": errors.images,
        "top1_error": errors.top1_error,
        "top5_error": errors.top5_error,
        "loss": errors.loss,
    }
