"""`alexnet data`: what photographs and stores hold, what is wrong with them, where to get them."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alexnet.cli.options import PATH, from_option, json_option, max_pixels_option, reading_options, workers_option
from alexnet.cli.session import Session, common_options, home, offline, progress_options
from alexnet.cli.terminal import counted, print_json, print_table, size
from alexnet.data.download import ARCHIVES
from alexnet.errors import ConfigError, DataError

if TYPE_CHECKING:
    from alexnet.data.check import CheckReport
    from alexnet.data.kept import Kept
    from alexnet.data.source import Source
    from alexnet.data.sources.folder import Tops

CLASSES_SHOWN = 40


@click.group()
@common_options
def data() -> None:
    """Check data, describe a store, download a published set, list and remove what is kept."""


@data.command()
@click.argument("path")
@from_option
@reading_options
@max_pixels_option
@json_option
@workers_option("Processes; 0: one for each core.")
@progress_options
@click.pass_obj
def check(
    session: Session,
    path: str,
    location: Path | None,
    tops: "Tops | None",
    lists: tuple[str, ...],
    label_from: str | None,
    max_pixels: int | None,
    as_json: bool,
    workers: int,
) -> int:
    """Look for what makes results wrong.

    PATH is a store, a folder of class folders, or the name of a source. Every photograph is read: unreadable files,
    duplicates within and across splits, sizes, class balance. The exit code is 3 when a file is broken or a photograph
    lies in two splits.
    """
    from alexnet.cli.places import find_source, is_store, limit_pixels, no_limit
    from alexnet.cli.progress import Meter
    from alexnet.data.check import check
    from alexnet.data.store import Store

    subject: Source | Store
    if is_store(path):
        if max_pixels is not None:
            raise no_limit(path)
        subject = Store.open(path, verify=True)
    else:
        subject = find_source(session, path, location, tops, lists, label_from)
        limit_pixels(subject, path, max_pixels)
    with Meter(session) as meter:
        report = check(subject, workers=workers, progress=meter.preparing)
    if as_json:
        found = {**asdict(report), "problems": report.problems, "notes": report.notes, "balance": report.balance}
        found |= {key: spread and spread._asdict() for key in ("width", "height") for spread in [getattr(report, key)]}
        print_json(found)
    else:
        _print_report(report)
    return DataError.exit_code if report.problems else 0


def _print_report(report: "CheckReport") -> None:
    splits = ", ".join(f"{name} {count:,}" for name, count in report.splits.items())
    click.echo(f"{report.name}: {report.images:,} photographs ({splits}), {len(report.classes):,} classes")
    for what, spread in (("width", report.width), ("height", report.height)):
        if spread:
            low, middle, high = spread
            click.echo(f"  {what} {low:,} to {high:,} pixels, median {middle:,.0f}")
    for treatment, count in report.treatments.items():
        click.echo(f"  {count:,} {treatment}")
    click.echo(f"  balance {report.balance:.2f} (smallest class / largest class)")
    click.echo()
    shown = sorted(report.classes, key=lambda each: each.total)[:CLASSES_SHOWN]
    columns = ["class", *(f">{name}" for name in report.splits)]
    print_table(columns, [[row.name, *(f"{row.splits.get(name, 0):,}" for name in report.splits)] for row in shown])
    if len(report.classes) > CLASSES_SHOWN:
        click.echo(f"… and {len(report.classes) - CLASSES_SHOWN:,} classes with as many or more; --json prints all")
    click.echo()
    for sentence in report.problems:
        click.echo(f"PROBLEM  {sentence}")
    for sentence in report.notes:
        click.echo(f"note     {sentence}")
    click.echo(f"{counted(len(report.problems), 'problem')} found." if report.problems else "No problems found.")


@data.command()
@click.argument("store", type=PATH)
@json_option
@common_options
def info(store: Path, as_json: bool) -> None:
    """Describe a store without reading its photographs."""
    from alexnet.cli.prepare import summary
    from alexnet.data.store import Store

    opened = Store.open(store)
    if as_json:
        print_json({"path": str(opened.path), **opened.manifest})
        return
    for line in summary(opened):
        click.echo(line)
    names = ", ".join(opened.class_names[:CLASSES_SHOWN]) + (", …" if len(opened.classes) > CLASSES_SHOWN else "")
    statistics, colour = opened.statistics, opened.statistics.mean_image.mean(axis=(0, 1)).tolist()
    click.echo(f"Source       {opened.manifest['source']['name']}")
    click.echo(f"Names        {names}")
    click.echo(f"Mean colour  {', '.join(f'{value:.1f}' for value in colour)} (RGB, of {statistics.images:,} training)")
    click.echo(f"Colour axes  σ = {', '.join(f'{value:.1f}' for value in statistics.deviations.tolist())}")
    click.echo(f"Fingerprint  {opened.fingerprint}")


@data.command(epilog=f"NAME is one of: {', '.join(ARCHIVES)}.")
@click.argument("name")
@click.option("--sha256", is_flag=True, help="Print address and SHA-256 of what would be downloaded, and stop.")
@progress_options
@click.pass_obj
def download(session: Session, name: str, sha256: bool) -> None:
    """Download a published set by name.

    It is checked against the SHA-256 known here and kept in ALEXNET_HOME (default: ~/.cache/alexnet), where other verbs
    find it. Nothing else downloads anything. ALEXNET_OFFLINE=1 forbids it.
    """
    from alexnet.cli.progress import Meter
    from alexnet.data.download import download

    if sha256 and name in ARCHIVES:
        click.echo(f"{ARCHIVES[name].sha256}  {ARCHIVES[name].url}")
        return
    folder = home() / "downloads"
    if offline() and name in ARCHIVES and not (folder / ARCHIVES[name].file_name).is_file():
        raise ConfigError(
            f"ALEXNET_OFFLINE is set, so {name} is not downloaded; unset it, or put {ARCHIVES[name].url} into {folder}."
        )
    with Meter(session) as meter:
        path = download(name, folder, meter.downloading)
    click.echo(path)


@data.command("list")
@json_option
@common_options
def list_(as_json: bool) -> None:
    """List what is kept in ALEXNET_HOME: stores made on the way, downloads, models, weights, unfinished work."""
    from alexnet.data.kept import kept

    found = kept(home())
    if as_json:
        print_json([{**asdict(thing), "path": str(thing.path)} for thing in found])
        return
    if not found:
        click.echo(f"Nothing is kept in {home()}.")
        return
    rows = [[thing.name, _kind(thing), size(thing.bytes), _day(thing.seconds), thing.detail] for thing in found]
    total = ["", counted(len(found), "thing"), size(sum(thing.bytes for thing in found)), "", str(home())]
    print_table(["name", "kind", ">size", "changed", "what it is"], rows, total=total)


@data.command()
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("--unfinished", is_flag=True, help="All unfinished stores and downloads.")
@common_options
@click.pass_obj
def remove(session: Session, names: tuple[str, ...], unfinished: bool) -> None:
    """Remove what `alexnet data list` names from ALEXNET_HOME. What is removed can be made or fetched again."""
    from alexnet.data.kept import kept, remove

    chosen = [*names, *(thing.name for thing in kept(home()) if unfinished and thing.unfinished)]
    if not chosen and not unfinished:
        raise ConfigError("Name what is to be removed; `alexnet data list` lists the names.")
    gone = remove(home(), chosen)
    for thing in gone:
        click.echo(f"Removed {thing.path} ({_kind(thing)}, {size(thing.bytes)}).")
    if not gone:
        session.note(f"Nothing unfinished is kept in {home()}.")


def _kind(thing: "Kept") -> str:
    return f"unfinished {thing.kind}" if thing.unfinished else thing.kind


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d}"
