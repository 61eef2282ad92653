"""The packed format: prepared photographs in one memory-mapped file, with all that training needs to know.

A store is a folder:

    manifest.json   what it is, how it was made, statistics, size and SHA-256 of every other file
    images.bin      the photographs one after the other: uint8 (side, side, 3) each, or JPEG
    index.npy       one INDEX record a photograph
    paths.json      each photograph's path in its source
    mean.npy        the mean image
    report.json     every refused photograph with the reason, every treated one with its treatments

The same source and options give the same bytes: nothing in it tells the time, the machine or the package's
version.
"""

import hashlib
import io
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.data.jpeg import decode_jpeg
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.source import SPLITS, Category
from alexnet.data.statistics import InputStatistics
from alexnet.errors import DataError

FORMAT = "alexnet store"
VERSION = 1
ENCODINGS = ("raw", "jpeg")
IMAGES = "images.bin"
INDEX = np.dtype(
    [
        ("offset", "<i8"),  # in images.bin
        ("length", "<i4"),
        ("crc32", "<u4"),
        ("label", "<i4"),
        ("split", "u1"),  # indexes SPLITS
        ("width", "<i4"),  # of the original, 0 where there was none
        ("height", "<i4"),
    ]
)


class Images:
    """The photographs of an images.bin, memory-mapped, as `index` (INDEX records) finds them in it."""

    def __init__(self, file: Path, index: NDArray[np.void], encoding: str, side: int):
        self.file = file
        # asarray: a slice of np.memmap takes several times longer to make
        self.content: NDArray[np.uint8] = np.asarray(np.memmap(file, dtype=np.uint8, mode="r"))
        self.index = index
        self._raw = encoding == "raw"
        self._side = side
        self._compared = np.zeros(len(index), dtype=np.bool_)

    def read(self, position: int, *, check: bool | None = None) -> NDArray[np.uint8]:
        """The photograph, uint8 RGB (side, side, 3); see `Store.read`."""
        record = self.index[position]
        stored = self.content[record["offset"] : record["offset"] + record["length"]]
        # once: it would be a third of the work on a training batch
        if check or (check is None and not self._compared[position]):
            if zlib.crc32(stored.data) != record["crc32"]:
                raise DataError(
                    f"Photograph {position} in {self.file} is corrupted: its checksum is not the one of "
                    "preparation; delete the store and prepare it again."
                )
            self._compared[position] = True
        return stored.reshape(self._side, self._side, 3) if self._raw else decode_jpeg(stored.tobytes())

    def stored(self, position: int) -> bytes:
        """The photograph as it is stored, encoded or raw."""
        record = self.index[position]
        return self.content[record["offset"] : record["offset"] + record["length"]].tobytes()

    def part(self, positions: NDArray[np.int64]) -> "Images":
        """Those photographs alone, numbered anew."""
        return Images(self.file, self.index[positions], "raw" if self._raw else "jpeg", self._side)


