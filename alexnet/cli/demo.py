"""`alexnet demo`: the main job from beginning to end, on the built-in pictures."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from alexnet.cli.options import PATH, place_options, placed
from alexnet.cli.pictures import draw_along
from alexnet.cli.session import Session, progress_options
from alexnet.cli.terminal import duration, percent, print_table

if TYPE_CHECKING:
    from alexnet.data.store import Store
    from alexnet.evaluation.answers import Prediction
    from alexnet.evaluation.predictor import Predictor
    from alexnet.weights.model_dir import Model

PICTURES = 5
DRAWN = 8
SPLIT = "test"


@click.command()
@click.option("-o", "--out", type=PATH, default="alexnet-demo", show_default=True, help="The folder for everything.")
@place_options
@progress_options
@click.pass_obj
def demo(session: Session, out: Path, device: str, dtype: str, threads: int) -> None:
    """Train, measure and use the network on the built-in pictures.

    Draws ten classes of everyday things, prepares them, trains the paper's network with the recipe "demo", measures it
    on pictures it has not seen, and names five of them. Takes a few minutes; the report is kept in the folder.
    """
    from alexnet.cli.evaluate import measure
    from alexnet.cli.progress import Meter
    from alexnet.cli.train import run_training
    from alexnet.data.prepare import prepare
    from alexnet.data.sources.table import open_source
    from alexnet.evaluation.linear import linear_error
    from alexnet.evaluation.predictor import Predictor
    from alexnet.model.variants import variant
    from alexnet.training.recipes import recipe
    from alexnet.training.train import Runtime
    from alexnet.weights.files import write_text, writing
    from alexnet.weights.model_dir import load_model

    began = monotonic()
    placement = placed(device, dtype, threads)
    with writing(out, "give another --out"):
        out.mkdir(parents=True, exist_ok=True)

    session.note("1/4  Drawing and preparing the built-in pictures")
    with Meter(session) as meter:
        store = prepare(open_source("shapes"), out / "shapes.store", workers=0, progress=meter.preparing)
    linear = linear_error(store, SPLIT)

    session.note(f"2/4  Training the paper's network on {store.splits['train']:,} of them")
    spec = variant("paper", classes=len(store.classes))
    runtime = Runtime(device=device, dtype=dtype, threads=threads)
    run = run_training(session, store, spec, recipe("demo"), out / "run", runtime)
    model = load_model(run.model)

    session.note(f"3/4  Measuring it on {store.splits[SPLIT]:,} that it has not seen")
    tallies = [measure(session, [model], store, split=SPLIT, crops=crops, placement=placement) for crops in (1, 10)]

    session.note(f"4/4  Naming {PICTURES} of those")
    pictures = _save_pictures(store, out / "pictures")
    predictor = Predictor(model, placement=placement)
    answers = predictor.predict(pictures)
    drawn = _draw(session, out, run.path, model, predictor, store, pictures[0])

    chance = 1 / len(store.classes)
    report = {
        "run": str(run.path),
        "model": str(run.model),
        "split": SPLIT,
        "images": tallies[0].images,
        "centre_crop": {"top1_error": tallies[0].top1_error, "top5_error": tallies[0].top5_error},
        "ten_crop": {"top1_error": tallies[1].top1_error, "top5_error": tallies[1].top5_error},
        "linear": {"top1_error": linear},
        "chance": {"top1_error": 1 - chance, "top5_error": max(0, 1 - 5 * chance)},
        "predictions": [
            {"true": path.stem, **answer.to_json()} for path, answer in zip(pictures, answers, strict=True)
        ],
        "seconds": round(monotonic() - began),
    }
    write_text(out / "report.json", json.dumps(report, indent=1) + "\n")
    _print(report, answers, out)
    if drawn:
        click.echo(f"Pictures {', '.join(map(str, drawn))}")


def _draw(
    session: Session, out: Path, run: Path, model: "Model", predictor: "Predictor", store: "Store", picture: Path
) -> list[Path]:
    """How it learned, its kernels, what it makes of a picture and what it says of eight: the pictures drawn."""
    from alexnet.show.curves import curves
    from alexnet.show.filters import filters
    from alexnet.show.maps import maps
    from alexnet.show.photographs import of_store
    from alexnet.show.predictions import predictions

    unseen = store.split(SPLIT)
    count = min(DRAWN, len(unseen))
    positions = [int(unseen[(2 * number + 1) * len(unseen) // (2 * count)]) for number in range(count)]
    of = f"{len(positions)} pictures that it has not seen"
    wanted: dict[str, Callable[[], Any]] = {
        "curves": lambda: curves([run]),
        "filters": lambda: filters(model),
        "maps": lambda: maps(predictor, picture, picture.name),
        "predictions": lambda: predictions(predictor, of_store(predictor, store, positions), of),
    }
    paths = {name: (run if name == "curves" else out) / f"{name}.png" for name in wanted}
    return [paths[name] for name, numbers in wanted.items() if draw_along(session, name, numbers, paths[name])]


def _save_pictures(store: "Store", folder: Path) -> list[Path]:
    """The first test picture of every other class as a PNG file, named after the class."""
    from PIL import Image

    folder.mkdir(exist_ok=True)
    rows = store.split(SPLIT)
    paths = []
    for label in range(0, 2 * PICTURES, 2):
        position = int(rows[store.labels[rows] == label][0])
        paths.append(folder / f"{store.class_names[label]}.png")
        Image.fromarray(store.read(position)).save(paths[-1])
    return paths


def _print(report: dict[str, Any], answers: "Sequence[Prediction]", out: Path) -> None:
    click.echo()
    click.echo(f"Errors on {report['images']:,} pictures that the network has not seen")
    click.echo()
    rows = (
        ("the network, centre crop", "centre_crop"),
        ("the network, ten crops", "ten_crop"),
        ("a linear classifier on the pixels", "linear"),
        ("chance", "chance"),
    )
    print_table(
        ["", ">top-1 error", ">top-5 error"],
        [[text, percent(report[key]["top1_error"]), percent(report[key].get("top5_error"))] for text, key in rows],
    )
    click.echo()
    cells = []
    for entry, answer in zip(report["predictions"], answers, strict=True):
        named = ", ".join(f"{each.name} {percent(each.probability)}" for each in answer.answers[:3])
        right = "right" if answer.answers[0].name == entry["true"] else "wrong"
        cells.append([answer.image, entry["true"], right, named])
    print_table(["picture", "shows", "", "the network says"], cells)
    click.echo()
    click.echo(f"Run      {report['run']}  (settings, logs, checkpoints)")
    click.echo(f"Model    {report['model']}")
    click.echo(f"Took     {duration(report['seconds'])}; this report as data: {out / 'report.json'}")
    click.echo()
    click.echo("Next     alexnet train YOUR_PHOTOGRAPHS --recipe small   (one sub-folder per class)")
    click.echo(f"         alexnet predict {quote(report['model'])} {quote(answers[0].image)}")
