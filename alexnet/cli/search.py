"""`alexnet search`: the photographs most like others, by their features."""

import csv
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from alexnet.cli.options import PATH, Number, json_option, max_pixels_option, place_options, placed
from alexnet.cli.session import Session, common_options
from alexnet.cli.terminal import counted, duration, print_json, print_table
from alexnet.errors import ConfigError, DataError

if TYPE_CHECKING:
    from alexnet.evaluation.features import Features
    from alexnet.evaluation.predictor import Predictor

MANY, SAMPLE = 50_000, 2048  # photographs of which the time is said first; from as many as these
BELOW = {"euclidean": 1.0, "cosine": 0.01}


@click.command()
@click.argument("features", type=PATH)
@click.argument("images", nargs=-1, type=PATH, metavar="IMAGE...")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, metavar="N", help="Neighbours of each.")
@click.option("--stage", metavar="NAME", help="Which features.  [default: relu7, or the only ones]")
@click.option("--metric", metavar="euclidean|cosine", help="Distance.  [default: euclidean; cosine with --near-copies]")
@click.option("--near-copies", is_flag=True, help="Instead of IMAGE: all pairs that are nearly the same.")
@click.option("--below", type=Number(), metavar="X", help="With --near-copies: distance.  [default: cosine 0.01]")
@click.option("--model", type=PATH, metavar="MODEL", help="If it has moved: the model that the features are of.")
@max_pixels_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@place_options
@common_options
@click.pass_obj
def search(
    session: Session,
    features: Path,
    images: tuple[Path, ...],
    k: int,
    stage: str | None,
    metric: str | None,
    near_copies: bool,
    below: float | None,
    model: Path | None,
    max_pixels: int | None,
    as_json: bool,
    as_csv: bool,
    device: str,
    dtype: str,
    threads: int,
) -> None:
    """Find the photographs of FEATURES that are most like each IMAGE.

    FEATURES is a folder that `alexnet features` made. Distances are exact: those of brute force in
    float64 on the numbers stored, for near copies too.
    """
    from alexnet.evaluation.features import Features
    from alexnet.evaluation.search import METRICS, nearest
    from alexnet.evaluation.search import near_copies as pairs_below

    if near_copies == bool(images):
        raise ConfigError("Give photographs to look for, or --near-copies, and not both.")
    if as_json and as_csv:
        raise ConfigError("--json and --csv exclude each other; leave one out.")
    opened = Features.open(features)
    chosen = opened.stage(stage)
    how = metric or ("cosine" if near_copies else "euclidean")
    rows, norms = opened.array(chosen), opened.norms(chosen)
    if near_copies:
        limit = BELOW.get(how, 0.0) if below is None else below
        if len(rows) > MANY:
            began = perf_counter()
            pairs_below(rows[:SAMPLE], limit, how, norms=norms[:SAMPLE])
            taken = (perf_counter() - began) * (len(rows) / SAMPLE) ** 2
            session.note(f"About {duration(taken)} to compare all pairs of {counted(len(rows), 'photograph')}.")
        pairs = pairs_below(rows, limit, how, norms=norms)
        listed = [
            {"distance": each.distance, "image": _name(opened, each.first), "other": _name(opened, each.second)}
            for each in pairs
        ]
        _show(listed, as_json, as_csv)
        return
    if how not in METRICS:
        nearest(rows, rows[:0].reshape(0, 1), 1, how)  # says which there are
    predictor = find_predictor(session, opened, model, device, dtype, threads, max_pixels)
    queries = query_features(predictor, opened, chosen, images)
    found, measured = nearest(rows, queries, k, how, norms=norms)
    answers = [
        [
            {"row": row, "image": _name(opened, row), "label": opened.images[row]["label"], "distance": distance}
            for row, distance in zip(rows_found, far, strict=True)
        ]
        for rows_found, far in zip(found.tolist(), measured.tolist(), strict=True)
    ]
    told = list(zip(map(str, images), answers, strict=True))
    if as_json:
        asked = {"stage": chosen, "metric": how}
        print_json([{"query": query, **asked, "neighbours": neighbours} for query, neighbours in told])
        return
    flat = [{"query": query, **each} for query, neighbours in told for each in neighbours]
    _show(flat, as_json=False, as_csv=as_csv)


def find_predictor(
    session: Session,
    features: "Features",
    model: Path | None,
    device: str,
    dtype: str,
    threads: int,
    max_pixels: int | None,
) -> "Predictor":
    """The model that the features are of, in the numbers that they were made in. Raises DataError for another model."""
    from alexnet.cli.places import find_model
    from alexnet.data.decode import MAX_PIXELS
    from alexnet.evaluation.features import model_digest
    from alexnet.evaluation.predictor import Predictor

    told = features.description
    path = find_model(session, model) if model else Path(told["model"]["path"])
    if not path.exists():
        raise DataError(f"The model of {features.path} was at {path}, where there is nothing now; say --model MODEL.")
    if model_digest(path) != told["model"]["digest"]:
        raise DataError(f"{features.path} holds features of another model than {path}; distances would mean nothing.")
    placement = placed(device, told["dtype"] if dtype == "auto" else dtype, threads)
    return Predictor(path, placement=placement, max_pixels=max_pixels or MAX_PIXELS)


def query_features(predictor: "Predictor", features: "Features", stage: str, images: tuple[Path, ...]) -> Any:
    """The features (Q, D) of images, made as those of the folder were."""
    from alexnet.evaluation.extraction import Plan, reduced

    told = features.description
    plan = Plan((stage,), told["crops"], pool=told["pool"])
    found = reduced(predictor.stages(list(images), [stage], told["crops"])[stage], plan)
    return found.reshape(len(found), -1)


def _name(features: "Features", row: int) -> str:
    return str(features.images[row]["image"])


def _show(rows: list[dict[str, Any]], as_json: bool, as_csv: bool) -> None:
    if as_json:
        print_json(rows)
    elif as_csv:
        table = csv.DictWriter(sys.stdout, list(rows[0]) if rows else ["distance"], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    elif not rows:
        click.echo("None.")
    else:
        columns = list(rows[0])
        shown = [
            [f"{row[key]:.4f}" if key == "distance" else str("" if row[key] is None else row[key]) for key in columns]
            for row in rows
        ]
        print_table([f">{key}" if key in ("distance", "row") else key for key in columns], shown)
