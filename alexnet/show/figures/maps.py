"""What the stages of a network make of one photograph."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from alexnet.show.figures.sheet import GREY, LEADING, LIGHT, MARGIN, Sheet, columns, grey_to_rgb, signed_to_rgb
from alexnet.show.maps import CENTRE, Maps, StageMaps

IN_ROW, IN_WIDE_ROW, MANY = 12, 24, 144  # maps; rows are wide where a stage shows many
TILE, SPACE, INDEX = 0.62, 0.06, 0.14
CROP = 1.5
SIZE = 8.5


def figure(maps: Maps, width: float | None = None) -> Figure:
    """The photograph as the network sees it, then the stages beneath each other, strongest maps first."""
    most = max((len(stage.order) for stage in maps.stages if len(stage.shape) == 3), default=0)
    in_row = columns(width, TILE, SPACE, IN_WIDE_ROW if most > MANY else IN_ROW)
    heights = [_height(stage, in_row) for stage in maps.stages]
    page = max(in_row * (TILE + SPACE) - SPACE, CROP) + 2 * MARGIN
    view = "" if maps.view == CENTRE else f", its view {maps.view}"
    caption = (
        "Each stage is drawn on one scale, which its heading says. The number beneath a map says which of the stage it "
        f"is, counted from 0; the first have the largest values. At the top: what the network was shown{view}."
    )
    sheet = Sheet(page, CROP + 0.15 + sum(heights), f"{maps.image} in {maps.model}", caption, [maps.image])
    sheet.image(maps.crop, MARGIN, 0, CROP, CROP, smooth=True, frame=LIGHT)
    y = CROP + 0.15
    for stage, height in zip(maps.stages, heights, strict=True):
        _stage(sheet, stage, y, in_row)
        y += height
    return sheet.figure


def _height(stage: StageMaps, in_row: int) -> float:
    if len(stage.shape) == 1:
        return SIZE * LEADING + 0.05 + 0.5 + 0.15
    return SIZE * LEADING + 0.05 + -(-len(stage.order) // in_row) * (TILE + INDEX + SPACE) + 0.1


def _stage(sheet: Sheet, stage: StageMaps, y: float, in_row: int) -> None:
    sheet.text(MARGIN, y, f"{stage.name}: {_words(stage)}", SIZE, room=sheet.width - 2 * MARGIN, bold=True)
    y += SIZE * LEADING + 0.05
    if len(stage.shape) == 1:
        values = _row(stage)
        sheet.image(_coloured(stage, values), MARGIN, y, sheet.width - 2 * MARGIN, 0.5, frame=LIGHT)
        return
    for number, (index, values) in enumerate(zip(stage.order.tolist(), stage.values, strict=True)):
        row, column = divmod(number, in_row)
        x, top = MARGIN + column * (TILE + SPACE), y + row * (TILE + INDEX + SPACE)
        sheet.image(_coloured(stage, values), x, top, TILE, TILE, frame=LIGHT)
        sheet.text(x + TILE / 2, top + TILE + 0.02, str(index), 7.0, align="center", colour=GREY)


def _words(stage: StageMaps) -> str:
    count = stage.shape[0]
    silent = f", {stage.silent:,} of {count:,} silent (0 everywhere)" if stage.silent else ""
    size = " × ".join(f"{each:,}" for each in stage.shape)
    most = max(abs(stage.low), abs(stage.high))
    if not most:
        return f"{size}{silent}; nothing answers here"
    if stage.low < 0:
        scale = f"white 0, red up to {most:.3g}, blue down to −{most:.3g}"
    else:
        scale = f"black 0, white {most:.3g}"
    units = "" if len(stage.shape) == 3 else " units, strongest first"
    return f"{size}{units}{silent}; {scale}"


def _coloured(stage: StageMaps, values: NDArray[np.float32]) -> NDArray[np.uint8]:
    most = max(abs(stage.low), abs(stage.high)) or 1.0
    return signed_to_rgb(values / most) if stage.low < 0 else grey_to_rgb(values / most)


def _row(stage: StageMaps) -> NDArray[np.float32]:
    return stage.values.reshape(1, -1)
