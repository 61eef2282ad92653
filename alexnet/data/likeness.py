"""When two photographs look alike."""

import numpy as np
from numpy.typing import NDArray

from alexnet.data.areas import area_sums


def outline(pixels: NDArray[np.uint8]) -> int:
    """64 bits: whether each of 8×8 areas is brighter than its left neighbour. Pixels are square, RGB.

    Photographs that agree in all of them look alike, which is a hint and no more.
    """
    areas = area_sums(pixels, 8).sum(axis=2)  # (8, 8)
    return int.from_bytes(np.packbits(areas > np.roll(areas, 1, axis=1)).tobytes())
