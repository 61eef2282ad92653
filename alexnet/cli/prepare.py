"""`alexnet prepare`: photographs into a store."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alexnet.cli.options import PATH, from_option, max_pixels_option, pairs, reading_options, workers_option
from alexnet.cli.session import Session, progress_options
from alexnet.cli.terminal import named, names, size
from alexnet.data.sources.names import DESCRIPTIONS
from alexnet.errors import ConfigError

if TYPE_CHECKING:
    from alexnet.data.source import Source
    from alexnet.data.sources.folder import Tops
    from alexnet.data.store import Store

REASONS_SHOWN = 3
_LINES = "\n".join(f"  {name:10} {text}" for name, text in DESCRIPTIONS.items())


@click.command(
    epilog="\b\nSOURCE is a folder with one sub-folder per class (or train/ and val/ of those),\n"
    "a tar or zip archive of it, a list of photographs (path,label in a .csv or .txt),\n"
    f"or one of:\n{_LINES}\n\n"
    "An interrupted preparation goes on where it stopped: give the same command."
)
@click.argument("source")
@click.argument("store", type=PATH)
@from_option
@reading_options
@click.option("--encoding", default="auto", metavar="auto|raw|jpeg", help="auto: raw up to 8 GiB, JPEG above.")
@click.option("--quality", default=90, show_default=True, help="JPEG quality, 1 to 100.")
@click.option("--split", metavar="val=0.1,test=0.2", help="Shares of each class to hold out.  [default: the source's]")
@click.option("--split-seed", default=0, show_default=True, help="Which photographs the shares are.")
@click.option("--side", default=256, metavar="N", show_default=True, help="Pixels of a prepared photograph, 32 to 512.")
@click.option(
    "--keep-together",
    "together",
    multiple=True,
    metavar="look-alikes|PATTERN",
    help="Never part these by a split: what looks alike, or has the same find of a regular expression in its path.",
)
@click.option("--resize", default="shorter", metavar="shorter|squash|torchvision", help="squash: as Caffe does.")
@click.option("--interpolation", default="bicubic", metavar="bicubic|bilinear", help="Both with antialiasing.")
@max_pixels_option
@workers_option("Processes; 0: one for each core.")
@click.option("--strict", is_flag=True, help="Stop at the first photograph that cannot be used.")
@click.option("--skip-unreadable", is_flag=True, help="Leave out files that cannot be opened or read.")
@click.option("--per-class", metavar="train=150,val=25,test=50", help="Pictures of each class of 'shapes'.")
@click.option("--seed", type=int, help="Which pictures 'shapes' draws.")
@progress_options
@click.pass_obj
def prepare(
    session: Session,
    source: str,
    store: Path,
    location: Path | None,
    tops: "Tops | None",
    lists: tuple[str, ...],
    label_from: str | None,
    encoding: str,
    quality: int,
    split: str | None,
    split_seed: int,
    together: tuple[str, ...],
    side: int,
    resize: str,
    interpolation: str,
    max_pixels: int | None,
    workers: int,
    strict: bool,
    skip_unreadable: bool,
    per_class: str | None,
    seed: int | None,
) -> None:
    """Turn photographs into a store.

    As in the paper, the shorter side of each becomes 256 pixels and the central 256 × 256 are kept; --side asks for
    another number of pixels. Networks trained elsewhere may ask for another --resize. The store also holds labels,
    splits, the mean image and the principal components of colour.
    """
    from alexnet.cli.places import find_source, limit_pixels
    from alexnet.cli.progress import Meter
    from alexnet.data.preparation import Preparation
    from alexnet.data.prepare import prepare

    preparation = Preparation(resize=resize, interpolation=interpolation, side=side)
    drawn = _drawn(find_source(session, source, location, tops, lists, label_from), per_class, seed)
    _apart(drawn, store)
    limit_pixels(drawn, source, max_pixels)
    shares = None if split is None else pairs("--split", split, float)
    with Meter(session) as meter:
        made = prepare(
            drawn,
            store,
            encoding=encoding,
            quality=quality,
            workers=workers,
            split=shares,
            seed=split_seed,
            together=together,
            preparation=preparation,
            strict=strict,
            skip_unreadable=skip_unreadable,
            progress=meter.preparing,
        )
    for line in summary(made):
        click.echo(line)


def _apart(source: "Source", store: Path) -> None:
    """Raises ConfigError for a store inside the folder of photographs, which would be among them the next time.

    Where a list names the photographs, nothing else is among them.
    """
    from alexnet.data.sources.files import ListedSource
    from alexnet.data.sources.lists import PhotographList

    if isinstance(source, PhotographList) and source.lists:
        return
    if isinstance(source, ListedSource) and store.resolve().is_relative_to(source.place.resolve()):
        raise ConfigError(
            f"The store {store} would lie among the photographs in {source.place}; choose a path outside that folder."
        )


def _drawn(source: "Source", per_class: str | None, seed: int | None) -> "Source":
    """The source, drawn as asked for where it is the one that draws."""
    from alexnet.data.sources.shapes import Shapes

    if per_class is None and seed is None:
        return source
    if not isinstance(source, Shapes):
        raise ConfigError(
            f"--per-class and --seed are for the source 'shapes', not for {source.name!r}; leave them out."
        )
    if per_class is not None:
        source = replace(source, per_class=pairs("--per-class", per_class, int))
    return source if seed is None else replace(source, seed=seed)


def summary(store: "Store") -> list[str]:
    """What a store holds, in lines."""
    from alexnet.data.preparation import DEFAULT

    splits = ", ".join(f"{name} {count:,}" for name, count in store.splits.items())
    held = sum(entry["bytes"] for entry in store.manifest["files"].values())
    lines = [
        f"Store        {store.path}",
        f"Photographs  {len(store):,} ({splits})",
        f"Classes      {len(store.classes):,}: {names(store.class_names)}",
        f"Size         {size(held)}, {store.encoding}",
    ]
    if store.preparation != DEFAULT:
        lines.append(f"Resized      {store.preparation.in_words['resize']}")
    if treated := store.report["treated"]:
        lines.append(f"Treated      {len(treated):,} (orientation, colour mode, …); the report says how")
    if refused := store.report["refused"]:
        lines.append(f"Refused      {len(refused):,}; all of them in {store.path / 'report.json'}")
        lines += [f"             {entry['path']}: {entry['reason']}" for entry in refused[:REASONS_SHOWN]]
    return [named(line) for line in lines]
