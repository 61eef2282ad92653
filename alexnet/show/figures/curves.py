"""Learning curves: a panel a quantity, a colour a run, its name at the end of its line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from alexnet.show.curves import Curve, Curves
from alexnet.show.figures import fonts
from alexnet.show.figures.fonts import fitted, properties
from alexnet.show.figures.sheet import INK, LIGHT, LINES, MARGIN, Sheet

WIDE, TALL, BETWEEN = 5.6, 2.1, 0.62
LEFT = 0.55
SIZE = 8.5
ROOM = 2.6  # for a label, at most
MARKED = 30  # epochs up to which each is a point
TITLES = {"error": "error, %", "loss": "loss, nats", "lr": "learning rate", "rate": "images a second"}
X_TITLES = {"epoch": "epoch", "images": "images seen", "hours": "hours of training"}


@dataclass(frozen=True)
class _Line:
    """One line of a panel."""

    run: Curve
    name: str  # with what parts it from what is said; cut where there is no room for both
    said: str
    values: Sequence[float | None]
    colour: str
    style: str


def figure(curves: Curves, width: float | None = None) -> Figure:
    """The panels beneath each other, over one axis."""
    lines = {panel: list(_lines(curves, panel)) for panel in curves.panels}
    widths = [fonts.width(line.name + line.said, SIZE) for each in lines.values() for line in each]
    room = min(ROOM, max(widths, default=0.0) + 0.1)
    count = len(curves.panels)
    names = ", ".join(run.name for run in curves.runs)
    if width is not None:
        room = min(room, width / 3)
    wide = WIDE if width is None else width - 2 * MARGIN - LEFT - 0.1 - room
    page = MARGIN + LEFT + wide + 0.1 + room + MARGIN
    body = count * (TALL + BETWEEN) - 0.12
    sheet = Sheet(
        page, body, f"How {names} learned", " ".join(_caption(curves, lines)), [run.name for run in curves.runs]
    )
    for number, panel in enumerate(curves.panels):
        top = number * (TALL + BETWEEN) + 0.2
        sheet.text(MARGIN, top - 0.2, TITLES[panel], SIZE, bold=True)
        axes = sheet.plot(MARGIN + LEFT, top, wide, TALL)
        _draw(axes, curves, panel, lines[panel])
        _label(axes, lines[panel], room)
        last = number == count - 1
        if last:
            sheet.text(MARGIN + LEFT + wide / 2, top + TALL + 0.22, X_TITLES[curves.axis], SIZE, align="center")
    return sheet.figure


def _lines(curves: Curves, panel: str) -> Iterator[_Line]:
    """What a panel shows: of one run all there is, of several what compares them."""
    several = len(curves.runs) > 1
    for number, run in enumerate(curves.runs):
        for place, (column, what, style, scale) in enumerate(_COLUMNS[panel]):
            values = [None if value is None else value * scale for value in run.columns.get(column, ())]
            if all(value is None for value in values) or (several and column == "val_top5_error"):
                continue
            last = next(value for value in reversed(values) if value is not None)
            said = f"{what} {_short(last, panel)}".strip()
            name = f"{run.name}, " if what else f"{run.name} "
            yield _Line(run, name if several else "", said, values, LINES[number if several else place], style)


_COLUMNS = {
    "error": (
        ("val_top1_error", "validation top-1", "solid", 100.0),
        ("train_error", "training", "dashed", 100.0),
        ("val_top5_error", "validation top-5", "dotted", 100.0),
    ),
    "loss": (("val_loss", "validation", "solid", 1.0), ("train_loss", "training", "dashed", 1.0)),
    "lr": (("lr", "", "solid", 1.0),),
    "rate": (("rate", "", "solid", 1.0),),
}


def _short(value: float, panel: str) -> str:
    return f"{value:.1f} %" if panel == "error" else f"{value:.3g}"


def _draw(axes: Axes, curves: Curves, panel: str, lines: Sequence[_Line]) -> None:
    longest = max(len(run.epochs) for run in curves.runs)
    for line in lines:
        y = [float("nan") if value is None else value for value in line.values]
        marker = "o" if longest <= MARKED else ""
        axes.plot(
            line.run.along(curves.axis),
            y,
            color=line.colour,
            linestyle=line.style,
            linewidth=1.6,
            marker=marker,
            markersize=2.5,
        )
    for drop in sorted({run.along(curves.axis)[number] for run in curves.runs for number in run.drops}):
        axes.axvline(drop, color=LIGHT, linewidth=1.0, zorder=0)
    known = [value for line in lines for value in line.values if value is not None]
    if panel == "error" and curves.level is not None:
        axes.axhline(curves.level, color=INK, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
        known.append(curves.level)
    axes.set_ylim(0, 1.06 * max([*known, 1e-12]) if known else 1.0)
    ends = [run.along(curves.axis)[-1] for run in curves.runs]
    axes.set_xlim(0, max(ends) * 1.02 or 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=curves.axis == "epoch"))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))


def _label(axes: Axes, lines: Sequence[_Line], room: float) -> None:
    """Each line's name at the height of its end, moved as little as keeps names apart."""
    low, high = axes.get_ylim()
    step = (SIZE * 1.35 / 72) / TALL * (high - low)
    ends = [next(value for value in reversed(line.values) if value is not None) for line in lines]
    order = sorted(range(len(lines)), key=lambda number: ends[number])
    places = [0.0] * len(lines)
    floor = low + step / 2
    for number in order:
        places[number] = floor = max(floor, ends[number])
        floor += step
    ceiling = high
    for number in reversed(order):
        places[number] = ceiling = min(ceiling, places[number])
        ceiling -= step
    for line, place in zip(lines, places, strict=True):
        name = fitted(line.name, max(0.0, room - fonts.width(f" {line.said}", SIZE)), SIZE)
        whole = line.name + line.said
        text = fitted(whole if fonts.width(whole, SIZE) <= room else f"{name} {line.said}", room, SIZE)
        axes.text(
            1.02, (place - low) / (high - low), text, transform=axes.transAxes, color=line.colour, va="center",
            fontproperties=properties(text, SIZE, bold=False), parse_math=False,
        )  # fmt: skip


def _caption(curves: Curves, lines: Mapping[str, Sequence[_Line]]) -> Iterator[str]:
    validated = [any(value is not None for value in run.columns["val_top1_error"]) for run in curves.runs]
    if {"error", "loss"} & set(curves.panels):
        yield "Dashed: training, a mean over each epoch as it went, with augmentation and dropout."
        if any(validated):
            yield "Solid: validation, after the epoch, without either."
        else:
            yield "There were no validation photographs."
    lacking = any(not each or any(line.values[-1] is None for line in each) for each in lines.values())
    yield f"Numbers are those of the last epoch{' that has them' if lacking else ''}."
    if curves.level is not None:
        yield f"The thin line across: {curves.level:g} %; {_reached(curves, curves.level)}."
    if any(run.drops for run in curves.runs):
        yield "Vertical lines: the learning rate drops."
    if len({run.data for run in curves.runs}) > 1:
        yield "These runs had different photographs, so their errors do not compare."


def _reached(curves: Curves, level: float) -> str:
    """When the training error of each run came down to the level."""
    several = len(curves.runs) > 1
    said = []
    for run in curves.runs:
        epoch = run.reached(level)
        when = "not reached yet" if epoch is None else f"in epoch {epoch}"
        said.append(f"{run.name} {when}" if several else when)
    return "the training error came down to it: " + ", ".join(said)
