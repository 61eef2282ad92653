"""`alexnet show neighbours` and `units`: the photographs most alike, and those that move a unit."""

from pathlib import Path

import click

from alexnet.cli.evaluate import usual_split
from alexnet.cli.options import PATH, from_option, max_pixels_option, place_options, placed
from alexnet.cli.pictures import Picture, picture_options
from alexnet.cli.search import find_predictor
from alexnet.cli.session import Session
from alexnet.errors import ConfigError


@click.command()
@click.argument("features", type=PATH)
@click.argument("images", nargs=-1, required=True, type=PATH, metavar="IMAGE...")
@click.option("-k", type=click.IntRange(1, 12), default=6, show_default=True, metavar="N", help="Neighbours of each.")
@click.option("--stage", metavar="NAME", help="Which features.  [default: relu7, or the only ones]")
@click.option("--metric", default="euclidean", show_default=True, metavar="euclidean|cosine", help="Distance.")
@click.option("--model", type=PATH, metavar="MODEL", help="If it has moved: the model that the features are of.")
@max_pixels_option
@place_options
@picture_options
@click.pass_obj
def neighbours(
    session: Session,
    features: Path,
    images: tuple[Path, ...],
    k: int,
    stage: str | None,
    metric: str,
    model: Path | None,
    max_pixels: int | None,
    device: str,
    dtype: str,
    threads: int,
    picture: Picture,
) -> None:
    """Draw the photographs most like others (figure 4, right).

    FEATURES is a folder that `alexnet features` made.
    """
    from alexnet.evaluation.features import Features
    from alexnet.show.neighbours import neighbours, photographs_of

    picture.check()
    opened = Features.open(features)
    predictor = find_predictor(session, opened, model, device, dtype, threads, max_pixels)
    named = [(image.name, image) for image in images]
    pixels = None if picture.as_json else photographs_of(opened, predictor)
    found = neighbours(predictor, opened, named, k=k, stage=stage, metric=metric, pixels=pixels)
    picture.deliver(session, "neighbours", found)


@click.command()
@click.argument("model", type=PATH)
@click.argument("data")
@from_option
@click.option("--stage", default="relu5", show_default=True, metavar="NAME", help="A layer.")
@click.option("--units", "which", default="0-11", show_default=True, metavar="A-B,C", help="Which of it, from 0.")
@click.option("--split", metavar="NAME", help="train, val, test or all.  [default: val]")
@click.option(
    "-n", "count", type=click.IntRange(1, 20), default=9, show_default=True, metavar="N", help="Of each unit."
)
@click.option("--deconv", is_flag=True, help="Beneath each, what in it the unit answered to, by a deconvnet.")
@max_pixels_option
@place_options
@picture_options
@click.pass_obj
def units(
    session: Session,
    model: Path,
    data: str,
    location: Path | None,
    stage: str,
    which: str,
    split: str | None,
    count: int,
    deconv: bool,
    max_pixels: int | None,
    device: str,
    dtype: str,
    threads: int,
    picture: Picture,
) -> None:
    """Draw the parts of photographs that move units most.

    Each is cut to what the unit sees, its receptive field.
    """
    from alexnet.cli.places import find_model, find_store
    from alexnet.evaluation.predictor import Predictor
    from alexnet.show.photographs import of_store
    from alexnet.show.units import units
    from alexnet.weights.model_dir import load_model

    picture.check()
    wanted = _numbers(which)
    found = find_model(session, model)
    predictor = Predictor(found, placement=placed(device, dtype, threads))
    loaded = load_model(found) if deconv else None
    store = find_store(session, data, location, predictor.description.preparation, max_pixels)
    chosen = split or usual_split(session, data, store)
    photographs = of_store(predictor, store, store.split(chosen).tolist())
    numbers = units(predictor, photographs, stage, wanted, f"{store.path.name} ({chosen})", n=count, deconv=loaded)
    picture.deliver(session, "units", numbers)


def _numbers(text: str) -> list[int]:
    """`"0-3,7"` → [0, 1, 2, 3, 7]. Raises ConfigError for other text and for more than 40."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise ConfigError(f"--units takes numbers and ranges like 0-3,7, not {text!r}.")
        found += range(int(first), int(last or first) + 1)
    if not 0 < len(found) <= 40:
        raise ConfigError(f"At most 40 units fit in a picture; {text!r} are {len(found)}.")
    return list(dict.fromkeys(found))
