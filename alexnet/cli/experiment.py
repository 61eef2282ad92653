"""`alexnet experiment`: what the paper claims, tried again with several seeds."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from alexnet.cli.options import PATH, place_options
from alexnet.cli.session import Session, common_options
from alexnet.cli.terminal import counted, duration, percent, print_table
from alexnet.errors import ConfigError

if TYPE_CHECKING:
    from alexnet.experiments.conduct import Places
    from alexnet.experiments.design import Experiment
    from alexnet.experiments.findings import Findings
    from alexnet.experiments.records import RecordJson, Task
    from alexnet.experiments.side_by_side import Told
    from alexnet.show.bundles import Bundles
    from alexnet.show.forest import Forest
    from alexnet.training.train import Runtime

RECORDS = Path("results/experiments")
CLAIM_WIDTH = 80
ERROR = "points of error; left of 0: lower with it"
MINUTES = {"s": 1 / 60, "m": 1.0, "min": 1.0, "h": 60.0, "": 1.0}


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--data", type=PATH, metavar="STORE", help="The photographs; the table says which.")
@click.option("--seeds", metavar="0-4", help="Which seeds.  [default: all of the table's]")
@click.option("--budget", metavar="2h", help="Time after which to stop: 90m, 2h. The same command goes on.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Runs side by side.")
@click.option("--dry-run", is_flag=True, help="List the runs, their time, and what is on record.")
@click.option("--quick", is_flag=True, help="Try the machinery on built-in pictures; nothing is kept.")
@click.option("--report", type=PATH, metavar="FILE.md", help="Write the page and its pictures; run nothing.")
@click.option("--out", type=PATH, default=RECORDS, show_default=True, metavar="FOLDER", help="The records.")
@click.option("--work", type=PATH, default=Path("runs/experiments"), show_default=True, help="The runs.")
@place_options
@common_options
@click.pass_obj
def experiment(
    session: Session,
    names: tuple[str, ...],
    data: Path | None,
    seeds: str | None,
    budget: str | None,
    jobs: int,
    dry_run: bool,
    quick: bool,
    report: Path | None,
    out: Path,
    work: Path,
    device: str,
    dtype: str,
    threads: int,
) -> None:
    """Try claims of the paper again, with several seeds: NAME is a row of the table.

    NAME may also be a bench: all its rows. Without NAME, print the table: what
    is claimed, the arms that are compared, the data, the seeds, about how long
    it takes on one thread of a slow processor, and how many of its runs are on
    record.

    Each run leaves a record, a JSON file. All arms of a seed are run before the
    next seed, so that what is there when time ends can be compared. Rows that
    look at networks take those of runs on record, where --work has them, and
    train what is not there. Stopped by
    Ctrl-C, or when its budget is over, a run goes on where it was, bit for bit,
    with the same command. Runs of one thread, side by side, are often faster
    than one of several: --jobs 2 --threads 1.
    """
    from alexnet.experiments.conduct import Places
    from alexnet.experiments.table import EXPERIMENTS, rows_called
    from alexnet.training.train import Runtime

    if report is not None:
        if names:
            told = " ".join(names)
            raise ConfigError(f"--report writes of all experiments, so {told} has no meaning beside it; leave it out.")
        _report(session, list(EXPERIMENTS.values()), out, report)
        return
    if not names:
        _print_table(list(EXPERIMENTS.values()), out)
        return
    rows = rows_called(names)
    runtime = Runtime(device=device, dtype=dtype, threads=threads)
    chosen = _seeds(seeds) if seeds else None
    minutes = _minutes(budget) if budget else None
    if quick:
        for row in rows:
            _try(session, row, runtime, jobs)
        return
    needed = sorted({row.bench.prepare for row in rows})
    if len(needed) > 1 and not dry_run:
        raise ConfigError(f"These rows need different stores, {' and '.join(needed)}; run those of one at a time.")
    if data is None and not dry_run:
        told = " ".join(names)
        raise ConfigError(f"{told} needs photographs: make a store with {needed[0]}, and give it with --data.")
    places = Places(out, work, data or Path())
    if dry_run:
        for row in rows:
            _print_plan(row, places, runtime, chosen, jobs, known=data is not None)
        return
    _run(session, rows, places, runtime, chosen, jobs, minutes)


def _report(session: Session, rows: Sequence["Experiment"], records: Path, file: Path) -> None:
    """The page, the forest plot and the curves of experiments that have any, from the records alone."""
    from alexnet.cli.pictures import draw_along
    from alexnet.experiments.findings import findings
    from alexnet.experiments.page import page
    from alexnet.weights.files import write_text, writing

    found = [findings(row, records) for row in rows]
    write_text(file, page(found))
    click.echo(f"Page     {file}")
    folder = file.parent / "experiments"
    with writing(folder):
        folder.mkdir(exist_ok=True)
    pictures: list[tuple[str, str, Callable[[], Any]]] = []
    if any(each.results for each in found):
        pictures.append(("forest", "forest", lambda: _forest(found)))
    for each in found:
        if each.speeds and each.results:
            pictures.append((each.row.name, "bundles", partial(_bundles, each)))
    for name, kind, numbers in pictures:
        if draw_along(session, kind, numbers, folder / f"{name}.svg"):
            click.echo(f"Picture  {folder / f'{name}.svg'}")


def _forest(found: Sequence["Findings"]) -> "Forest":
    """Effects on errors, and below them how many times faster a level of training error is reached."""
    from alexnet.experiments.design import UNITS
    from alexnet.show.forest import Branch, Forest, Panel

    points: dict[str, list[Branch]] = {}
    times = []
    for each in found:
        for effect in each.effects:
            told, label = effect.estimate, f"{each.row.name}: {effect.pair.title}"
            branch = Branch(label, told.mean, told.low, told.high, told.n, effect.pair.paper)
            points.setdefault(UNITS.get(each.row.outcome, ERROR), []).append(branch)
        for speed in each.speeds:
            if speed.level == each.row.levels[0] and speed.bound is not None and speed.bound.side != "unknown":
                told, label = speed.bound.ratio, f"{each.row.name}: {speed.pair.title}"
                side = speed.bound.side if speed.bound.side != "exact" else ""
                times.append(Branch(label, told.mean, told.low, told.high, told.n, speed.pair.paper, side))
    caption = (
        "The change that each technique makes to its experiment's outcome, with 95 % intervals over n seeds; marks "
        "without a line have too few."
    )
    if any(branch.other is not None for branch in [*chain(*points.values()), *times]):
        caption += " Hollow: the paper's number, one run each."
    if any(effect.over != "seeds" for each in found for effect in each.effects):
        caption += " Of ensembles the interval is over photographs."
    if any(branch.bound for branch in times):
        caption += " Pointed: the true one lies there or beyond."
    panels = [Panel(unit, branches) for unit, branches in points.items()]
    if times:
        panels.append(Panel("times as fast with it to a level of training error", times, 1.0))
    return Forest("What each technique changes", caption, panels)


def _bundles(found: "Findings") -> "Bundles":
    from alexnet.experiments.findings import curve
    from alexnet.show.bundles import Bundle, Bundles

    row = found.row
    panels = []
    for pair in row.pairs:
        held = []
        for arm in (pair.present, pair.absent):
            runs = [found.results[arm, seed] for seed in row.seeds if (arm, seed) in found.results]
            held.append(Bundle(arm, [[(x, 100 * y) for x, y in curve(run)] for run in runs]))
        panels.append((pair.title, held))
    caption = (
        f"Training error in windows of 10,000 photographs, in per cent; {row.bench.data}. Thin: a seed; thick: their "
        "mean, as far as all of them go; dotted: the levels."
    )
    levels = [100 * level for level in row.levels]
    return Bundles("Training error by epochs", caption, panels, levels, "epoch")


def _run(
    session: Session,
    rows: Sequence["Experiment"],
    places: "Places",
    runtime: "Runtime",
    seeds: Sequence[int] | None,
    jobs: int,
    minutes: float | None,
) -> None:
    from alexnet.experiments.side_by_side import run_all

    done = run_all(
        rows,
        places,
        runtime,
        seeds=seeds,
        jobs=jobs,
        minutes=minutes,
        tell=lambda told: session.note(_words(told)),
    )
    if not done:
        session.note("The time is up; the same command goes on from here.")
    if not places.quick:
        click.echo(f"Records  {places.records}")


def _try(session: Session, row: "Experiment", runtime: "Runtime", jobs: int) -> None:
    from alexnet.experiments.conduct import Places
    from alexnet.experiments.trial import in_small, pictures

    small = in_small(row)
    with TemporaryDirectory() as folder:
        store = pictures(small, Path(folder) / "pictures.store")
        places = Places(Path(folder) / "records", Path(folder) / "runs", store.path, quick=True)
        _run(session, [small], places, runtime, None, jobs, None)
    session.note("These runs only show that the machinery works here; their records are not kept.")


def _words(told: "Told") -> str:
    if told.epoch is not None:
        error = percent(told.epoch.train_error)
        return f"{told.task.name}: epoch {told.epoch.epoch}, training error {error}"
    assert told.record is not None
    return f"{told.task.name}: {_outcome(told.task, told.record)}, {duration(told.record['seconds'])}"


def _outcome(task: "Task", record: "RecordJson") -> str:
    from alexnet.experiments.looks import in_words

    if task.experiment.of:
        return in_words(record)
    if record["test"] is not None:
        return f"test error {percent(record['test']['top1_error'])}"
    last = percent(record["windows"][-1][1]) if record["windows"] else "none"
    how = {"level": "came to its level", "cap": "ended at its cap", "diverged": "diverged"}[record["ended"]]
    return f"{how} after {record['epochs']:.1f} epochs, training error {last}"


def _print_table(rows: Sequence["Experiment"], records: Path) -> None:
    from alexnet.experiments.conduct import Places
    from alexnet.experiments.design import LOOK_SECONDS
    from alexnet.experiments.order import tasks
    from alexnet.experiments.records import read_record

    places = Places(records, Path(), Path())
    lines = []
    for row in rows:
        wanted = list(tasks(row, lambda task: read_record(places.record(task))))
        there = sum(places.record(task).exists() for task in wanted)
        each = row.seconds() + LOOK_SECONDS.get(row.outcome, 0.0)
        hours = sum(task.about for task in wanted if task.search) + len(row.seeds) * len(row.all_arms) * each
        arms = ", ".join(arm.name for arm in row.all_arms[:3]) + (", …" if len(row.all_arms) > 3 else "")
        lines.append(
            [row.name, row.outcome, arms, row.bench.name, str(len(row.seeds)), f"{hours / 3600:.1f} h", str(there)]
        )
    print_table(["experiment", "outcome", "arms", "bench", ">seeds", ">time", ">on record"], lines)
    click.echo()
    for row in rows:
        number = f" ({row.claim.number:+g} {row.claim.unit})" if row.claim.number is not None else ""
        told = f'{row.name}: "{row.claim.text}"{number}, {row.claim.where}'
        click.echo(click.wrap_text(told, CLAIM_WIDTH, subsequent_indent="  "))


def _print_plan(
    row: "Experiment", places: "Places", runtime: "Runtime", seeds: Sequence[int] | None, jobs: int, *, known: bool
) -> None:
    from alexnet.experiments.conduct import open_store, recorded
    from alexnet.experiments.design import LOOK_SECONDS
    from alexnet.experiments.order import tasks
    from alexnet.experiments.records import read_record
    from alexnet.model.device import place

    placement = place(runtime.device, runtime.dtype)

    def look(task: "Task") -> "RecordJson | None":
        if known:
            return recorded(task, places, open_store(places, task), placement)
        return read_record(places.record(task))

    wanted = list(tasks(row, look, seeds))
    found = [look(task) for task in wanted]
    measured = [record for task, record in zip(wanted, found, strict=True) if record and not task.experiment.of]
    seconds = [_seconds(task, measured) for task in wanted]
    lines = [
        [task.file, duration(about), _outcome(task, record) if record else ""]
        for task, about, record in zip(wanted, seconds, found, strict=True)
    ]
    print_table(["run", ">about", "on record"], lines)
    left = sum(about for about, record in zip(seconds, found, strict=True) if record is None)
    missing = found.count(None)
    click.echo(f"\n{counted(missing, 'run')} to make: about {duration(left / jobs)}.")
    more = len(row.seeds if seeds is None else seeds) * len(row.all_arms)
    if row.of and (looks := more - sum(task.experiment.of == row.of for task in wanted)):
        each = LOOK_SECONDS[row.outcome]
        click.echo(f"Then {counted(looks, 'look')} at their networks: about {duration(looks * each / jobs)}.")
    if row.search and any(task.search and record is None for task, record in zip(wanted, found, strict=True)):
        click.echo(f"Then {counted(more, 'run')} at the rates found: at most {duration(more * row.seconds() / jobs)}.")
    click.echo(f"Expected before any was made: {row.expectation}")


def _seconds(task: "Task", runs: Sequence["RecordJson"]) -> float:
    """About how long a run takes: as an epoch of those on record did, else as the table says."""
    measured = [record["seconds"] / record["epochs"] for record in runs if record["epochs"]]
    if task.experiment.of or not measured:
        return task.about
    return task.about / task.experiment.bench.epoch_seconds * sum(measured) / len(measured)


def _seeds(text: str) -> list[int]:
    """`"0-2,5"` → `[0, 1, 2, 5]`. Raises ConfigError for other text."""
    if not re.fullmatch(r"\d{1,9}(-\d{1,9})?(,\d{1,9}(-\d{1,9})?)*", text):
        raise ConfigError(f"--seeds takes numbers and ranges like 0-4 or 0,2,5, not {text!r}.")
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _minutes(text: str) -> float:
    """`"2h"` → `120.0`. Raises ConfigError for other text."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(s|m|min|h|)", text)
    if not found:
        raise ConfigError(f"--budget takes a time like 90m or 2h, not {text!r}.")
    return float(found[1]) * MINUTES[found[2]]
