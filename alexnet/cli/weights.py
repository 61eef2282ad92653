"""`alexnet weights`: what others have published, kept in one folder and checked."""

import os
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from alexnet.cli.options import json_option
from alexnet.cli.session import Session, common_options, home, offline, progress_options
from alexnet.cli.terminal import print_json, print_table, size

if TYPE_CHECKING:
    from alexnet.weights.foreign.cache import Kept, Known

CAFFE_EXTRAS = (
    "The mean image is in http://dl.caffe.berkeleyvision.org/caffe_ilsvrc12.tar.gz; without --mean, the mean pixel is "
    "subtracted."
)


@click.group()
@common_options
def weights() -> None:
    """Keep published weights: fetch or add a file, check it, list what there is.

    They lie in ALEXNET_HOME/weights (default: ~/.cache/alexnet/weights). Only `add` downloads anything.
    """


@weights.command()
@click.argument("what", metavar="NAME|PATH|URL")
@click.option("--sha256", metavar="HEX", help="What the file's SHA-256 must be; a URL that is not known needs it.")
@click.option("--offline", "cut", is_flag=True, help="Download nothing. ALEXNET_OFFLINE=1 says the same.")
@progress_options
@click.pass_obj
def add(session: Session, what: str, sha256: str | None, cut: bool) -> None:
    """Fetch weights by name or URL, or add a file that is here already.

    `alexnet weights list` shows the names: torchvision, caffe-alexnet, caffenet, onnx-alexnet. A file is checked by its
    SHA-256 before it is kept. One that torchvision has downloaded already is taken from there.
    """
    from alexnet.cli.progress import Meter
    from alexnet.weights.foreign.cache import KNOWN, add_weights

    if what in KNOWN and not (_folder() / KNOWN[what].archive.file_name).exists():
        theirs = _torch_home() / "hub" / "checkpoints" / KNOWN[what].archive.file_name
        if theirs.is_file():
            session.note(f"Taking {what} from {theirs}.")
            what, sha256 = str(theirs), sha256 or KNOWN[what].archive.sha256
    with Meter(session) as meter:
        kept = add_weights(what, _folder(), digest=sha256, offline=cut or offline(), progress=meter.downloading)
        if not kept.vouched:
            meter.warn("nothing is known of this file; compare its SHA-256 with what its publisher says.")
    click.echo(f"File     {kept.path} ({size(kept.path.stat().st_size)})")
    click.echo(f"SHA-256  {kept.sha256}")
    if kept.name:
        click.echo(f"Network  {KNOWN[kept.name].variant}")
        click.echo(f"Terms    {KNOWN[kept.name].terms}")
    for line in _next(kept):
        session.note(line)


@weights.command(name="list")
@json_option
@common_options
def list_(as_json: bool) -> None:
    """List what can be added by name, and what is kept."""
    from alexnet.weights.foreign.cache import KNOWN, kept_weights

    kept = kept_weights(_folder())
    if as_json:
        print_json([_facts(name, KNOWN.get(name), kept.get(name)) for name in {**KNOWN, **kept}])
        return
    print_table(
        ["name", "network", ">size", "kept as"],
        [
            [name, row["network"] or "–", size(row["bytes"]), row["path"] or "–"]
            for name in {**KNOWN, **kept}
            for row in [_facts(name, KNOWN.get(name), kept.get(name))]
        ],
    )


def _facts(name: str, known: "Known | None", path: Path | None) -> dict[str, Any]:
    """What there is to know of published or kept weights, as plain JSON types."""
    published = {} if known is None else {**vars(known.archive), "terms": known.terms, "format": known.format}
    held = known.size if known else 0
    return {
        "name": name,
        "network": known.variant if known else None,
        "bytes": path.stat().st_size if path else held,
        "path": str(path) if path else None,
        **published,
    }


@weights.command()
@click.argument("name")
@common_options
def remove(name: str) -> None:
    """Delete a kept file, by the name that `list` shows. Models imported from it stay."""
    from alexnet.weights.foreign.cache import remove_weights

    click.echo(f"Removed  {remove_weights(name, _folder())}")


def _folder() -> Path:
    return home() / "weights"


def _torch_home() -> Path:
    """Where PyTorch keeps its downloads."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TORCH_HOME") or cache / "torch")


def _next(kept: "Kept") -> list[str]:
    """What to do with the file, in lines."""
    name = kept.name or kept.path.name
    mean = " --mean imagenet_mean.binaryproto" if kept.format == "caffe" else ""
    lines = [
        f"Next     alexnet import {kept.format or 'FORMAT'} {quote(name)}{mean}",
        f"         alexnet predict {quote(Path(name).stem)} PHOTOGRAPH",
    ]
    return [*lines, f"         ({CAFFE_EXTRAS})"] if kept.name and kept.format == "caffe" else lines
