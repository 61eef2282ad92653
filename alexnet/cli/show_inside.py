"""`alexnet show maps` and `saliency`: what a network makes of one photograph."""

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alexnet.cli.options import PATH, max_pixels_option, place_options, placed
from alexnet.cli.pictures import Picture, picture_options
from alexnet.cli.session import Session
from alexnet.errors import ConfigError

if TYPE_CHECKING:
    from alexnet.show.maps import Maps


@click.command()
@click.argument("model", type=PATH)
@click.argument("image", type=PATH)
@click.option(
    "--stage", "stages", default="", metavar="LAYERS|all", help="E.g. conv1,pool1.  [default: one a convolution]"
)
@click.option("--top", default="12", show_default=True, metavar="N|all", help="Maps of each stage, strongest first.")
@click.option(
    "--crop",
    "view",
    default="centre",
    show_default=True,
    metavar="NAME",
    help="Which of the ten test views: centre, top-left, bottom-right-mirrored, …",
)
@max_pixels_option
@place_options
@picture_options
@click.pass_obj
def maps(
    session: Session,
    model: Path,
    image: Path,
    stages: str,
    top: str,
    view: str,
    max_pixels: int | None,
    device: str,
    dtype: str,
    threads: int,
    picture: Picture,
) -> None:
    """Draw what the stages of a network make of a photograph.

    With --stage all, every stage becomes a picture of its own in a folder (maps, or what -o says), with index.html.
    """
    from alexnet.cli.places import find_model
    from alexnet.data.decode import MAX_PIXELS
    from alexnet.evaluation.predictor import Predictor
    from alexnet.show.maps import maps

    whole = stages == "all"
    if not (whole and not picture.as_json and picture.out and not picture.out.suffix):
        picture.check()
    if top != "all" and not (top.isdecimal() and int(top)):
        raise ConfigError(f"--top takes a number from 1 on, or all, not {top!r}.")
    placement = placed(device, dtype, threads)
    predictor = Predictor(find_model(session, model), placement=placement, max_pixels=max_pixels or MAX_PIXELS)
    spec = predictor.description.spec
    names = [layer.name for layer in spec.layers] if whole else list(filter(None, stages.split(",")))
    found = maps(predictor, image, image.name, names, top=None if top == "all" else int(top), view=view)
    if whole and not picture.as_json:
        _write_folder(session, found, picture)
    else:
        picture.deliver(session, "maps", found)


def _write_folder(session: Session, found: "Maps", picture: Picture) -> None:
    """A picture a stage, and a page that shows them beneath each other."""
    from dataclasses import replace

    from alexnet.show.figures.sheet import save
    from alexnet.weights.files import write_text, writing

    folder = picture.out or Path("maps")
    with writing(folder, "give another --out"):
        folder.mkdir(parents=True, exist_ok=True)
    for stage in found.stages:
        save(picture.draw("maps", replace(found, stages=(stage,))), folder / f"{stage.name}.png", picture.dpi)
    rows = "".join(f'<p><img src="{stage.name}.png" alt="{stage.name}"></p>\n' for stage in found.stages)
    title = escape(f"{found.image} in {found.model}")
    head = f'<!doctype html>\n<meta charset="utf-8">\n<title>{title}</title>\n'
    write_text(folder / "index.html", f"{head}<h1>{title}</h1>\n{rows}", "backslashreplace")
    click.echo(f"Pictures {folder}, {len(found.stages)} of them; open {folder / 'index.html'}")


@click.command()
@click.argument("model", type=PATH)
@click.argument("image", type=PATH)
@click.option(
    "--class", "category", metavar="NAME", help="Name or key of what is explained.  [default: the first answer]"
)
@click.option(
    "--method",
    "methods",
    default="gradient,gradcam,occlusion",
    show_default=True,
    metavar="LIST",
    help="Panels, of these three.",
)
@click.option("--window", type=int, default=32, show_default=True, metavar="N", help="Pixels that occlusion hides.")
@click.option("--stride", type=int, default=8, show_default=True, metavar="N", help="Pixels between two windows.")
@max_pixels_option
@picture_options
@click.pass_obj
def saliency(
    session: Session,
    model: Path,
    image: Path,
    category: str | None,
    methods: str,
    window: int,
    stride: int,
    max_pixels: int | None,
    picture: Picture,
) -> None:
    """Draw what in a photograph speaks for a class.

    By gradient, Grad-CAM and occlusion, a panel each. A panel says so where a method finds nothing.
    """
    from alexnet.cli.places import find_model
    from alexnet.data.decode import MAX_PIXELS
    from alexnet.show.saliency import saliency
    from alexnet.weights.model_dir import load_model

    picture.check()
    loaded = load_model(find_model(session, model))
    chosen = tuple(filter(None, methods.split(",")))
    most = max_pixels or MAX_PIXELS
    numbers = saliency(
        loaded, image, image.name, chosen, category=category, window=window, stride=stride, max_pixels=most
    )
    picture.deliver(session, "saliency", numbers)
