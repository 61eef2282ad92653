"""The worst mistakes, each with the name of its file."""

from matplotlib.figure import Figure

from alexnet.show.figures.answers import photograph, sentence
from alexnet.show.figures.sheet import GREY, MARGIN, Sheet, columns
from alexnet.show.predictions import Errors

IN_ROW = 6
PICTURE, GAP, LINE = 1.6, 0.2, 0.155


def figure(errors: Errors, width: float | None = None) -> Figure:
    """Six photographs a row, worst first."""
    entries = errors.entries
    in_row = columns(width, PICTURE, GAP, IN_ROW)
    rows = -(-len(entries) // in_row)
    cell = PICTURE + 0.06 + 3 * LINE + GAP
    across = max(3 if width is None else 1, min(in_row, len(entries)))
    title = f"The worst mistakes of {errors.model} on {errors.of}"
    caption = (
        f"{errors.wrong:,} of {errors.images:,} photographs are answered wrongly; here are the {len(entries)} whose "
        "first answer is most above their own class. Said: the first answer, with its probability. Is: the class, with "
        "the probability that it was given."
        if entries
        else f"None of {errors.images:,} photographs is answered wrongly, so there is nothing to show."
    )
    names = [text for each in entries if each.true for text in (each.name, each.true.name, each.answers[0].name)]
    sheet = Sheet(across * (PICTURE + GAP) - GAP + 2 * MARGIN, max(0.1, rows * cell - GAP), title, caption, names)
    for number, entry in enumerate(entries):
        row, column = divmod(number, in_row)
        x, y = MARGIN + column * (PICTURE + GAP), row * cell
        photograph(sheet, entry, x, y, PICTURE)
        y += PICTURE + 0.06
        sheet.text(x, y, _ending(entry.name), 7.5, room=PICTURE, colour=GREY)
        sentence(sheet, "said", entry.answers[0], x, y + LINE, PICTURE)
        if entry.true is not None:
            sentence(sheet, "is", entry.true, x, y + 2 * LINE, PICTURE, bold=True)
    return sheet.figure


def _ending(name: str) -> str:
    """The end of a path, which says most: … and the last 26 characters of a longer one."""
    return name if len(name) <= 27 else "…" + name[-26:]