class Store:
    """A prepared data set, read-only; made by `Store.open`. N photographs, positions 0 to N - 1.

    Threads may share one; pickled, it is opened again where it arrives.
    """

    path: Path
    manifest: dict[str, Any]
    fingerprint: str  # a digest of the manifest, thereby of all content
    classes: tuple[Category, ...]
    labels: NDArray[np.int64]  # (N,)
    statistics: InputStatistics  # of the "train" photographs, of all where there are none
    raw: NDArray[np.uint8] | None  # (N, side, side, 3), memory-mapped; None when the encoding is "jpeg"

    def __init__(self, path: Path, manifest: dict[str, Any], index: NDArray[np.void], mean: NDArray[np.float32]):
        self.path = path
        self.manifest = manifest
        self.fingerprint = manifest["fingerprint"]
        self.classes = tuple(Category(**entry) for entry in manifest["classes"])
        self.labels = index["label"].astype(np.int64)
        saved = manifest["statistics"]
        self.statistics = InputStatistics(
            mean,
            np.array(saved["covariance"]),
            np.array(saved["eigenvalues"]),
            np.array(saved["eigenvectors"]),
            saved["images"],
        )
        self._index = index
        side = self.preparation.side
        self._images = Images(path / IMAGES, index, self.encoding, side)
        self.raw = self._images.content.reshape(-1, side, side, 3) if self.encoding == "raw" else None

    @classmethod
    def open(cls, path: str | Path, *, verify: bool = False) -> "Store":
        """The store at `path`. Raises DataError when it is none, of another version, truncated or corrupted.

        The checksums of all files but images.bin are always compared; that of images.bin with `verify` only.
        """
        path = Path(path).absolute()
        manifest = _read_manifest(path)
        content = {}
        for name, entry in manifest["files"].items():
            _check_size(path / name, entry["bytes"])
            if name != IMAGES:
                content[name] = (path / name).read_bytes()
                _check_digest(path / name, hashlib.sha256(content[name]).hexdigest(), entry["sha256"])
            elif verify:
                with (path / name).open("rb") as file:
                    _check_digest(path / name, hashlib.file_digest(file, "sha256").hexdigest(), entry["sha256"])
        return cls(path, manifest, _load(content["index.npy"]), _load(content["mean.npy"]))

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}: {len(self)} photographs, {self.splits})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (str(self.path), self.fingerprint)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The readable names of the classes in label order."""
        return tuple(category.name for category in self.classes)

    @property
    def encoding(self) -> str:
        """How photographs are stored: "raw" or "jpeg"."""
        return str(self.manifest["encoding"])

    @property
    def preparation(self) -> Preparation:
        """How the photographs were resized; what it says of views is the default."""
        return Preparation.from_json({name: self.manifest[name] for name in DEFAULT.resizing if name in self.manifest})

    def check_side(self, preparation: Preparation, what: str) -> None:
        """Raises DataError when the photographs are of another side than `what`, prepared for otherwise, takes."""
        held, wanted = self.preparation, preparation
        if held.side == wanted.side:
            return
        others = [f"--{name} {value}" for name, value in wanted.resizing.items() if value != held.resizing[name]]
        raise DataError(
            f"The store {self.path} holds photographs of {held.side} × {held.side} pixels, but {what} takes "
            f"{wanted.side} × {wanted.side}; prepare the photographs with {' '.join(others)}."
        )

    @property
    def splits(self) -> dict[str, int]:
        """The number of photographs in each split that has any."""
        counts = np.bincount(self._index["split"], minlength=len(SPLITS)).tolist()
        return {name: count for name, count in zip(SPLITS, counts, strict=True) if count}

    @cached_property
    def paths(self) -> Sequence[str]:
        """Each photograph's path in its source, with forward slashes."""
        return tuple(json.loads((self.path / "paths.json").read_bytes()))

    @cached_property
    def report(self) -> dict[str, Any]:
        """What preparation has to say: "refused" and "treated" photographs, a list of {"path", …} each."""
        report: dict[str, Any] = json.loads((self.path / "report.json").read_bytes())
        return report

    def split(self, name: str) -> NDArray[np.int64]:
        """The ascending positions of the split's photographs; of all for "all". Raises DataError when it has none."""
        if name == "all":
            return np.arange(len(self))
        if name not in self.splits:
            found = ", ".join(f"{split!r} ({count})" for split, count in self.splits.items())
            raise DataError(f"The store {self.path} has no photographs in split {name!r}; it has {found}.")
        return np.flatnonzero(self._index["split"] == SPLITS.index(name))

    def split_of(self, position: int) -> str:
        """The name of the photograph's split."""
        return SPLITS[int(self._index["split"][position])]

    def size_of(self, position: int) -> tuple[int, int]:
        """The original's width and height in pixels, (0, 0) where there was no original."""
        record = self._index[position]
        return int(record["width"]), int(record["height"])

    def read(self, position: int, *, check: bool | None = None) -> NDArray[np.uint8]:
        """The photograph, uint8 RGB (side, side, 3); not writable when the encoding is "raw".

        Its checksum is compared when it is first read; with `check` always or never. Raises DataError when it is not
        the one of preparation.
        """
        return self._images.read(position, check=check)


