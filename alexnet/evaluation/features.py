"""Features on disk: the outputs of stages for many photographs, one memory-mapped array a stage. N photographs.

A folder holds

    features.json    what it is: model, stages and shapes, preparation, numbers, N
    images.jsonl     row i of the arrays: the photograph's name, SHA-256, class where known, what was put right in it
    refused.jsonl    photographs that could not be used, with the reason; they have no row
    STAGE.npy        (N, C, H, W) or (N, units), or (N, C) where positions were averaged
    STAGE.norms.npy  (N,) float64: the Euclidean length of each row

Any program that reads .npy reads the arrays; `numpy.load(path, mmap_mode="r")` takes no memory for them.
"""

import hashlib
import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from alexnet.errors import DataError, unknown
from alexnet.reading import UnfitFileError, instead, naming, read_file
from alexnet.schema import AtMost, SchemaError, Within, check, decode
from alexnet.weights.model_dir import read_description

FORMAT = 1
DESCRIPTION, IMAGES, REFUSED = "features.json", "images.jsonl", "refused.jsonl"
HEADER = 256  # bytes of the header of an array, whatever its shape
MAX_JSON = 10_000_000  # bytes


class Stage(TypedDict):
    """What is said of a stage: the shape of a row, the dtype of its numbers, whether an activation follows."""

    shape: Annotated[list[Annotated[int, Within(1, 10**9)]], AtMost(3)]
    dtype: Literal["<f4", "<f2"]
    before_relu: bool


class FeaturesJson(TypedDict):
    """A features.json."""

    format: Literal[1]
    model: dict[str, str]
    stages: dict[str, Stage]
    crops: Literal[1, 10]
    pool: Literal["none", "mean"]
    dtype: str
    preparation: dict[str, Any]
    preparation_in_words: dict[str, str]
    data: dict[str, str]
    alexnet: str
    images: Annotated[int, Within(0, 10**12)]
    complete: bool


class ImageRow(TypedDict):
    """A line of images.jsonl."""

    row: int
    image: str
    sha256: str
    label: str | None
    treatments: list[str]


def stage_file(stage: str) -> str:
    """The name of a stage's array."""
    return f"{stage}.npy"


def norms_file(stage: str) -> str:
    """The name of the array of the lengths of a stage's rows."""
    return f"{stage}.norms.npy"


def npy_header(shape: Sequence[int], dtype: np.dtype[Any]) -> bytes:
    """The header of an .npy file of version 1.0, `HEADER` bytes long, so that N can be put right at the end."""
    sides = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
    text = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': ({sides}), }}"
    padded = text.ljust(HEADER - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded.encode("latin1")


def model_digest(path: Path) -> str:
    """A digest of all that decides a model's features: weights, mean, network, preparation.

    Raises WeightsError for what is no model directory.
    """
    description = read_description(path)
    facts = {name: description[name] for name in ("spec", "preparation", "sha256")}
    return "sha256:" + hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class _Rows(Sequence[dict[str, Any]]):
    """The lines of images.jsonl, all checked, of which nothing but their places stays in memory: eight bytes a row."""

    def __init__(self, path: Path, count: int) -> None:
        self._path, ends, end = path, array("q"), 0
        with naming(path), open(path, "rb") as file:
            for row, line in enumerate(file):
                if decode(line, ImageRow)["row"] != row:
                    break
                ends.append(end := end + len(line))
        if len(ends) != count or end != path.stat().st_size:
            raise SchemaError(f"it has not the rows 0 to {count - 1}")
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        place = range(len(self))[row]  # raises IndexError, and counts from the end
        with naming(self._path), open(self._path, "rb") as file:
            file.seek(self._ends[place - 1] if place else 0)
            return decode(file.readline(), ImageRow)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with naming(self._path), open(self._path, "rb") as file:
            for line in file:
                yield decode(line, ImageRow)


@dataclass(frozen=True)
class Features:
    """A finished folder of features, read-only; made by `Features.open`."""

    path: Path
    description: dict[str, Any]

    @classmethod
    def open(cls, path: str | Path) -> "Features":
        """The features in a folder. Raises DataError when there are none, or not all of them."""
        path = Path(path)
        file = path / DESCRIPTION
        if not file.is_file():
            began = path.with_name(f"{path.name}.partial").is_dir()
            hint = "; it was begun and not finished: run alexnet features again" if began else ""
            raise DataError(f"{path} is not a directory of features{instead(path, DESCRIPTION)}{hint}.")
        try:
            description: dict[str, Any] = decode(read_file(file, MAX_JSON), dict[str, Any])
            if description.get("format") == FORMAT:
                check(description, FeaturesJson)
        except OSError as error:
            raise _unread(file, error) from error
        except (SchemaError, UnfitFileError) as error:
            raise DataError(f"{file} is damaged ({error}); extract the features again.") from error
        if description.get("format") != FORMAT:
            raise DataError(f"{path} is of format {description.get('format')}, this version reads format {FORMAT}.")
        features = cls(path, description)
        for stage in features.stages:
            features.array(stage), features.norms(stage)
        return features

    def __len__(self) -> int:
        return int(self.description["images"])

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that there are."""
        return tuple(self.description["stages"])

    def stage(self, name: str | None = None) -> str:
        """The stage of that name; None is the only one, or relu7. Raises ConfigError, naming those there are."""
        if name is None:
            name = self.stages[0] if len(self.stages) == 1 else "relu7"
        if name not in self.stages:
            raise unknown(f"stage of the features in {self.path}", name, self.stages)
        return name

    def array(self, stage: str) -> NDArray[Any]:
        """A stage's numbers (N, …), memory-mapped."""
        facts = self.description["stages"][self.stage(stage)]
        return self._mapped(stage_file(stage), (len(self), *facts["shape"]), np.dtype(facts["dtype"]))

    def norms(self, stage: str) -> NDArray[np.float64]:
        """The Euclidean lengths (N,) of a stage's rows."""
        return self._mapped(norms_file(self.stage(stage)), (len(self),), np.dtype("<f8"))

    @cached_property
    def images(self) -> Sequence[dict[str, Any]]:
        """What is known of each row: "row", "image", "sha256", "label", "treatments"; read when it is asked for.

        Raises DataError, at first use, when the file is damaged.
        """
        try:
            return _Rows(self.path / IMAGES, len(self))
        except OSError as error:
            raise _unread(self.path / IMAGES, error) from error
        except SchemaError as error:
            raise DataError(f"{self.path / IMAGES} is damaged ({error}); extract the features again.") from error

    def _mapped(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """The numbers of an array, whose file has to be one of this shape. Raises DataError when it is not."""
        file = self.path / name
        whole = HEADER + prod(shape) * dtype.itemsize
        try:
            size = file.stat().st_size
            if size != whole or read_file(file, HEADER, 0, HEADER) != npy_header(shape, dtype):
                raise DataError(f"{file} is not an array {shape} of {dtype}; extract the features again.")
            # a map of no bytes is refused by the system
            return np.memmap(file, dtype, "r", HEADER, shape) if prod(shape) else np.empty(shape, dtype)
        except OSError as error:
            raise _unread(file, error) from error


def _unread(file: Path, error: OSError) -> DataError:
    return DataError(f"{file} cannot be read ({error.strerror or error}); mend that and try again.")
