"""Fetching the archives that can be fetched: only when the user asks for one by name, and nowhere else."""

import hashlib
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from time import monotonic
from typing import Final
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

from alexnet.errors import ConfigError, DataError, unknown
from alexnet.home import make
from alexnet.locking import held


@dataclass(frozen=True)
class Archive:
    """A file on a server, the digest that says it is the right one, and its size in bytes where that is known."""

    url: str
    sha256: str
    size: int | None = None

    @property
    def file_name(self) -> str:
        """The last part of the address's path."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name


# The authors publish no SHA-256. These are the ones that independent projects pin: torchvision-ruby and GoMLX for
# CIFAR-10, DFFML and a script of Google's for the flowers.
ARCHIVES: Final = {
    "cifar10": Archive(
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        170_052_171,
    ),
    "flowers17": Archive(
        "https://www.robots.ox.ac.uk/~vgg/data/flowers/17/17flowers.tgz",
        "fe38a60f8b4a95e657551247d3e7d799a3fafcdbc595be504b12839967823d70",
        60_270_631,
    ),
}
"""What can be downloaded, by the name of its source."""

PATIENCE: Final = 60
"""Seconds in which a server must say something, and send at least `LEAST` bytes of a file."""

LEAST: Final = 10_000

IMAGENET: Final = (
    "ImageNet is given to registered users alone: register at https://image-net.org/download, get "
    "ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz, put them in one folder "
    "and name it with --from."
)


def download(name: str, cache_dir: Path, progress: Callable[[int, int | None], None] | None = None) -> Path:
    """The path of the archive of the source `name` in `cache_dir`, fetched unless it is there; see `fetch`."""
    if name == "imagenet":
        raise ConfigError(IMAGENET)
    if name not in ARCHIVES:
        raise unknown("download", name, ARCHIVES)
    return fetch(ARCHIVES[name], cache_dir, progress)


def fetch(archive: Archive, cache_dir: Path, progress: Callable[[int, int | None], None] | None = None) -> Path:
    """The path of the archive in `cache_dir`, fetched unless it is there.

    `progress` is called with the bytes present and the bytes expected (None if the server does not say). An
    interrupted download is continued by the next call; the file has its name only when its SHA-256 is right.
    Raises DataError when it cannot be fetched or is not the expected file, BusyError when another process fetches it,
    AlexNetError when the folder cannot be made.
    """
    target = cache_dir / archive.file_name
    partial = target.with_name(f"{target.name}.part")
    if target.exists():
        _check(target, archive)
        return target
    make(cache_dir)
    try:
        with held(target.with_name(f".{target.name}.lock"), f"downloading {target}"):
            _fetch(archive, partial, progress)
            _check(partial, archive)
            return partial.replace(target)
    except (OSError, HTTPException, ValueError) as error:  # ValueError: urllib, of an address that a server sends it to
        raise DataError(
            f"{archive.url} could not be downloaded to {target} ({error}); try again to continue, or get it by other "
            f"means, check that its SHA-256 is {archive.sha256}, and put it there."
        ) from error


def _fetch(archive: Archive, partial: Path, progress: Callable[[int, int | None], None] | None) -> None:
    """Fetches the part of the file that `partial` lacks. Raises OSError or HTTPException when it breaks off."""
    present = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(archive.url, headers={"Range": f"bytes={present}-"} if present else {})
    try:
        response = urllib.request.urlopen(request, timeout=PATIENCE)
    except HTTPError as error:
        if error.code == 416 and present:  # nothing lies beyond what is present: all of it is there
            error.close()
            return
        raise
    with response:
        if response.status != 206:  # the server sends the file from its start
            present = 0
        length = response.headers["Content-Length"]
        if length is not None and not length.isdecimal():
            raise OSError(f"the server gives the length {length!r}")
        total = present + int(length) if length is not None else archive.size
        if archive.size is not None and total != archive.size:
            raise OSError(f"the server offers {total:,} bytes where the file has {archive.size:,}")
        looked, then = monotonic(), present
        with partial.open("ab" if present else "wb") as file:
            while block := response.read1(1 << 20):
                present += file.write(block)
                if total is not None and present > total:
                    raise OSError(f"the server does not end after {total:,} bytes")
                if progress:
                    progress(present, total)
                if monotonic() - looked > PATIENCE:
                    if present - then < LEAST:
                        raise OSError(f"only {present - then:,} bytes came in {PATIENCE} seconds")
                    looked, then = monotonic(), present
    if total is not None and present < total:
        raise OSError(f"the connection ended after {present:,} of {total:,} bytes")


def _check(path: Path, archive: Archive) -> None:
    """Raises DataError, and removes an unfinished file, unless the digest is right."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found == archive.sha256:
        return
    if path.suffix == ".part":
        path.unlink()
    raise DataError(
        f"{path} from {archive.url} has SHA-256 {found} where {archive.sha256} was expected: it is another file or "
        "damaged. Remove it and download again."
    )
