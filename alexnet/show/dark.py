"""Colours for a dark page: those of the light one with their lightness turned round, so that contrasts stay."""

from dataclasses import replace

from alexnet.show.drawing import Drawing, Label, Line, Polygon, Shape

DARKEST, LIGHTEST = 0.09, 0.96  # lightness that white and black become


def dark(colour: str) -> str:
    """What a colour (#rrggbb) of the light page is on the dark one: as colourful, as far from the background."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    lightness = (max(parts) + min(parts)) / 2
    turned = LIGHTEST + (DARKEST - LIGHTEST) * lightness
    return "#" + "".join(f"{round(255 * min(1.0, max(0.0, turned + each - lightness))):02x}" for each in parts)


def darkened(drawing: Drawing) -> Drawing:
    """The drawing for a dark page."""
    return replace(drawing, background=dark(drawing.background), shapes=tuple(map(_darkened, drawing.shapes)))


def _darkened(shape: Shape) -> Shape:
    match shape:
        case Polygon():
            return replace(shape, fill=dark(shape.fill), stroke=dark(shape.stroke))
        case Line() | Label():
            return replace(shape, colour=dark(shape.colour))
