"""What the files of a store may say: declared, and checked before anything is made of them.

Checksums tell what was damaged by chance; a stranger's store has the right ones, whatever it holds.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from alexnet.data.source import SPLITS
from alexnet.schema import AtMost, Digest, SchemaError, Within

MAX_JSON = 2_000_000_000
"""Bytes of a JSON file in a store; the paths of ImageNet take 40 million."""

_Count = Annotated[int, Within(0, 2**48)]
_Text = Annotated[str, AtMost(100_000)]
_Variance = Annotated[float, Within(0, 1e12)]
_Three = tuple[float, float, float]


class FileJson(TypedDict):
    """The size and the digest of a file."""

    bytes: _Count
    sha256: Digest


FilesJson = TypedDict(
    "FilesJson",
    {
        "images.bin": FileJson,
        "index.npy": FileJson,
        "mean.npy": FileJson,
        "paths.json": FileJson,
        "report.json": FileJson,
        "groups.npy": NotRequired[FileJson],
    },
)


class CategoryJson(TypedDict):
    """A class."""

    key: _Text
    name: _Text


class CountsJson(TypedDict):
    """How many photographs there are."""

    images: _Count
    refused: _Count
    treated: _Count
    splits: dict[str, _Count]


class StatisticsJson(TypedDict):
    """Statistics without the mean image, which has a file of its own."""

    images: _Count
    covariance: tuple[_Three, _Three, _Three]
    eigenvalues: tuple[
        Annotated[float, Within(0, 1e12)], Annotated[float, Within(0, 1e12)], Annotated[float, Within(0, 1e12)]
    ]
    eigenvectors: tuple[_Three, _Three, _Three]


class ManifestJson(TypedDict):
    """A manifest.json."""

    format: str
    version: int
    plan: Digest
    source: dict[str, _Text]
    encoding: Literal["raw", "jpeg"]
    encoding_rule: _Text
    quality: Annotated[int, Within(1, 100)] | None
    split: dict[str, Any]
    side: int
    resize: NotRequired[_Text]
    interpolation: NotRequired[_Text]
    classes: Annotated[list[CategoryJson], AtMost(2**20)]
    counts: CountsJson
    statistics: StatisticsJson
    files: FilesJson
    fingerprint: Digest


Paths = list[_Text]


class ReportJson(TypedDict):
    """A report.json."""

    refused: list[dict[str, _Text]]
    treated: list[dict[str, Any]]


def check_index(index: NDArray[Any], dtype: np.dtype[Any], manifest: Mapping[str, Any], stored_bytes: int) -> None:
    """Raises SchemaError unless the records are those of the photographs that the manifest counts."""
    if index.dtype != dtype or index.ndim != 1 or len(index) != manifest["counts"]["images"]:
        raise SchemaError(
            f"it holds {index.dtype} of shape {index.shape}, expected {manifest['counts']['images']} records"
        )
    ends = index["offset"] + index["length"]
    wrong = {
        "label": (index["label"] < 0) | (index["label"] >= len(manifest["classes"])),
        "split": index["split"] >= len(SPLITS),
        "place": (index["offset"] < 0) | (index["length"] < 1) | (ends > manifest["files"]["images.bin"]["bytes"]),
        "size": (index["width"] < 0) | (index["height"] < 0),
    }
    if manifest["encoding"] == "raw":
        wrong["place"] |= index["length"] != stored_bytes
    for name, rows in wrong.items():
        if rows.any():
            raise SchemaError(
                f"photograph {int(rows.argmax())} has a {name} that cannot be: {index[int(rows.argmax())]}"
            )


def check_groups(groups: NDArray[Any], images: int) -> None:
    """Raises SchemaError unless each photograph's group is named by a photograph."""
    if groups.dtype != np.int64 or groups.shape != (images,):
        raise SchemaError(f"it holds {groups.dtype} of shape {groups.shape}, expected int64 of shape ({images},)")
    if images and not 0 <= groups.min() <= groups.max() < images:
        raise SchemaError(f"it names groups from {groups.min()} to {groups.max()}, expected 0 to {images - 1}")


def check_mean(mean: NDArray[Any], side: int) -> None:
    """Raises SchemaError unless the mean image is one of photographs of `side` pixels."""
    if mean.dtype != np.float32 or mean.shape != (side, side, 3) or not np.isfinite(mean).all():
        raise SchemaError(f"it holds {mean.dtype} of shape {mean.shape}, expected finite float32 of {(side, side, 3)}")
