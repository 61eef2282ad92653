"""`alexnet predict`: what photographs show."""

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import click
from rich.cells import cell_len

from alexnet.cli.images import WORDS, expand
from alexnet.cli.options import PATH, crops_option, json_option, max_pixels_option, place_options, placed
from alexnet.cli.session import Session, common_options
from alexnet.cli.terminal import bar, counted, named, percent, print_json
from alexnet.errors import ConfigError

if TYPE_CHECKING:
    from alexnet.evaluation.answers import Prediction

SECONDS_BETWEEN_LINES = 10.0
COLUMNS = ("image", "rank", "class", "key", "index", "probability", "error")


@click.command()
@click.argument("model", type=PATH)
@click.argument("images", nargs=-1, required=True, metavar=WORDS)
@click.option(
    "-k", "--top", type=click.IntRange(min=1), default=5, metavar="N", show_default=True, help="Classes shown."
)
@crops_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, one line a class.")
@click.option("-b", "--batch-size", type=click.IntRange(min=1), metavar="N", help="Photographs at a time.")
@click.option("--list", "listed", is_flag=True, help='"-" is a list of paths, one a line.')
@max_pixels_option
@place_options
@common_options
@click.pass_obj
def predict(
    session: Session,
    model: Path,
    images: tuple[str, ...],
    top: int,
    crops: str,
    as_json: bool,
    as_csv: bool,
    batch_size: int | None,
    listed: bool,
    max_pixels: int | None,
    device: str,
    dtype: str,
    threads: int,
) -> int:
    """Rank the classes that images may show, with probabilities.

    MODEL is a model directory, or an ONNX file that `alexnet export` wrote. A folder stands for all images in it and
    below, a quoted pattern ('trip/**/*.jpg') for those that it matches, @FILE for those that a file lists, and "-" for
    one image on standard input, or for a list of them with --list. An image that cannot be read gets an error in its
    place, and the exit code is 1 then.
    """
    from alexnet.cli.places import find_model, is_model
    from alexnet.data.decode import MAX_PIXELS
    from alexnet.evaluation.predictor import Predictor

    if as_json and as_csv:
        raise ConfigError("--json and --csv exclude each other; leave one out.")
    if not is_model(model) and any(is_model(Path(image)) for image in images):
        raise ConfigError(f"MODEL comes first, and {model} is none: alexnet predict MODEL IMAGE…")
    chosen = expand(session, images, listed=listed)
    limit = max_pixels or MAX_PIXELS
    placement = placed(device, dtype, threads)
    if model.suffix == ".onnx" and not model.is_dir():
        if device not in ("auto", "cpu") or dtype not in ("auto", "fp32"):
            raise ConfigError("ONNX files run on the CPU in fp32; leave --device and --dtype out.")
        predictor = Predictor(model, max_pixels=limit)
    else:
        predictor = Predictor(find_model(session, model), placement=placement, max_pixels=limit)
    answers = _told(session, predictor.stream(chosen, top, int(crops), batch_size))
    if as_json:
        failed = _print_json(answers)
    else:
        failed = _print_csv(answers) if as_csv else print_bars(answers)
    return 1 if failed else 0


def _told(session: Session, answers: "Iterable[Prediction]") -> "Iterator[Prediction]":
    """The answers; how many there are is said now and then, where they do not appear on the screen themselves."""
    told = monotonic()
    for done, answer in enumerate(answers, 1):
        if not sys.stdout.isatty() and monotonic() - told >= SECONDS_BETWEEN_LINES:
            session.note(f"predicting: {counted(done, 'image')}")
            told = monotonic()
        yield answer


def _print_json(answers: "Iterable[Prediction]") -> bool:
    found = list(answers)
    print_json([prediction.to_json() for prediction in found])
    return any(prediction.error is not None for prediction in found)


def _print_csv(answers: "Iterable[Prediction]") -> bool:
    table = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    table.writeheader()
    failed = False
    for prediction in answers:
        plain = prediction.to_json()
        for rank, answer in enumerate(plain.get("predictions", ()), 1):
            table.writerow({"image": plain["image"], "rank": rank, **answer})
        if prediction.error is not None:
            failed = True
            table.writerow(plain)
    return failed


def print_bars(answers: "Iterable[Prediction]") -> bool:
    """Prints predictions for a person; returns whether an image could not be read."""
    from alexnet.data.source import told_apart

    failed = False
    for prediction in answers:
        click.echo(named(prediction.image))
        if prediction.error is not None:
            failed = True
            click.echo(f"  error: {prediction.error}")
        names = list(map(named, told_apart(prediction.answers)))
        width = max(map(cell_len, names), default=0)
        for answer, name in zip(prediction.answers, names, strict=True):
            drawn = bar(answer.probability)
            click.echo(f"  {name}{' ' * (width - cell_len(name))}  {percent(answer.probability):>7}  {drawn}".rstrip())
        click.echo()
    return failed
