"""The kernels of a convolution as a picture: in colour for the first layer, plane by plane for deeper ones."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from alexnet.show.figures.sheet import GREY, INK, LEADING, LIGHT, MARGIN, Sheet, columns, signed_to_rgb
from alexnet.show.filters import SCALES, Filters

IN_ROW = 16
TILE, SPACE = 0.44, 0.05
PLANES = 32  # of a kernel, at most, in a deeper layer
KERNELS = 16  # of a deeper layer, at most


def figure(filters: Filters, width: float | None = None) -> Figure:
    """16 kernels a row, or as many as a page of `width` inches has room for; those of each tower together."""
    return _coloured(filters, width) if filters.kernels.shape[1] in (1, 3) else _planes(filters, width)


def _coloured(filters: Filters, page: float | None) -> Figure:
    count, channels, height, width = filters.kernels.shape
    per_tower = -(-count // filters.towers)
    in_row = min(columns(page, TILE, SPACE, IN_ROW), per_tower)
    rows = -(-per_tower // in_row)
    block = rows * (TILE + SPACE) + 8.5 * LEADING + 0.12
    across = max(in_row * (TILE + SPACE) - SPACE, 5.0 if page is None else 2.0)
    title = f"{filters.layer} of {_of(filters)}: {count} kernels of {height} × {width}"
    colours = "in colour" if channels == 3 else "in grey"
    caption = f"Weights {colours}: {SCALES[filters.scale]}. {_sorted(filters)}{_moved(filters)}"
    sheet = Sheet(across + 2 * MARGIN, filters.towers * block - 0.1, title, caption)
    tiles = to_tiles(filters.kernels, filters.scale)
    for tower in range(filters.towers):
        first, last = tower * per_tower, min((tower + 1) * per_tower, count)
        y = tower * block
        which = f", tower {tower + 1} of {filters.towers}" if filters.towers > 1 else ""
        sheet.text(MARGIN, y, f"maps {first}–{last - 1}{which}", colour=GREY)
        y += 8.5 * LEADING + 0.04
        for number in range(last - first):
            row, column = divmod(number, in_row)
            x = MARGIN + column * (TILE + SPACE)
            sheet.image(tiles[first + number], x, y + row * (TILE + SPACE), TILE, TILE)
            if filters.moved[first + number] and not filters.moved.all():
                sheet.box(x, y + row * (TILE + SPACE) + TILE + 0.01, TILE, 0.02, INK)
    return sheet.figure


def to_tiles(kernels: NDArray[np.float32], scale: str) -> NDArray[np.uint8]:
    """Kernels (K, 1 or 3, H, W) as RGB pixels (K, H, W, 3), by one of `SCALES`."""
    weights = kernels.transpose(0, 2, 3, 1).astype(np.float64)
    axes = (1, 2, 3) if scale == "each" else None
    low, high = weights.min(axes, keepdims=True), weights.max(axes, keepdims=True)
    if scale == "zero":
        high = np.maximum(abs(low), abs(high))
        low = -high
    shares = np.divide(weights - low, high - low, out=np.full_like(weights, 0.5), where=high > low)
    return np.repeat((shares * 255).round().astype(np.uint8), 3 // weights.shape[-1], axis=-1)


def _planes(filters: Filters, page: float | None) -> Figure:
    count, planes, height, width = filters.kernels.shape
    tile, space, label = 0.24, 0.03, 0.75
    room = None if page is None else page - label
    shown, across = min(count, KERNELS), min(planes, columns(room, tile, space, PLANES))
    most = float(np.abs(filters.kernels).max()) or 1.0
    title = f"{filters.layer} of {_of(filters)}: kernels of {height} × {width} over {planes} maps"
    caption = (
        f"A row is a kernel, a square its weights for one map that it reads: white 0, red up to {most:.3g}, blue down "
        f"to −{most:.3g}. The first {shown} of {count} kernels, the first {across} of {planes} maps. "
        f"{_sorted(filters)}{_moved(filters)}"
    )
    least = 5.0 if page is None else 0.0
    sheet = Sheet(max(label + across * (tile + space) + 2 * MARGIN, least), shown * (tile + space), title, caption)
    for row in range(shown):
        y = row * (tile + space)
        sheet.text(MARGIN, y + 0.03, f"map {filters.order[row]}", colour=GREY)
        for column in range(across):
            pixels = signed_to_rgb(filters.kernels[row, column] / most)
            sheet.image(pixels, MARGIN + label + column * (tile + space), y, tile, tile, frame=LIGHT)
    return sheet.figure


def _of(filters: Filters) -> str:
    return f"{filters.model}, untrained" if filters.untrained else filters.model


def _sorted(filters: Filters) -> str:
    where = ", inside each tower" if filters.towers > 1 else ""
    return {
        "as-is": "",
        "norm": f"In the order of their lengths{where}, the longest first. ",
        "smooth": f"In the order of their smoothness{where}, the smoothest first. ",
    }[filters.sort]


def _moved(filters: Filters) -> str:
    moved, count = int(filters.moved.sum()), len(filters.moved)
    if filters.untrained:
        return "This is the noise that kernels start as; nothing has been learned here."
    if moved == count:
        return f"All {count} are smoother than noise: they have moved away from their start."
    if not moved:
        return f"None of the {count} differs from the noise that kernels start as: nothing learned shows here yet."
    marked = " (underlined)" if filters.kernels.shape[1] in (1, 3) else ""
    return (
        f"{moved} of {count} are smoother than noise{marked}: they have moved away from their start. The others still "
        "look like the noise they began as, which is usual after a short training."
    )
