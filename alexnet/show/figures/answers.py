"""A photograph with its first answers as bars: what several pictures are made of."""

from alexnet.evaluation.answers import Answer
from alexnet.show.figures.fonts import fitted, width
from alexnet.show.figures.sheet import GREY, INK, LIGHT, Sheet
from alexnet.show.predictions import Answered

BAR, BETWEEN = 0.19, 0.03
SIZE = 7.5
PALE, RIGHT = "#cfe3f3", "#f9cfae"  # bars; the class itself


def bars(sheet: Sheet, entry: Answered, x: float, y: float, room: float) -> None:
    """The answers beneath each other, the longest bar `room` wide for 100 %; the class is orange and has a ✓."""
    for number, answer in enumerate(entry.answers):
        top = y + number * (BAR + BETWEEN)
        is_class = entry.true is not None and entry.true.index == answer.index
        sheet.box(x, top, room, BAR, "#f4f4f4")
        sheet.box(x, top, max(0.01, room * answer.probability), BAR, RIGHT if is_class else PALE)
        share = f"{100 * answer.probability:.0f} %" if answer.probability >= 0.005 else "0 %"
        taken = width(share, SIZE) + 0.1
        name = f"✓ {answer.name}" if is_class else answer.name
        sheet.text(x + 0.04, top + 0.035, name, SIZE, room=room - taken - 0.06, bold=is_class)
        sheet.text(x + room - 0.04, top + 0.035, share, SIZE, align="right", colour=GREY)


def bars_height(count: int) -> float:
    """Inches that so many bars take."""
    return count * (BAR + BETWEEN)


def photograph(sheet: Sheet, entry: Answered, x: float, y: float, side: float) -> None:
    """The photograph as the network has it, square."""
    sheet.image(entry.pixels, x, y, side, side, smooth=True, frame=LIGHT)


def sentence(sheet: Sheet, word: str, answer: Answer, x: float, y: float, room: float, *, bold: bool = False) -> None:
    """A word, a class and its probability on one line, the class cut where it is too long."""
    share = f"{100 * answer.probability:.1f} %"
    left = room - width(f"{word} ", SIZE, bold) - width(share, SIZE) - 0.08
    sheet.text(x, y, f"{word} {fitted(answer.name, left, SIZE, bold=bold)}", SIZE, bold=bold, colour=INK)
    sheet.text(x + room, y, share, SIZE, align="right", colour=GREY)
