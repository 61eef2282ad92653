"""The packed format: prepared photographs in one memory-mapped file, with all that training needs to know.

A store is a folder:

    manifest.json   what it is, how it was made, statistics, size and SHA-256 of every other file
    images.bin      the photographs one after the other: uint8 (side, side, 3) each, or JPEG
    index.npy       one INDEX record a photograph
    paths.json      each photograph's path in its source
    mean.npy        the mean image
    groups.npy      if preparation kept photographs of one subject together: the first of each one's group, int64 (N,)
    report.json     every refused photograph with the reason, every treated one with its treatments

The same source and options give the same bytes: nothing in it tells the time, the machine or the package's
version.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.data.manifest import MAX_JSON, ManifestJson, Paths, ReportJson, check_groups, check_index, check_mean
from alexnet.data.packed import IMAGES, INDEX, Images
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.source import SPLITS, Category
from alexnet.data.statistics import InputStatistics
from alexnet.data.together import identical, same, united
from alexnet.errors import ConfigError, DataError
from alexnet.reading import UnfitFileError, instead, read_file
from alexnet.schema import SchemaError, check, decode

FORMAT = "alexnet store"
VERSION = 1
ENCODINGS = ("raw", "jpeg")
GROUPS = "groups.npy"


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
    groups: NDArray[np.int64] | None  # (N,) the first of each one's group, where preparation kept some together

    def __init__(
        self,
        path: Path,
        manifest: dict[str, Any],
        index: NDArray[np.void],
        mean: NDArray[np.float32],
        groups: NDArray[np.int64] | None = None,
    ):
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
        self.groups = groups
        side = self.preparation.side
        self._images = Images(path / IMAGES, index, self.encoding, side)

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
                content[name] = _read(path / name)
                _check_digest(path / name, hashlib.sha256(content[name]).hexdigest(), entry["sha256"])
            elif verify:
                with (path / name).open("rb") as file:
                    _check_digest(path / name, hashlib.file_digest(file, "sha256").hexdigest(), entry["sha256"])
        index, mean = _load(path / "index.npy", content), _load(path / "mean.npy", content)
        held = preparation_of(manifest)
        with _forged(path / "index.npy"):
            check_index(index, INDEX, manifest, held.stored_bytes)
        with _forged(path / "mean.npy"):
            check_mean(mean, held.side)
        groups = _load(path / GROUPS, content) if GROUPS in content else None
        if groups is not None:
            with _forged(path / GROUPS):
                check_groups(groups, len(index))
        return cls(path, manifest, index, mean, groups)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}: {len(self)} photographs, {self.splits})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (str(self.path), self.fingerprint)

    @cached_property
    def raw(self) -> NDArray[np.uint8] | None:
        """All photographs, memory-mapped: uint8 (N, side, side, 3); None when the encoding is "jpeg".

        A mapped file that becomes shorter ends the process; `read` raises DataError.
        """
        if self.encoding != "raw":
            return None
        side = self.preparation.side
        return np.asarray(np.memmap(self.path / IMAGES, dtype=np.uint8, mode="r")).reshape(-1, side, side, 3)

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
        return preparation_of(self.manifest)

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
        with _forged(self.path / "paths.json"):
            paths = decode(_read(self.path / "paths.json"), Paths)
            if len(paths) != len(self):
                raise SchemaError(f"it names {len(paths):,} photographs, expected {len(self):,}")
        return tuple(paths)

    @cached_property
    def report(self) -> dict[str, Any]:
        """What preparation has to say: "refused" and "treated" photographs, a list of {"path", …} each."""
        with _forged(self.path / "report.json"):
            report: dict[str, Any] = decode(_read(self.path / "report.json"), ReportJson)
        return report

    def split(self, name: str) -> NDArray[np.int64]:
        """The ascending positions of the split's photographs; of all for "all". Raises DataError when it has none."""
        if name == "all":
            return np.arange(len(self))
        if name not in self.splits:
            found = ", ".join(f"{split!r} ({count})" for split, count in self.splits.items())
            raise DataError(f"The store {self.path} has no photographs in split {name!r}; it has {found}.")
        return np.flatnonzero(self._index["split"] == SPLITS.index(name))

    def parties(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The group of each photograph (N,), the same number for those that no split may part.

        Those are photographs whose pixels are the same as stored, and those that preparation kept together.
        """
        part = self._images.part(positions)
        kept = () if self.groups is None else same(self.groups[positions].tolist())
        return united(len(positions), (*identical(part.index["crc32"], part.stored), *kept))

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
    groups: NDArray[np.int64] | None = None,
) -> None:
    """Complete a folder that holds images.bin into a store: the manifest last, all flushed to the disk.

    `origin` becomes part of the manifest and says how the store was made; it must have "encoding".
    """
    contents = {
        "index.npy": _saved(index),
        "mean.npy": _saved(statistics.mean_image),
        "paths.json": as_json(list(paths)),
        "report.json": as_json(report),
        **({} if groups is None else {GROUPS: _saved(groups)}),
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
        kind = instead(path, file.name)
        raise DataError(f"{path} is not a store{kind}; `alexnet prepare` makes one from photographs.")
    try:
        manifest = decode(_read(file))
    except SchemaError as error:
        raise DataError(f"{file} is corrupted ({error}); delete the store and prepare it again.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f'{path} is not a store: its manifest.json does not say "format": "{FORMAT}".')
    if manifest.get("version") != VERSION:
        raise DataError(
            f"The store {path} is of version {str(manifest.get('version'))[:20]}, but this package reads version "
            f"{VERSION}; prepare the photographs again."
        )
    _check_digest(file, _fingerprint(manifest), manifest.get("fingerprint"))
    with _forged(file):
        check(manifest, ManifestJson)
        preparation_of(manifest)
    found: dict[str, Any] = manifest
    return found


def preparation_of(manifest: Mapping[str, Any]) -> Preparation:
    """How the photographs of a store with this manifest were resized; what it says of views is the default."""
    return Preparation.from_json({name: manifest[name] for name in DEFAULT.resizing if name in manifest})


@contextmanager
def _forged(file: Path) -> Iterator[None]:
    """Says of a file whose checksum is right that it holds what no store does."""
    try:
        yield
    except (SchemaError, ConfigError) as error:
        raise DataError(f"{file} is no store's: {str(error).rstrip('.')}.") from error


def _read(file: Path) -> bytes:
    try:
        return read_file(file, MAX_JSON)
    except UnfitFileError as error:
        raise DataError(f"{file} is no store's: {error}.") from error
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror or error}); mend that and try again.") from error


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


def _load(file: Path, content: Mapping[str, bytes]) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(io.BytesIO(content[file.name]), allow_pickle=False)
    except Exception as error:  # a stranger's file fails in any way
        raise DataError(f"{file} is no store's: {error}.") from error
    return array


def _saved(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
