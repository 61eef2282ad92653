"""A page that pictures are laid out on: places in inches from the top left, texts that fit, and files of it.

A page begins with a title and a caption; what follows starts at y = 0 beneath them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon, Rectangle
from matplotlib.text import Text
from numpy.typing import NDArray

from alexnet.errors import ConfigError
from alexnet.show import drawing
from alexnet.show.dark import dark
from alexnet.show.figures.fonts import MISSING, drawable, fitted, properties, undrawable, wrapped
from alexnet.weights.files import writing

INK, GREY, LIGHT, GRID = "#222222", "#555555", "#d0d0d0", "#e6e6e6"
BLUE, ORANGE, TEAL = "#1f6fb2", "#c44e00", "#00795f"  # 4.5 : 1 and more on white; told apart by the colour-blind
LINES = (BLUE, ORANGE, TEAL, "#8a3b8f", "#7a6200", INK)
MARGIN = 0.25
LEADING = 1.45 / 72  # inches of a line for each point of its size
SUFFIXES = (".png", ".svg", ".pdf")
MOST_PIXELS = 4000  # of a side
# the same file for the same picture, whatever a matplotlibrc says
_SAVING: dict[Any, Any] = {"svg.hashsalt": "alexnet", "svg.fonttype": "none", "pdf.fonttype": 42, "text.usetex": False}
_METADATA = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


class Page(Figure):
    """A figure whose texts are as wide as `fonts.width` says: hinting widens them, by a tenth in coarse pixels."""

    def draw(self, renderer: RendererBase) -> None:
        """As any figure, without hinting."""
        with rc_context({"text.hinting": "no_hinting"}):
            super().draw(renderer)


class Sheet:
    """A white page `width` inches wide with room of `height` below its title and caption."""

    def __init__(self, width: float, height: float, title: str, caption: str = "", names: Sequence[str] = ()) -> None:
        self.width, room = width, width - 2 * MARGIN
        remark = ""
        if missing := undrawable((title, caption, *names)):
            caption = f"{caption} {MISSING}: a character that no font here has."
            remark = (
                f"No font here has all characters of the names, {MISSING} stands for the others (of which the first is "
                f"U+{ord(missing[0]):04X}); install a font that has them, such as Noto Sans CJK for Chinese."
            )
        head, body = wrapped(title, room, 12, bold=True), wrapped(caption, room, 8.5)
        self._top = MARGIN + 12 * LEADING * len(head) + 8.5 * LEADING * len(body) + 0.12
        total = self._top + height + MARGIN
        self.figure = Page(figsize=(width, total), facecolor="white")
        self.figure.set_label(remark)  # for whoever writes the file
        self._total = total
        self._axes = self.figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._axes.set_autoscale_on(False)
        self._axes.set_xlim(0, self.width)
        self._axes.set_ylim(self._total, 0)
        y = MARGIN - self._top
        for line in head:
            self.text(MARGIN, y, line, 12, bold=True)
            y += 12 * LEADING
        for line in body:
            self.text(MARGIN, y, line, 8.5, colour=GREY)
            y += 8.5 * LEADING

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 8.5,
        *,
        room: float | None = None,
        align: str = "left",
        bold: bool = False,
        colour: str = INK,
        upwards: bool = False,
    ) -> None:
        """A line of text whose top is at y; cut with … where it takes more than `room` inches.

        `upwards` turns it by 90°: it then begins at its lower end, and (x, y) is its lower left corner.
        """
        line = drawable(text) if room is None else fitted(text, room, size, bold=bold)
        self._axes.text(
            x,
            y + self._top,
            line,
            ha=align,
            va="bottom" if upwards else "top",
            rotation=90 if upwards else 0,
            color=colour,
            fontproperties=properties(line, size, bold),
            parse_math=False,
        )

    def image(
        self,
        pixels: NDArray[np.uint8],
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        smooth: bool = False,
        frame: str | None = None,
    ) -> None:
        """RGB pixels (H, W, 3), as squares or `smooth`, with a thin frame where a colour for it is given."""
        y += self._top
        how = "antialiased" if smooth else "nearest"
        extent = (x, x + width, y + height, y)
        # what imshow and add_patch do besides, for axes whose limits follow their content, takes most of their time
        image = AxesImage(self._axes, extent=extent, interpolation=how, origin="upper", zorder=1)
        image.set_data(pixels)
        self._axes.add_artist(image)
        if frame:
            self._axes.add_artist(
                Rectangle((x, y), width, height, fill=False, edgecolor=frame, linewidth=0.8, zorder=2)
            )

    def box(self, x: float, y: float, width: float, height: float, fill: str, *, hatched: bool = False) -> None:
        """A filled rectangle."""
        hatch, edge = ("////", "white") if hatched else (None, "none")
        place = (x, y + self._top)
        self._axes.add_artist(
            Rectangle(place, width, height, facecolor=fill, edgecolor=edge, hatch=hatch, linewidth=0, zorder=1)
        )

    def frame(self, x: float, y: float, width: float, height: float, colour: str, *, thick: float = 1.2) -> None:
        """An outline."""
        place = (x, y + self._top)
        self._axes.add_artist(Rectangle(place, width, height, fill=False, edgecolor=colour, linewidth=thick, zorder=3))

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: str = LIGHT) -> None:
        """A thin line."""
        (x1, y1), (x2, y2) = start, end
        self._axes.add_line(Line2D((x1, x2), (y1 + self._top, y2 + self._top), color=colour, linewidth=0.8, zorder=1))

    def plot(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes of their own at a place, with small ticks and no frame at the top and right."""
        left, bottom = x / self.width, 1 - (y + self._top + height) / self._total
        axes = self.figure.add_axes((left, bottom, width / self.width, height / self._total))
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8, colors=GREY, labelfontfamily=["DejaVu Sans"])
        axes.grid(axis="y", color=GRID, linewidth=0.7)
        axes.set_axisbelow(True)
        return axes


