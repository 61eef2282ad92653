"""Which classes are taken for which: every number of a small matrix, the most frequent mistakes of a large one."""

import numpy as np
from matplotlib.figure import Figure

from alexnet.show.confusion import MOST, Confusion
from alexnet.show.figures.fonts import fitted, width
from alexnet.show.figures.sheet import GREY, INK, LIGHT, MARGIN, Sheet

SIZE = 8.0
LABEL = 2.2  # inches of a class's name, at most
PAIRS = 30
FULL = np.array([0.12, 0.44, 0.70])  # the colour of a share of 100 %


def figure(confusion: Confusion) -> Figure:
    """A matrix up to `MOST` classes, bars above."""
    return _matrix(confusion) if len(confusion.classes) <= MOST else _bars(confusion)


def _matrix(confusion: Confusion) -> Figure:
    counts, shares, classes = confusion.counts, confusion.shares(), confusion.classes
    count = len(classes)
    names = [fitted(name, LABEL, SIZE) for name in classes]
    label = max(width(name, SIZE) for name in names) + 0.1
    cell = max(0.3, width(f"{counts.max():,}", 7.0) + 0.12)
    caption = (
        "Rows: the class of a photograph. Columns: the network's answer. Numbers: photographs; the stronger the "
        "colour of a square, the larger its share of the row. On the right the error of each class."
    )
    error = 0.62
    body = label + count * cell + 0.05
    page = max(MARGIN * 2 + label + count * cell + error, 4.8)
    sheet = Sheet(page, body, f"{confusion.model} on {confusion.of}: which class is taken for which", caption, classes)
    left, top = MARGIN + label, label
    for row, name in enumerate(names):
        y = top + row * cell
        sheet.text(left - 0.07, y + cell / 2 - 0.07, name, SIZE, align="right")
        sheet.text(left + row * cell + cell / 2 - 0.07, top - 0.06, name, SIZE, upwards=True)
        for column in range(count):
            share, x = float(shares[row, column]), left + column * cell
            sheet.box(x, y, cell, cell, "#{:02x}{:02x}{:02x}".format(*_mixed(share)))
            sheet.frame(x, y, cell, cell, LIGHT, thick=0.4)
            if counts[row, column]:
                colour = "white" if share > 0.55 else INK
                number = f"{counts[row, column]:,}"
                sheet.text(x + cell / 2, y + cell / 2 - 0.065, number, 7.0, align="center", colour=colour)
        total = int(counts[row].sum())
        told = f"{100 * (1 - shares[row, row]):.0f} %" if total else "none"
        x = left + count * cell
        sheet.text(x + 0.08, y + cell / 2 - 0.07, told, SIZE, colour=GREY)
    return sheet.figure


def _bars(confusion: Confusion) -> Figure:
    pairs, classes = confusion.pairs(PAIRS), confusion.classes
    totals = confusion.counts.sum(1)
    caption = (
        f"The {len(pairs)} most frequent mistakes among {len(classes):,} classes: a matrix of so many cannot be read, "
        "so the whole of it is left to the CSV file and to --json. Bars: photographs of the class on the left that "
        "were answered with the class on the right, of how many."
        if pairs
        else f"No photograph of {int(totals.sum()):,} was answered wrongly."
    )
    row, bar = 0.22, 2.4
    most = max((number for number, *_ in pairs), default=1)
    page = 2 * MARGIN + 2 * LABEL + bar + 0.2
    names = [classes[place] for _, *places in pairs for place in places]
    title = f"{confusion.model} on {confusion.of}: which class is taken for which"
    sheet = Sheet(page, max(0.1, len(pairs) * row), title, caption, names)
    for number, (times, true, answer) in enumerate(pairs):
        y = number * row
        sheet.text(MARGIN + LABEL, y, classes[true], SIZE, room=LABEL, align="right")
        x = MARGIN + LABEL + 0.1
        sheet.box(x, y, bar * times / most, 0.16, "#cfe3f3")
        sheet.text(x + 0.05, y + 0.01, f"{times:,} of {totals[true]:,}", 7.5, colour=GREY)
        sheet.text(x + bar + 0.1, y, classes[answer], SIZE, room=LABEL)
    return sheet.figure


def _mixed(share: float) -> tuple[int, int, int]:
    red, green, blue = (round(255 * (1 + (end - 1) * share)) for end in FULL)
    return red, green, blue
