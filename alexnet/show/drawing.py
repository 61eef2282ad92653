"""Line drawings as data: polygons, lines and texts, in pixels from the top left; and as the text of an SVG file."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

FONT = "'DejaVu Sans', Verdana, sans-serif"
# Widths in DejaVu Sans, one of the widest fonts that a reader may have, as shares of the size.
_NARROW, _WIDE, _USUAL, _BOLD = 0.45, 0.99, 0.66, 1.14
Point = tuple[float, float]


@dataclass(frozen=True)
class Polygon:
    """A filled area with an outline."""

    points: tuple[Point, ...]
    fill: str
    stroke: str = "#333333"


@dataclass(frozen=True)
class Line:
    """A straight line."""

    start: Point
    end: Point
    colour: str = "#888888"
    dashed: bool = False
    width: float = 0.7


@dataclass(frozen=True)
class Label:
    """A text; (x, y) is on its base line, at its start, middle or end as `anchor` says."""

    x: float
    y: float
    text: str
    size: float = 10.0
    anchor: str = "start"
    bold: bool = False
    colour: str = "#222222"

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom: never less than what the text takes."""
        width = text_width(self.text, self.size, bold=self.bold)
        left = self.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * width
        return left, self.y - 0.8 * self.size, left + width, self.y + 0.25 * self.size


Shape = Polygon | Line | Label


@dataclass(frozen=True)
class Drawing:
    """Shapes on a sheet, later ones above earlier ones; `title` is what a screen reader says."""

    width: float
    height: float
    title: str
    shapes: tuple[Shape, ...]
    background: str = "#ffffff"


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """An upper bound for the width of a text in DejaVu Sans; no font is needed to work it out."""
    wide = sum(_NARROW if each in " .,:;'|!ijlI()[]" else _WIDE if each in "mMW%@" else _USUAL for each in text)
    return size * wide * (_BOLD if bold else 1.0)


def to_svg(drawing: Drawing) -> str:
    """The drawing as an SVG file, in which texts are texts. The same drawing gives the same bytes."""
    size = f'width="{_number(drawing.width)}" height="{_number(drawing.height)}"'
    box = f'viewBox="0 0 {_number(drawing.width)} {_number(drawing.height)}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} role="img" font-family="{FONT}">',
        f"<title>{escape(drawing.title)}</title>",
        f'<rect width="100%" height="100%" fill="{drawing.background}"/>',
        *map(_element, drawing.shapes),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _element(shape: Shape) -> str:
    match shape:
        case Polygon(points, fill, stroke):
            return f'<polygon points="{_points(points)}" fill="{fill}" stroke="{stroke}" stroke-width="0.6"/>'
        case Line((x1, y1), (x2, y2), colour, dashed, width):
            ends = " ".join(f'{key}="{_number(v)}"' for key, v in (("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)))
            dashes = ' stroke-dasharray="4 3"' if dashed else ""
            return f'<line {ends} stroke="{colour}" stroke-width="{width:g}"{dashes}/>'
        case Label(x, y, text, size, anchor, bold, colour):
            weight = ' font-weight="bold"' if bold else ""
            where = f'x="{_number(x)}" y="{_number(y)}" font-size="{size:g}" text-anchor="{anchor}"'
            return f'<text {where} fill="{colour}"{weight}>{escape(text)}</text>'


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _number(value: float) -> str:
    return f"{round(value, 2):g}"
