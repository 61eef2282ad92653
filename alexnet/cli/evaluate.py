"""`alexnet evaluate`: top-1 and top-5 error of a model, or of several averaged."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet.cli.options import (
    PATH,
    crops_option,
    from_option,
    json_option,
    max_pixels_option,
    place_options,
    placed,
)
from alexnet.cli.pictures import draw_along
from alexnet.cli.session import Session, progress_options
from alexnet.cli.team import device_of, wait_option, working_together
from alexnet.cli.terminal import counted, percent, print_json, print_table
from alexnet.errors import ConfigError

if TYPE_CHECKING:
    from alexnet.data.store import Store
    from alexnet.evaluation.metrics import Tally
    from alexnet.weights.model_dir import Model

ROWS = 5  # classes and confusions shown


@click.command()
@click.argument("models_and_data", nargs=-1, required=True, metavar="MODEL... DATA")
@from_option
@click.option(
    "--split", metavar="NAME", help="train, val, test or all.  [default: val; all of a folder without splits]"
)
@crops_option
@json_option
@click.option("--answers", type=PATH, metavar="FILE.csv", help="Write what was answered to each photograph.")
@click.option("--confusion", type=PATH, metavar="FILE.csv", help="Write the confusion matrix; draw it as FILE.png.")
@max_pixels_option
@wait_option
@place_options
@progress_options
@click.pass_obj
def evaluate(
    session: Session,
    models_and_data: tuple[str, ...],
    location: Path | None,
    split: str | None,
    crops: str,
    as_json: bool,
    answers: Path | None,
    confusion: Path | None,
    max_pixels: int | None,
    device: str,
    dtype: str,
    threads: int,
    wait: float,
) -> None:
    """Measure errors on a split of DATA, every photograph once.

    MODEL is a model directory, as `alexnet train` leaves in its run directory, or a file of weights (an ONNX file that
    `alexnet export` wrote, say); the answers of several are averaged.
    DATA is a store, a folder of class folders, or the name of a source. Its classes are the model's or some of them,
    matched by key; with some, errors are given for answers among all classes and among those present.
    Under torchrun, the processes share out the photographs.
    """
    from alexnet.cli.answers import AnswerTable
    from alexnet.cli.places import find_model, find_store, is_model
    from alexnet.data.source import told_apart
    from alexnet.show.confusion import confusion as counted_as
    from alexnet.weights.files import write_text
    from alexnet.weights.loading import load

    *names, data = models_and_data
    if not names:
        raise click.UsageError("Give at least one MODEL, and DATA last.", click.get_current_context())
    if is_model(Path(data)):
        raise ConfigError(f"{data} is a model, and DATA comes last: alexnet evaluate {data} {' '.join(names)}")
    for file in filter(None, (answers, confusion)):
        if not file.absolute().parent.is_dir():
            raise ConfigError(f"{file} cannot be written: there is no folder {file.absolute().parent}; make it first.")
    with working_together(session, wait) as team:
        placement = placed(device_of(device), dtype, threads)
        paths = [find_model(session, Path(name)) for name in names]
        models = [load(path) for path in paths]
        preparation = models[0].preparation
        store = team.leader_first("prepare", lambda: find_store(session, data, location, preparation, max_pixels))
        chosen = split or usual_split(session, data, store)
        team.agree({"store (fingerprint)": store.fingerprint[:12], "dtype": placement.dtype_name, "split": chosen})
        if sentence := _seen(models, store, chosen):
            session.warn(sentence)
        how: dict[str, Any] = {"split": chosen, "crops": int(crops), "placement": placement, "sharers": team.everyone}
        classes = told_apart(models[0].categories)
        table = AnswerTable(classes) if answers else None
        tally = measure(session, models, store, answers=table and table.add, **how)
    if not session.speaks:
        return
    if as_json:
        asked = {"models": [str(path) for path in paths], "data": str(store.path), "split": chosen, "crops": int(crops)}
        print_json({**asked, **as_plain(tally, classes)})
    else:
        click.echo(f"{', '.join(map(str, paths))} on {chosen!r} of {store.path}")
        click.echo()
        _print(tally, classes, int(crops))
    if answers is not None and table is not None:
        write_text(answers, table.text, "surrogateescape")
    if confusion is not None:
        write_text(confusion, confusion_csv(tally, classes), "surrogateescape")
        drawn = confusion.with_suffix(".png")
        of = f"{store.path.name} ({chosen})"
        draw_along(session, "confusion", lambda: counted_as(models[0].net.spec.name, of, classes, tally), drawn)


def measure(session: Session, models: "Sequence[Model]", store: "Store", **how: Any) -> "Tally":
    """The models' counts on a split, as `alexnet.evaluation.evaluate.evaluate` finds them; progress shown."""
    from alexnet.cli.progress import Meter
    from alexnet.evaluation.evaluate import evaluate, other_pixels

    with Meter(session) as meter:
        if sentence := other_pixels(models, store):
            meter.warn(sentence)
        return evaluate(models, store, progress=meter.evaluating, **how)