def seal(
    folder: Path,
    *,
    images_sha256: str,
    index: NDArray[np.void],
    paths: Sequence[str],
    classes: Sequence[Category],
    statistics: InputStatistics,
    report: Mapping[str, Sequence[object]],
    origin: Mapping[str, object],
) -> None:
    """Complete a folder that holds images.bin into a store: the manifest last, all flushed to the disk.

    `origin` becomes part of the manifest and says how the store was made; it must have "encoding".
    """
    mean = io.BytesIO()
    np.save(mean, statistics.mean_image)
    records = io.BytesIO()
    np.save(records, index)
    contents = {
        "index.npy": records.getvalue(),
        "mean.npy": mean.getvalue(),
        "paths.json": as_json(list(paths)),
        "report.json": as_json(report),
    }
    files = {IMAGES: {"bytes": (folder / IMAGES).stat().st_size, "sha256": images_sha256}}
    for name, content in contents.items():
        _write(folder / name, content)
        files[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    counts = np.bincount(index["split"], minlength=len(SPLITS)).tolist()
    manifest = {
        **origin,
        "format": FORMAT,
        "version": VERSION,
        "side": statistics.mean_image.shape[0],
        "classes": [{"key": category.key, "name": category.name} for category in classes],
        "counts": {
            "images": len(index),
            **{kind: len(listed) for kind, listed in report.items()},
            "splits": dict(zip(SPLITS, counts, strict=True)),
        },
        "statistics": {
            "images": statistics.images,
            "covariance": statistics.covariance.tolist(),
            "eigenvalues": statistics.eigenvalues.tolist(),
            "eigenvectors": statistics.eigenvectors.tolist(),
        },
        "files": files,
    }
    manifest["fingerprint"] = _fingerprint(manifest)
    with (folder / IMAGES).open("rb+") as images:
        os.fsync(images.fileno())
    _write(folder / "manifest.json", as_json(manifest))
    flush_folder(folder)


def partial(path: Path) -> Path:
    """The folder in which preparation keeps the work on an unfinished store at `path`."""
    return path.with_name(f"{path.name}.partial")


def as_json(value: object) -> bytes:
    """The value as JSON that depends on the value alone: sorted keys, one item a line, a newline at the end.

    Paths that are not valid Unicode survive: lone surrogates are written as such, and `json.loads` reads
    them.
    """
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False)
    return f"{text}\n".encode("utf-8", "surrogatepass")


def flush_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _reopen(path: str, fingerprint: str) -> Store:
    store = Store.open(path)
    if store.fingerprint != fingerprint:
        raise DataError(f"The store {path} was replaced by another one while it was in use; start again.")
    return store


def _read_manifest(path: Path) -> dict[str, Any]:
    if not path.exists():
        unfinished = " (only an unfinished one: run the same command again)" if partial(path).exists() else ""
        raise DataError(f"There is no store at {path}{unfinished}; `alexnet prepare SOURCE {path}` makes one.")
    file = path / "manifest.json"
    if not file.is_file():
        raise DataError(
            f"{path} is not a store: it has no manifest.json; `alexnet prepare` makes one from photographs."
        )
    try:
        manifest = json.loads(file.read_bytes())
    except ValueError as error:
        raise DataError(f"{file} is corrupted ({error}); delete the store and prepare it again.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f'{path} is not a store: its manifest.json does not say "format": "{FORMAT}".')
    if manifest.get("version") != VERSION:
        raise DataError(
            f"The store {path} is of version {manifest.get('version')}, but this package reads version "
            f"{VERSION}; prepare the photographs again."
        )
    _check_digest(file, _fingerprint(manifest), manifest.get("fingerprint"))
    return manifest


def _fingerprint(manifest: Mapping[str, object]) -> str:
    content = {key: value for key, value in manifest.items() if key != "fingerprint"}
    return hashlib.sha256(as_json(content)).hexdigest()


def _check_size(file: Path, expected: int) -> None:
    if not file.is_file():
        raise DataError(f"The store {file.parent} lacks its {file.name}; delete the store and prepare it again.")
    found = file.stat().st_size
    if found != expected:
        raise DataError(
            f"{file} is {'truncated' if found < expected else 'too long'}: {found:,} bytes where the "
            f"manifest says {expected:,}; delete the store and prepare it again."
        )


def _check_digest(file: Path, found: str, expected: str | None) -> None:
    if found != expected:
        raise DataError(
            f"{file} is corrupted: its SHA-256 begins with {found[:12]}, but {str(expected)[:12]} was "
            "recorded when the store was made; delete the store and prepare it again."
        )


def _load(content: bytes) -> NDArray[Any]:
    array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return array


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
