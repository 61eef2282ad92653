"""Photographs with those most like them: a row a query, as on the right of figure 4 of the paper."""

from matplotlib.figure import Figure

from alexnet.show.figures.sheet import GREY, LIGHT, MARGIN, Sheet
from alexnet.show.neighbours import Neighbours

PICTURE, GAP, LINE = 1.25, 0.15, 0.155
AFTER_QUERY = 0.3
WORDS = {"euclidean": "Euclidean distance", "cosine": "cosine distance"}


def figure(neighbours: Neighbours) -> Figure:
    """Queries on the left, behind a line their neighbours, nearest first."""
    most = max((len(found) for *_, found in neighbours.queries), default=0)
    row = PICTURE + 0.05 + 2 * LINE + GAP
    page = 2 * MARGIN + PICTURE + AFTER_QUERY + max(2, most) * (PICTURE + GAP) - GAP
    names = [name for name, *_ in neighbours.queries]
    names += [each.label or each.name for *_, found in neighbours.queries for each in found]
    caption = (
        f"On the left photographs, behind the line those of the {neighbours.images:,} in {neighbours.of} that are "
        f"nearest by {WORDS[neighbours.metric]} of their {neighbours.stage}, nearest first, each with its distance."
    )
    sheet = Sheet(page, len(neighbours.queries) * row - GAP, "The photographs most alike", caption, names)
    for number, (name, pixels, found) in enumerate(neighbours.queries):
        y = number * row
        sheet.image(pixels, MARGIN, y, PICTURE, PICTURE, smooth=True, frame=LIGHT)
        sheet.text(MARGIN, y + PICTURE + 0.05, name, 7.5, room=PICTURE, bold=True)
        x = MARGIN + PICTURE + AFTER_QUERY / 2
        sheet.line((x, y), (x, y + PICTURE), GREY)
        for place, each in enumerate(found):
            x = MARGIN + PICTURE + AFTER_QUERY + place * (PICTURE + GAP)
            if each.pixels is None:
                sheet.box(x, y, PICTURE, PICTURE, "#f4f4f4")
                sheet.text(x + 0.08, y + PICTURE / 2 - 0.08, "gone or changed", 7.5, colour=GREY, room=PICTURE - 0.1)
            else:
                sheet.image(each.pixels, x, y, PICTURE, PICTURE, smooth=True, frame=LIGHT)
            sheet.text(x, y + PICTURE + 0.05, each.label or each.name, 7.5, room=PICTURE)
            sheet.text(x, y + PICTURE + 0.05 + LINE, f"{each.distance:.4g}", 7.5, colour=GREY)
    return sheet.figure
