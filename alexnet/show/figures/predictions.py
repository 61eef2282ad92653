"""Photographs with their five first answers, as on the left of figure 4 of the paper."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from alexnet.show.figures.answers import bars, bars_height, photograph
from alexnet.show.figures.sheet import GREY, LEADING, MARGIN, Sheet, columns
from alexnet.show.predictions import Answered, Predictions

IN_ROW = 4
CELL, PICTURE, GAP = 1.75, 1.75, 0.22
SIZE = 8.5


def figure(predictions: Predictions, width: float | None = None) -> Figure:
    """Four photographs a row, each with its class beneath where it is known, and its answers."""
    entries = predictions.entries
    across = min(columns(width, CELL, GAP, IN_ROW), len(entries))
    rows = -(-len(entries) // across)
    answers = max(len(entry.answers) for entry in entries)
    cell = PICTURE + 0.06 + SIZE * LEADING + 0.04 + bars_height(answers) + GAP
    page = max(across * (CELL + GAP) - GAP, 4.5 if width is None else CELL) + 2 * MARGIN
    names = [text for entry in entries for text in _texts(entry)]
    title = f"What {predictions.model} says of {predictions.of}"
    sheet = Sheet(page, rows * cell - GAP, title, " ".join(_caption(predictions)), names)
    for number, entry in enumerate(entries):
        row, column = divmod(number, across)
        x, y = MARGIN + column * (CELL + GAP), row * cell
        photograph(sheet, entry, x, y, PICTURE)
        y += PICTURE + 0.06
        if entry.true is None:
            sheet.text(x, y, entry.name, SIZE, room=CELL, colour=GREY)
        else:
            sheet.text(x, y, entry.true.name, SIZE, room=CELL, bold=True)
        bars(sheet, entry, x, y + SIZE * LEADING + 0.04, CELL)
    return sheet.figure


def _texts(entry: Answered) -> Iterator[str]:
    yield entry.name
    if entry.true is not None:
        yield entry.true.name
    yield from (answer.name for answer in entry.answers)


def _caption(predictions: Predictions) -> Iterator[str]:
    known = [entry for entry in predictions.entries if entry.true is not None]
    yield "Bars: the classes that the network finds most probable; a full bar is 100 %."
    if known:
        right = sum(entry.right is True for entry in known)
        among = sum(any(each.index == entry.true.index for each in entry.answers) for entry in known if entry.true)
        yield "Beneath each photograph its class, in orange and marked ✓ where it is among the answers:"
        yield f"first for {right} of {len(known)}, among the first {len(known[0].answers)} for {among}."
