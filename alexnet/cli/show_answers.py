"""`alexnet show predictions`, `errors` and `confusion`: what a network says of photographs, and where it is wrong."""

import csv
import io
import random
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alexnet.cli.evaluate import confusion_csv, measure, usual_split
from alexnet.cli.images import expand
from alexnet.cli.options import PATH, crops_option, from_option, max_pixels_option, place_options, placed
from alexnet.cli.pictures import Picture, picture_options
from alexnet.cli.session import Session
from alexnet.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from alexnet.data.store import Store
    from alexnet.show.predictions import Errors

split_option = click.option("--split", metavar="NAME", help="train, val, test or all.  [default: val]")


def n_option(default: int) -> "Callable[[Callable[..., None]], Callable[..., None]]":
    """Adds -n."""
    return click.option(
        "-n", "count", type=click.IntRange(1, 200), default=default, show_default=True, metavar="N", help="Photographs."
    )


@click.command()
@click.argument("model", type=PATH)
@click.argument("data", nargs=-1, required=True, metavar="STORE|IMAGE|FOLDER...")
@split_option
@n_option(8)
@click.option("--only-errors", is_flag=True, help="Of a store: the first that are answered wrongly.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Which ones of a store.")
@crops_option
@max_pixels_option
@place_options
@picture_options
@click.pass_obj
def predictions(
    session: Session,
    model: Path,
    data: tuple[str, ...],
    split: str | None,
    count: int,
    only_errors: bool,
    seed: int,
    crops: str,
    max_pixels: int | None,
    device: str,
    dtype: str,
    threads: int,
    picture: Picture,
) -> None:
    """Draw photographs with their answers (figure 4, left).

    Shown are the five classes that the network finds most probable.
    Photographs are image files, or N of a store, drawn at random, with their true classes.
    """
    from alexnet.cli.places import find_model, is_store, no_limit
    from alexnet.data.decode import MAX_PIXELS
    from alexnet.data.store import Store
    from alexnet.evaluation.predictor import Predictor
    from alexnet.show.photographs import of_images, of_store
    from alexnet.show.predictions import predictions

    picture.check()
    stored = len(data) == 1 and is_store(data[0])
    if only_errors and not stored:
        raise ConfigError("--only-errors needs photographs whose classes are known: give a store.")
    if max_pixels is not None and stored:
        raise no_limit(data[0])
    placement = placed(device, dtype, threads)
    predictor = Predictor(find_model(session, model), placement=placement, max_pixels=max_pixels or MAX_PIXELS)
    if stored:
        store = Store.open(data[0])
        chosen = split or usual_split(session, data[0], store)
        positions = [int(position) for position in store.split(chosen)]
        random.Random(seed).shuffle(positions)
        photographs = of_store(predictor, store, positions if only_errors else positions[:count])
        of = f"{min(count, len(positions))} photographs of {store.path.name} ({chosen})"
        if only_errors:
            of = f"photographs of {store.path.name} ({chosen}) that it gets wrong"
    else:
        images = list(expand(session, data))
        photographs = of_images(predictor, images[:count])
        of = "one photograph" if len(images) == 1 else f"{min(count, len(images))} of {len(images)} photographs"
    numbers = predictions(predictor, photographs, of, n=count, only_errors=only_errors, crops=int(crops))
    picture.deliver(session, "predictions", numbers)


@click.command()
@click.argument("model", type=PATH)
@click.argument("data")
@from_option
@split_option
@n_option(24)
@crops_option
@max_pixels_option
@place_options
@picture_options
@click.pass_obj
def errors(
    session: Session,
    model: Path,
    data: str,
    location: Path | None,
    split: str | None,
    count: int,
    crops: str,
    max_pixels: int | None,
    device: str,
    dtype: str,
    threads: int,
    picture: Picture,
) -> None:
    """Draw the worst mistakes, with the names of their files.

    DATA is what `alexnet evaluate` takes. Beside the picture errors.csv lists them.
    Wrongly labelled photographs often stand first.
    """
    from alexnet.cli.places import find_model, find_store
    from alexnet.evaluation.predictor import Predictor
    from alexnet.show.photographs import of_store
    from alexnet.show.predictions import errors

    picture.check()
    predictor = Predictor(find_model(session, model), placement=placed(device, dtype, threads))
    store = find_store(session, data, location, predictor.description.preparation, max_pixels)
    chosen = split or usual_split(session, data, store)
    photographs = of_store(predictor, store, store.split(chosen).tolist())
    numbers = errors(predictor, photographs, _of(store, chosen), n=count, crops=int(crops))
    picture.deliver(session, "errors", numbers)
    if not picture.as_json:
        listed = (picture.out or Path("errors.png")).with_suffix(".csv")
        _write_errors(numbers, listed)
        click.echo(f"List     {listed}")


@click.command()
@click.argument("model", type=PATH)
@click.argument("data")
@from_option
@split_option
@crops_option
@max_pixels_option
@place_options
@picture_options
@click.pass_obj
def confusion(
    session: Session,
    model: Path,
    data: str,
    location: Path | None,
    split: str | None,
    crops: str,
    max_pixels: int | None,
    device: str,
    dtype: str,
    threads: int,
    picture: Picture,
) -> None:
    """Draw which classes are taken for which.

    Up to 40 classes it is a matrix with every number; of more, the 30 most frequent mistakes, with the whole matrix in
    a CSV file beside the picture.
    """
    from alexnet.cli.places import find_model, find_store
    from alexnet.data.source import told_apart
    from alexnet.show.confusion import MOST, confusion
    from alexnet.weights.files import write_text
    from alexnet.weights.model_dir import load_model

    picture.check()
    placement = placed(device, dtype, threads)
    loaded = load_model(find_model(session, model))
    store = find_store(session, data, location, loaded.preparation, max_pixels)
    chosen = split or usual_split(session, data, store)
    tally = measure(session, [loaded], store, split=chosen, crops=int(crops), placement=placement)
    classes = told_apart(loaded.categories)
    numbers = confusion(loaded.net.spec.name, _of(store, chosen), classes, tally)
    picture.deliver(session, "confusion", numbers)
    if len(classes) > MOST and not picture.as_json:
        whole = (picture.out or Path("confusion.png")).with_suffix(".csv")
        write_text(whole, confusion_csv(tally, classes), "surrogateescape")
        click.echo(f"Matrix   {whole}")


def _of(store: "Store", split: str) -> str:
    return f"{store.path.name} ({split})"


def _write_errors(errors: "Errors", path: Path) -> None:
    from alexnet.weights.files import write_text

    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["image", "said", "probability", "is", "probability of that"])
    for entry in errors.entries:
        assert entry.true is not None
        first = entry.answers[0]
        table.writerow([entry.name, first.name, first.probability, entry.true.name, entry.true.probability])
    write_text(path, text.getvalue(), "surrogateescape")
