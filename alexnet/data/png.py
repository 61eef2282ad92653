"""Transparent colours of PNG files, exactly: Pillow compares them in other numbers than the file's."""

from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GREY, COLOUR = 0, 2
"""Colour types, as byte 25 of a file says."""

_DEPTH, _COLOUR_TYPE = 24, 25
_STEP: Final = {1: 255, 2: 85, 4: 17, 8: 1, 16: 1}


def scale_key(content: bytes, image: Image.Image) -> None:
    """Bring a transparent grey level of 2 or 4 bits to the 8 bits that the pixels have been scaled to."""
    key = image.info.get("transparency")
    if content[_COLOUR_TYPE] == GREY and isinstance(key, int) and image.mode == "L":
        image.info["transparency"] = key * _STEP[content[_DEPTH]]


def lay_16_bit_key_on_white(content: bytes, image: Image.Image) -> Image.Image | None:
    """A loaded 16-bit colour image, its transparent colour made white; None for any other image.

    All 16 bits of a pixel count, and Pillow keeps the high byte: the file is decoded a second time for the low one.
    """
    key = image.info.get("transparency")
    if content[_COLOUR_TYPE] != COLOUR or content[_DEPTH] != 16 or key is None:
        return None
    high: NDArray[np.uint8] = np.array(image)
    with Image.open(BytesIO(content), formats=("PNG",)) as again:
        again.tile = [tile._replace(args="RGB;16L") for tile in again.tile]
        low = np.asarray(again)
    levels = high.astype(np.uint16) << 8 | low
    high[(levels == np.array(key, dtype=np.uint16)).all(axis=2)] = 255
    return Image.fromarray(high)