def figure_of(lines: drawing.Drawing) -> Figure:
    """A line drawing as a figure of its size at 96 pixels an inch."""
    figure = Page(figsize=(lines.width / 96, lines.height / 96), facecolor=lines.background)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, lines.width)
    axes.set_ylim(lines.height, 0)
    for order, shape in enumerate(lines.shapes):
        match shape:
            case drawing.Polygon(points, fill, stroke):
                axes.add_patch(Polygon(points, facecolor=fill, edgecolor=stroke, linewidth=0.5, zorder=order))
            case drawing.Line((x1, y1), (x2, y2), colour, dashed, width):
                style: Any = (0, (5, 4)) if dashed else "solid"
                axes.add_line(Line2D((x1, x2), (y1, y2), color=colour, ls=style, lw=width * 0.75, zorder=order))
            case drawing.Label(x, y, text, size, anchor, bold, colour):
                side = {"start": "left", "middle": "center", "end": "right"}[anchor]
                font = properties(drawable(text), size * 0.75, bold)
                axes.text(
                    x, y, drawable(text), ha=side, va="baseline", color=colour, fontproperties=font, parse_math=False,
                    zorder=order,
                )  # fmt: skip
    return figure


def darken(figure: Figure) -> None:
    """The figure for a dark page: every colour of texts, lines and areas is turned round, pictures stay as they are."""
    for artist in figure.findobj():
        match artist:
            case Text() | Line2D():
                artist.set_color(dark(to_hex(artist.get_color())))
            case Patch():
                face, edge = to_rgba(artist.get_facecolor()), to_rgba(artist.get_edgecolor())
                if face[3]:  # what is not drawn stays so
                    artist.set_facecolor(dark(to_hex(face)))
                if edge[3]:
                    artist.set_edgecolor(dark(to_hex(edge)))
    for axes in figure.axes:  # ticks that are not made yet
        axes.tick_params(colors=dark(GREY), grid_color=dark(GRID))


def columns(width: float | None, cell: float, gap: float, usual: int) -> int:
    """How many cells stand beside each other on a page `width` inches wide, at least one; `usual` without a width."""
    return usual if width is None else max(1, int((width - 2 * MARGIN + gap + 1e-9) / (cell + gap)))


def save(figure: Figure, path: Path, dpi: float = 150.0) -> None:
    """Writes the figure as PNG, SVG or PDF, as the file's name ends; the same figure gives the same bytes.

    Raises ConfigError for another ending, and for a PNG of more than `MOST_PIXELS` pixels a side; AlexNetError when it
    cannot be written.
    """
    suffix = check_name(path)
    largest = max(figure.get_size_inches()) * dpi
    if suffix == ".png" and largest > MOST_PIXELS:
        fits = int(MOST_PIXELS / max(figure.get_size_inches()))
        raise ConfigError(
            f"{path} would be {largest:,.0f} pixels long, more than {MOST_PIXELS:,}; take --dpi {fits}, or an .svg."
        )
    with rc_context(_SAVING), writing(path, "give another --out"):
        figure.savefig(path, dpi=dpi, metadata=_METADATA[suffix])


def check_name(path: Path) -> str:
    """The ending of a picture's name. Raises ConfigError for one that is none of `SUFFIXES`."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f"A picture is written as {', '.join(SUFFIXES)}; {path} ends with none of these.")
    return suffix


def grey_to_rgb(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Shares from 0 to 1 (H, W) as grey pixels (H, W, 3)."""
    return np.repeat((np.clip(values, 0, 1) * 255).round().astype(np.uint8)[..., None], 3, axis=-1)


def signed_to_rgb(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Shares from -1 to 1 (H, W) as pixels (H, W, 3): blue below 0, white at 0, red above, equally dark at the ends."""
    share = np.clip(values, -1, 1)[..., None]
    red, blue = np.array([0.70, 0.09, 0.17]), np.array([0.13, 0.40, 0.67])
    end = np.where(share >= 0, red, blue)
    return np.asarray(((1 + (end - 1) * np.abs(share)) * 255).round(), np.uint8)
