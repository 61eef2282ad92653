"""`alexnet show architecture` and `alexnet show filters`: what a network is, and the kernels it has learned."""

from pathlib import Path

import click

from alexnet.cli.network import EPILOG, find_network, network_options
from alexnet.cli.options import PATH
from alexnet.cli.pictures import Picture, picture_options
from alexnet.cli.session import Session
from alexnet.cli.terminal import print_json
from alexnet.errors import ConfigError


@click.command(epilog=EPILOG)
@click.argument("model", default="paper")
@network_options
@picture_options
@click.pass_obj
def architecture(
    session: Session,
    model: str,
    settings: tuple[str, ...],
    input_size: str | None,
    classes: str | None,
    picture: Picture,
) -> None:
    """Draw a network to scale (figure 2).

    Its towers are its groups, and where one reaches another is marked.

    MODEL is a name (see: alexnet models) or a model directory. The file is architecture.svg unless -o says otherwise;
    an SVG needs no extra.
    """
    from alexnet.show.architecture import architecture, to_json
    from alexnet.show.dark import darkened
    from alexnet.show.drawing import to_svg
    from alexnet.weights.files import write_text

    spec = find_network(session, model, settings, input_size=input_size, classes=classes)
    out = picture.out or Path("architecture.svg")
    if picture.width is not None:
        raise ConfigError("The width of an architecture follows from its layers; leave --width out, and see --dpi.")
    drawing = darkened(architecture(spec)) if picture.dark else architecture(spec)
    if picture.as_json:
        print_json(to_json(spec))
    elif out.suffix.lower() == ".svg":
        write_text(out, to_svg(drawing))
        click.echo(f"Picture  {out}")
    else:
        picture.check()
        from alexnet.show.figures.sheet import figure_of

        picture.write(session, figure_of(drawing), out)


@click.command()
@click.argument("model", type=PATH)
@click.option("--layer", default="conv1", show_default=True, metavar="NAME", help="A convolution.")
@click.option(
    "--scale",
    default="together",
    show_default=True,
    metavar="together|each|zero",
    help="Black and white: the extremes of all kernels, of each, or the same on both sides of 0.",
)
@click.option(
    "--sort",
    default="as-is",
    show_default=True,
    metavar="as-is|norm|smooth",
    help="Order inside each tower: the network's, longest first, smoothest first.",
)
@click.option("--untrained", is_flag=True, help="The same network before training, to compare with.")
@picture_options
@click.pass_obj
def filters(
    session: Session, model: Path, layer: str, scale: str, sort: str, untrained: bool, picture: Picture
) -> None:
    """Draw the kernels of a convolution (figure 3).

    MODEL is a model directory, a run directory or an imported model. The picture says how many kernels have moved away
    from the noise that they began as.
    """
    from alexnet.cli.places import find_model
    from alexnet.show.filters import filters
    from alexnet.weights.model_dir import load_model

    picture.check()
    loaded = load_model(find_model(session, model))
    picture.deliver(session, "filters", filters(loaded, layer, scale, sort=sort, untrained=untrained))
