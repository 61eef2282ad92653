"""A forest plot: a row an effect, a line its interval, a hollow mark the number that others gave."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from alexnet.show.figures.fonts import width
from alexnet.show.figures.sheet import BLUE, GREY, INK, MARGIN, ORANGE, Sheet
from alexnet.show.forest import Branch, Forest, Panel

ROW, BELOW = 0.26, 0.62
PLOT = 4.0  # inches
LABEL = 3.4
SIZE = 8.5
LINEAR, FAR = 2.0, 10.0  # points around 0 on an even scale, where some lie beyond `FAR`
POINTS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
RATIOS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


def figure(forest: Forest) -> Figure:
    """Rows in the order given, no effect a line down."""
    rows = [(panel, branch) for panel in forest.panels for branch in panel.branches]
    label = min(LABEL, max((width(branch.label, SIZE) for _, branch in rows), default=0.0) + 0.15)
    told = max((width(_told(panel, branch), SIZE) for panel, branch in rows), default=0.0) + 0.15
    heights = [ROW * max(1, len(panel.branches)) + BELOW for panel in forest.panels]
    page = 2 * MARGIN + label + PLOT + told
    sheet = Sheet(page, sum(heights), forest.title, forest.caption, [branch.label for _, branch in rows])
    start = 0.0
    for panel, height in zip(forest.panels, heights, strict=True):
        axes = sheet.plot(MARGIN + label, start, PLOT, height - BELOW)
        _draw(axes, panel)
        for number, branch in enumerate(panel.branches):
            top = start + number * ROW + ROW / 2 - 0.08
            sheet.text(MARGIN, top, branch.label, SIZE, room=label - 0.1)
            sheet.text(MARGIN + label + PLOT + told, top, _told(panel, branch), SIZE, align="right", colour=GREY)
        unit = panel.unit + (f"; logarithmic beyond ±{LINEAR:g}" if _is_wide(panel) else "")
        sheet.text(MARGIN + label + PLOT / 2, start + height - BELOW + 0.25, unit, SIZE, align="center")
        start += height
    return sheet.figure


def _draw(axes: Axes, panel: Panel) -> None:
    axes.spines["left"].set_visible(False)
    if panel.neutral:
        axes.set_xscale("log")
        known = _known(panel)
        low, high = min([*known, 0.8]) / 1.1, max([*known, 1.25]) * 1.1
        axes.set_xlim(low, high)
        axes.xaxis.set_major_locator(FixedLocator([tick for tick in RATIOS if low <= tick <= high]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    elif _is_wide(panel):
        low, high = min([*_known(panel), 0.0]) * 1.15 - 0.3, max([*_known(panel), 0.0]) * 1.15 + 0.3
        axes.set_xscale("symlog", linthresh=LINEAR, linscale=1.0)
        axes.set_xlim(low, high)
        ticks = [sign * tick for sign in (-1, 1) for tick in POINTS]
        axes.xaxis.set_major_locator(FixedLocator([0.0, *(tick for tick in ticks if low <= tick <= high)]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    axes.set_yticks([])
    axes.axvline(panel.neutral, color=INK, linewidth=0.9)
    for number, branch in enumerate(panel.branches):
        y = number + 0.5
        if branch.low is not None and branch.high is not None:
            axes.plot([branch.low, branch.high], [y, y], color=BLUE, linewidth=1.8, solid_capstyle="butt")
        marker = {"at least": ">", "at most": "<"}.get(branch.bound, "s")
        axes.plot([branch.mean], [y], marker=marker, markersize=5, color=BLUE)
        if branch.other is not None:
            axes.plot([branch.other], [y], marker="D", markersize=6, markerfacecolor="none", color=ORANGE)
    axes.set_ylim(max(1, len(panel.branches)), 0)


def _known(panel: Panel) -> list[float]:
    return [value for each in panel.branches for value in (each.low, each.high, each.other, each.mean) if value]


def _is_wide(panel: Panel) -> bool:
    """Whether effects of a point and of some tens are in it: an even scale would show the large ones alone."""
    return (
        not panel.neutral
        and max((abs(value) for value in _known(panel)), default=0.0) > FAR
        and (sum(abs(each.mean) < FAR / 2 for each in panel.branches) > 1)
    )


def _told(panel: Panel, branch: Branch) -> str:
    form = ".2f" if panel.neutral else "+z.1f"  # z: what rounds to 0 is not −0
    sign = {"at least": "≥ ", "at most": "≤ "}.get(branch.bound, "")
    mean, *ends = (
        f"{value:{form}}".replace("-", "−") for value in (branch.mean, branch.low, branch.high) if value is not None
    )
    interval = f" [{', '.join(ends)}]" if len(ends) == 2 else ""
    return f"{sign}{mean}{interval} (n = {branch.n})"
