"""A photograph in coarse areas of one size, exact for every side: whatever order it is summed in, the same bits."""

from functools import cache

import numpy as np
from numpy.typing import NDArray


def area_sums(pixels: NDArray[np.uint8], areas: int) -> NDArray[np.float64]:
    """The sums over `areas` × `areas` squares that divide a photograph (side, side, C) up: (areas, areas, C).

    A pixel that an edge cuts counts in both squares, in each by the share that lies in it. The unit is 1 / areas² of a
    pixel value, so sums are whole numbers; those of a white photograph are 255 · side².
    """
    side = len(pixels)
    shares = _shares(side, areas)
    rows = shares @ pixels.reshape(side, -1).astype(np.float64)  # (areas, side · C)
    sums: NDArray[np.float64] = shares @ rows.reshape(areas, side, -1)
    return sums


@cache
def _shares(side: int, areas: int) -> NDArray[np.float64]:
    """How much of each pixel lies in each of the areas along one direction, in 1 / areas of it: (areas, side)."""
    pixels, edges = np.arange(side) * areas, np.arange(areas) * side
    begin, end = np.maximum.outer(edges, pixels), np.minimum.outer(edges + side, pixels + areas)
    return (end - begin).clip(0).astype(np.float64)