def usual_split(session: Session, data: str, store: "Store") -> str:
    """The validation split; all of a folder that has no splits of its own, which is said.

    Raises ConfigError, naming those there are, for a store that has none to validate on.
    """
    from alexnet.cli.places import is_store

    if (
        not is_store(data)
        and store.manifest["source"]["name"] in ("folder", "list")
        and store.manifest["split"]["shares"]
    ):
        session.note(f"{data} has no splits of its own, so all of it is measured: {counted(len(store), 'photograph')}.")
        return "all"
    if "val" in store.splits:
        return "val"
    if len(store.splits) == 1:
        (only,) = store.splits
        session.note(f"{store.path} has the split {only!r} alone; taking that.")
        return only
    found = ", ".join(f"--split {name} ({count:,} photographs)" for name, count in store.splits.items())
    raise ConfigError(f"{store.path} has no photographs in the split 'val'; choose one that it has: {found}.")


def _seen(models: "Sequence[Model]", store: "Store", split: str) -> str | None:
    """A sentence for the reader when a model was trained on photographs of the split."""
    fingerprint = store.fingerprint[:16]
    seen = "train" in store.splits and any(fingerprint in str(model.provenance.get("data")) for model in models)
    if not seen or split not in ("all", "train"):
        return None
    held = ", ".join(f"--split {name}" for name in store.splits if name != "train")
    return (
        f"the model was trained on {store.splits['train']:,} of these photographs, so the errors flatter it"
        f"{f'; {held} has others' if held else ''}."
    )


def as_plain(tally: "Tally", classes: Sequence[str]) -> dict[str, Any]:
    """The tally as JSON types, errors of classes by name: `classes` are told apart."""
    plain = tally.to_json()
    for name in ("class_errors", "class_scores"):
        plain[name] = dict(zip(classes, plain[name], strict=True))
    plain["classes"] = list(classes)
    if tally.among is not None:
        plain["among_present"] = as_plain(tally.among, [classes[index] for index in tally.present.tolist()])
    return plain


def _print(tally: "Tally", classes: Sequence[str], crops: int) -> None:
    columns = [">images", ">crops", ">top-1 error", ">top-5 error", ">balanced", ">loss"]
    rows = [_row(tally, crops)]
    if tally.among is not None:
        columns.insert(0, "answers among")
        among = f"the {len(tally.present):,} classes present"
        rows = [[f"all {len(classes):,} classes", *rows[0]], [among, *_row(tally.among, crops)]]
    print_table(columns, rows)
    errors = [
        (error, name, scores["precision"], scores["f1"])
        for error, name, scores in zip(tally.class_errors(), classes, tally.class_scores(), strict=True)
        if error
    ]
    if not errors:
        return
    click.echo()
    worst = sorted(errors, key=lambda each: -each[0])[:ROWS]
    print_table(
        ["hardest classes", ">error", ">precision", ">F1"],
        [[name, *map(percent, (error, precision, f1))] for error, name, precision, f1 in worst],
    )
    click.echo()
    totals = tally.confusion.sum(1).tolist()
    mistakes = [
        (count, true, answer)
        for true, row in enumerate(tally.confusion.tolist())
        for answer, count in enumerate(row)
        if count and true != answer
    ]
    often = sorted(mistakes, key=lambda each: -each[0])[:ROWS]
    print_table(
        ["mistaken", "for", ">times"],
        [[classes[true], classes[answer], f"{count:,} of {totals[true]:,}"] for count, true, answer in often],
    )


def _row(tally: "Tally", crops: int) -> list[str]:
    top5 = tally.top5_error if tally.has_top5 else None
    errors = [percent(error, 2) for error in (tally.top1_error, top5, tally.balanced_error)]
    return [f"{tally.images:,}", str(crops), *errors, f"{tally.loss:.4f}"]


def confusion_csv(tally: "Tally", classes: Sequence[str]) -> str:
    """The confusion matrix as CSV: a row a true class, a column an answer."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["true class", *classes])
    table.writerows([name, *row] for name, row in zip(classes, tally.confusion.tolist(), strict=True))
    return text.getvalue()
