"""Weights that others have published: where they are, and a folder that keeps them, each checked by its SHA-256."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from alexnet.data.download import Archive, fetch
from alexnet.errors import ConfigError, WeightsError, unknown
from alexnet.home import make
from alexnet.weights.files import copy, sha256
from alexnet.weights.formats import SUFFIXES


@dataclass(frozen=True)
class Known:
    """Published weights: the file of `size` bytes, the variant they are of, and the format to import it as."""

    archive: Archive
    size: int
    variant: str
    format: str
    terms: str


# torchvision's name holds the first digits of its SHA-256, and several independent projects pin all of them. Caffe's
# authors give SHA-1; OpenVINO's open_model_zoo pins these. The last is that of the file's pointer in onnx/models.
KNOWN: Final = {
    "torchvision": Known(
        Archive(
            "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
            "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        ),
        244_408_911,
        "owt",
        "torchvision",
        "BSD-3-Clause; terms of ImageNet may apply",
    ),
    "caffe-alexnet": Known(
        Archive(
            "http://dl.caffe.berkeleyvision.org/bvlc_alexnet.caffemodel",
            "4bff209a9837298157915ef50a4831a59636a6ca1a6b8ebacd990c3a5f3053e0",
        ),
        243_862_414,
        "bvlc_alexnet",
        "caffe",
        "unrestricted",
    ),
    "caffenet": Known(
        Archive(
            "http://dl.caffe.berkeleyvision.org/bvlc_reference_caffenet.caffemodel",
            "472d4a06035497b180636d8a82667129960371375bd10fcb6df5c6c7631f25e0",
        ),
        243_862_418,
        "caffenet",
        "caffe",
        "unrestricted",
    ),
    "onnx-alexnet": Known(
        Archive(
            "https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main/validated/vision/classification/alexnet/"
            "model/bvlcalexnet-12.onnx",
            "6b0da9510f27f234ee96a85dc3809dd210150fdefad87f6850f9788513216945",
        ),
        243_863_787,
        "bvlc_alexnet",
        "onnx",
        "BSD-3-Clause",
    ),
}
"""What can be added by name."""


@dataclass(frozen=True)
class Kept:
    """A file in the folder of weights; `name` is the one in `KNOWN`, `format` the one to import it as, None if unknown.

    It is `vouched` for where somebody said beforehand what its SHA-256 should be.
    """

    path: Path
    sha256: str
    name: str | None
    format: str | None
    vouched: bool


def add_weights(
    what: str,
    folder: Path,
    *,
    digest: str | None = None,
    offline: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
) -> Kept:
    """The weights `what` in `folder`: a name in `KNOWN`, a URL, or the path of a file, which is copied.

    A name comes before a file of the same name. `digest` is the SHA-256 that the file must have, without which no URL
    is taken but a known one. `progress` is told of downloads as by `fetch`. Raises ConfigError for an unknown name, and
    for what would have to be fetched when `offline`; WeightsError for a file that is missing or another one; DataError
    when a download fails.
    """
    if digest is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        raise ConfigError(f"A SHA-256 has 64 hexadecimal digits; {digest!r} is not one.")
    digest = digest.lower() if digest else None
    if what not in KNOWN and "://" not in what:
        return _copied(what, folder, digest)
    archive = _archive(what, digest)
    target = folder / archive.file_name
    if offline and not target.exists():
        raise ConfigError(
            f"Offline, so {archive.url} is not downloaded. Get it by other means, check that its SHA-256 is "
            f"{archive.sha256}, and put it at {target}."
        )
    path = fetch(archive, folder, progress)
    return _kept(path, archive.sha256, vouched=True)


def kept_weights(folder: Path) -> Mapping[str, Path]:
    """The files in the folder: those of `KNOWN` under their names there, others under their own; by their names alone.

    Nothing is read: a file is checked when it is added, and again when `find_kept` finds it.
    """
    files = sorted(file for file in folder.glob("*") if file.is_file() and not file.name.startswith("."))
    return {_kept_name(file.name): file for file in files if file.suffix != ".part"}


def find_kept(name: str, folder: Path) -> Path | None:
    """The kept file that `name` means, None if none does: by its name for `kept_weights`, its own, or that unsuffixed.

    Raises WeightsError where a file of a published name has other content than was published.
    """
    kept = kept_weights(folder)
    files = {**{path.stem: path for path in kept.values()}, **{path.name: path for path in kept.values()}, **kept}
    path = files.get(name)
    for known, row in KNOWN.items():
        if path is not None and path.name == row.archive.file_name and sha256(path) != row.archive.sha256:
            raise WeightsError(
                f"{path} is not what was published as {known}: it has another SHA-256 than {row.archive.sha256}; "
                "remove it, or give it another name."
            )
    return path


def remove_weights(name: str, folder: Path) -> Path:
    """Deletes a file that `kept_weights` names, and returns where it was. Raises ConfigError for another name."""
    kept = kept_weights(folder)
    if name not in kept:
        if not kept:
            raise ConfigError(f"There are no weights in {folder}, so {name!r} cannot be removed.")
        raise unknown("file of weights", name, kept)
    kept[name].unlink()
    return kept[name]


def _archive(what: str, digest: str | None) -> Archive:
    """The file to fetch for a name or a URL."""
    for name, row in KNOWN.items():
        if what in (name, row.archive.url):
            if digest not in (None, row.archive.sha256):
                raise ConfigError(f"The SHA-256 of {what} is {row.archive.sha256}, not {digest}; leave it out.")
            return replace(row.archive, size=row.size)
    if digest is None:
        raise ConfigError(
            f"Nothing is known of {what}, so its SHA-256 has to be given; or download it yourself and add the file."
        )
    archive = Archive(what, digest)
    if not what.startswith(("https://", "http://")) or archive.file_name in ("", ".", ".."):
        raise ConfigError(
            f"{what} is not the address of a file: it begins with https:// and ends with the file's name."
        )
    return archive


def _copied(what: str, folder: Path, digest: str | None) -> Kept:
    source = Path(what)
    if not source.is_file():
        if source.exists() or source.parent != Path():
            raise WeightsError(f"There is no file {source}; give a file of weights, or one of: {', '.join(KNOWN)}.")
        raise ConfigError(f"{unknown('weights', what, KNOWN)} There is no file of that name either.")
    found = sha256(source)
    if digest not in (None, found):
        raise WeightsError(f"{source} has SHA-256 {found} where {digest} was expected: it is another file or damaged.")
    name = _name_of(found)
    if name is None and (claimed := _kept_name(source.name)) != source.name:
        raise WeightsError(
            f"{source} has the name of the published file {claimed}, and another SHA-256: it is another file or "
            "damaged. Get it again, or give it a name of its own."
        )
    target = folder / (KNOWN[name].archive.file_name if name else source.name)
    if not target.exists():
        make(folder)
        copy(source, target)
    if sha256(target) != found:
        raise WeightsError(f"{target} is there already and is another file; remove it or rename {source}.")
    return _kept(target, found, vouched=bool(digest or name))


def _kept(path: Path, digest: str, *, vouched: bool) -> Kept:
    name = _name_of(digest)
    form = KNOWN[name].format if name else SUFFIXES.get(path.suffix.lower())
    return Kept(path, digest, name, form, vouched)


def _kept_name(file_name: str) -> str:
    """What a file is called where weights are kept: the name in `KNOWN`, or its own."""
    return next((name for name, row in KNOWN.items() if row.archive.file_name == file_name), file_name)


def _name_of(digest: str) -> str | None:
    return next((name for name, row in KNOWN.items() if row.archive.sha256 == digest), None)
