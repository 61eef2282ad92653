"""Bundles of curves: each run a thin line, the mean of its kind a thick one with the kind's name at its end."""

from matplotlib.figure import Figure

from alexnet.show.bundles import Bundles
from alexnet.show.figures.fonts import fitted, properties, width
from alexnet.show.figures.sheet import INK, LINES, MARGIN, Sheet

WIDE, TALL, BETWEEN, LEFT = 4.6, 1.7, 0.55, 0.55
SIZE = 8.5
ROOM = 2.4  # for a name, at most


def figure(bundles: Bundles) -> Figure:
    """The panels beneath each other, with one scale for all."""
    names = [bundle.name for _, held in bundles.panels for bundle in held]
    room = min(ROOM, max((width(name, SIZE) for name in names), default=0.0) + 0.1)
    count = len(bundles.panels)
    sheet = Sheet(
        2 * MARGIN + LEFT + WIDE + 0.1 + room, count * (TALL + BETWEEN), bundles.title, bundles.caption, names
    )
    points = [point for _, held in bundles.panels for bundle in held for run in bundle.runs for point in run]
    right = max((x for x, _ in points), default=1.0) * 1.02
    top = 1.06 * max([*(y for _, y in points), *bundles.levels, 1e-12])
    for number, (title, held) in enumerate(bundles.panels):
        y = number * (TALL + BETWEEN) + 0.2
        sheet.text(MARGIN, y - 0.2, title, SIZE, bold=True)
        axes = sheet.plot(MARGIN + LEFT, y, WIDE, TALL)
        axes.set_xlim(0, right)
        axes.set_ylim(0, top)
        for level in bundles.levels:
            axes.axhline(level, color=INK, linewidth=0.7, linestyle=(0, (2, 2)))
        places: list[tuple[float, str, str]] = []
        for colour, bundle in zip(LINES, held, strict=False):
            for run in bundle.runs:
                axes.plot([x for x, _ in run], [value for _, value in run], color=colour, linewidth=0.6)
            if mean := bundle.mean():
                axes.plot([x for x, _ in mean], [value for _, value in mean], color=colour, linewidth=2.0)
                places.append((mean[-1][1] / top, bundle.name, colour))
        floor = 0.0
        for place, name, colour in sorted(places):
            floor = max(floor, place)
            text = fitted(name, room, SIZE)
            axes.text(
                1.02, floor, text, transform=axes.transAxes, color=colour, va="center", parse_math=False,
                fontproperties=properties(text, SIZE, bold=False),
            )  # fmt: skip
            floor += SIZE * 1.35 / 72 / TALL
    x = MARGIN + LEFT + WIDE / 2
    sheet.text(x, count * (TALL + BETWEEN) - 0.12, bundles.x, SIZE, align="center")
    return sheet.figure
