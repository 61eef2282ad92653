"""What all verbs that draw have in common: their options, the file they write, and the extra that they need."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alexnet.cli.options import PATH, NumberRange, json_option
from alexnet.cli.session import Session, common_options
from alexnet.cli.terminal import print_json
from alexnet.errors import AlexNetError, ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Picture:
    """What -o, --dpi, --width, --dark and --json ask for."""

    out: Path | None
    dpi: float
    as_json: bool
    width: float | None = None
    dark: bool = False

    def check(self) -> None:
        """Raises ConfigError for what cannot be written, before the work on it begins."""
        if self.as_json:
            return
        if not can_draw():
            raise ConfigError(
                "Pictures are drawn with matplotlib, which is not installed: pip install 'alexnet[see]'. The numbers "
                "alone need none: --json."
            )
        if self.out is not None:
            from alexnet.show.figures.sheet import check_name

            check_name(self.out)

    def deliver(self, session: Session, name: str, numbers: Any) -> None:
        """Prints the numbers as JSON; or draws them by `alexnet.show.figures.NAME`, and says where the picture is."""
        if self.as_json:
            print_json(numbers.to_json())
            return
        self.write(session, self.draw(name, numbers), self.out or Path(f"{name}.png"))

    def draw(self, name: str, numbers: Any) -> "Figure":
        """The figure that `alexnet.show.figures.NAME` makes of the numbers, as wide and dark as is asked for."""
        figure = draw(name, numbers, self.width)
        if self.dark:
            from alexnet.show.figures.sheet import darken

            darken(figure)
        return figure

    def write(self, session: Session, figure: "Figure", out: Path) -> None:
        """Writes a figure, says where it is, and what no font could draw."""
        from alexnet.show.figures.sheet import save

        save(figure, out, self.dpi)
        if remark := figure.get_label():
            session.note(str(remark))
        click.echo(f"Picture  {out}")


def draw(name: str, numbers: Any, width: float | None = None) -> "Figure":
    """The figure that `alexnet.show.figures.NAME` makes of the numbers, on a page of about `width` inches.

    Raises ConfigError where nothing can be laid out by a width.
    """
    make: Callable[..., Figure] = import_module(f"alexnet.show.figures.{name}").figure
    if width is None:
        return make(numbers)
    if "width" not in signature(make).parameters:
        raise ConfigError(f"The width of {name} follows from what it shows; leave --width out, and see --dpi.")
    return make(numbers, width=width)


def can_draw() -> bool:
    """Whether matplotlib, the extra `see`, is installed."""
    return find_spec("matplotlib") is not None


def picture_options(verb: F) -> F:
    """Adds -o, --dpi, --width, --dark and --json, handed over as `picture`, and what every verb has."""

    @wraps(verb)
    def with_picture(*words: Any, **options: Any) -> Any:
        asked = {name: options.pop(name) for name in ("out", "dpi", "as_json", "width", "dark")}
        return verb(*words, picture=Picture(**asked), **options)

    added: Any = json_option(common_options(with_picture))
    kind = NumberRange(min=20, max=1200)
    text = "Pixels an inch of a PNG."
    added = click.option("--dpi", type=kind, default=150, show_default=True, metavar="N", help=text)(added)
    added = click.option("--dark", is_flag=True, help="For a dark page; photographs stay as they are.")(added)
    room = NumberRange(min=3, max=30)
    text = "Width of the page, about.  [default: what suits it]"
    added = click.option("--width", type=room, metavar="INCHES", help=text)(added)
    text = "The picture: .png, .svg or .pdf.  [default: its name, .png, here]"
    decorated: F = click.option("-o", "--out", type=PATH, metavar="FILE", help=text)(added)
    return decorated


def draw_along(session: Session, name: str, numbers: "Callable[[], Any]", out: Path) -> bool:
    """Draws what nobody asked for by name, beside a verb's other results; says why where it cannot, and goes on."""
    if not can_draw():
        session.note(f"{out.name} is drawn where matplotlib is installed: pip install 'alexnet[see]'")
        return False
    try:
        from alexnet.show.figures.sheet import save

        save(draw(name, numbers()), out)
    except (AlexNetError, OSError) as error:
        session.warn(f"{out} was not drawn: {error}")
        return False
    return True


def draw_curves(session: Session, run: Path) -> None:
    """The curves of a run into its directory."""
    from alexnet.show.curves import curves

    if draw_along(session, "curves", lambda: curves([run]), run / "curves.png"):
        click.echo(f"Curves   {run / 'curves.png'}")
