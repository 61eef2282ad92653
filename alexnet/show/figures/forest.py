"""A forest plot: a row an effect, a line its interval, a hollow mark the number that others gave."""

from matplotlib.figure import Figure

from alexnet.show.figures.fonts import width
from alexnet.show.figures.sheet import BLUE, GREY, INK, MARGIN, ORANGE, Sheet
from alexnet.show.forest import Branch, Forest

ROW = 0.26
PLOT = 4.0  # inches
LABEL = 3.4
SIZE = 8.5


def figure(forest: Forest) -> Figure:
    """Rows in the order given, 0 a line down."""
    branches = forest.branches
    label = min(LABEL, max((width(branch.label, SIZE) for branch in branches), default=0.0) + 0.15)
    told = max((width(_told(branch), SIZE) for branch in branches), default=0.0) + 0.15
    tall = ROW * max(1, len(branches))
    page = 2 * MARGIN + label + PLOT + told
    sheet = Sheet(page, tall + 0.5, forest.title, forest.caption, [branch.label for branch in branches])
    axes = sheet.plot(MARGIN + label, 0, PLOT, tall)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.axvline(0, color=INK, linewidth=0.9)
    for number, branch in enumerate(branches):
        y = number + 0.5
        if branch.low is not None and branch.high is not None:
            axes.plot([branch.low, branch.high], [y, y], color=BLUE, linewidth=1.8, solid_capstyle="butt")
        axes.plot([branch.mean], [y], marker="s", markersize=5, color=BLUE)
        if branch.other is not None:
            axes.plot([branch.other], [y], marker="D", markersize=6, markerfacecolor="none", color=ORANGE)
        top = number * ROW + ROW / 2 - 0.08
        sheet.text(MARGIN, top, branch.label, SIZE, room=label - 0.1)
        sheet.text(MARGIN + label + PLOT + told, top, _told(branch), SIZE, align="right", colour=GREY)
    axes.set_ylim(max(1, len(branches)), 0)
    sheet.text(MARGIN + label + PLOT / 2, tall + 0.25, forest.unit, SIZE, align="center")
    return sheet.figure


def _told(branch: Branch) -> str:
    mean = f"{branch.mean:+.1f}"
    if branch.low is None or branch.high is None:
        return f"{mean} (n = {branch.n})"
    return f"{mean} [{branch.low:+.1f}, {branch.high:+.1f}] (n = {branch.n})"
