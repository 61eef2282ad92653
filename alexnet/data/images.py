"""One photograph made square.

As in section 2 of the paper, its shorter side becomes 256 pixels long, then the central 256×256 are kept; another
`Preparation` may ask for another side and another rule. `alexnet.data.decode` says how each kind of file becomes
pixels.

All functions may be called from several threads and processes.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alexnet.data.decode import MAX_PIXELS, Decoded, decode, decode_image
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.resize import Box, resize
from alexnet.data.source import Prepared


def load_photograph(
    content: bytes, name: str = "", preparation: Preparation = DEFAULT, max_pixels: int = MAX_PIXELS
) -> Prepared:
    """The photograph in the bytes of an image file, resized as the preparation says; see `decode`.

    Raises ImageError with the reason when the photograph cannot be used.
    """
    return _prepared(decode(content, name, max_pixels), preparation)


def take_image(image: Image.Image, preparation: Preparation = DEFAULT) -> Prepared:
    """The photograph in a Pillow image, treated as the file that it was opened from would be.

    Of several frames, the one that the image stands at is taken. The image is loaded, and not changed otherwise. Raises
    ImageError with the reason when the photograph cannot be used.
    """
    return _prepared(decode_image(image), preparation)


def _prepared(decoded: Decoded, preparation: Preparation) -> Prepared:
    pixels = resized(decoded.pixels, preparation)
    return Prepared(pixels, decoded.treatments, decoded.size, decoded.orientation)


def resized(pixels: NDArray[np.uint8], preparation: Preparation) -> NDArray[np.uint8]:
    """The RGB pixels (H, W, 3) of any size as uint8 (side, side, 3), all as the preparation says."""
    height, width, _ = pixels.shape
    side, box = preparation.side, kept_part(width, height, preparation)
    return resize(np.ascontiguousarray(pixels), side, side, preparation.interpolation, box)


def kept_part(width: int, height: int, preparation: Preparation) -> Box:
    """The part of an upright photograph of `width` × `height` pixels that the preparation keeps."""
    return _BOXES[preparation.resize](width, height, preparation.side)


def _whole(width: int, height: int, _: int) -> Box:
    return 0, 0, width, height


def _square(width: int, height: int, _: int) -> Box:
    """The central square: to within half a pixel what is left of the whole image, resized and cropped afterwards.

    Nothing ever makes the whole of a very long one.
    """
    shorter = min(width, height)
    left, top = (width - shorter) / 2, (height - shorter) / 2
    return left, top, left + shorter, top + shorter


def _whole_pixels(width: int, height: int, side: int) -> Box:
    """What torchvision's Resize(side) and CenterCrop leave: the longer side rounded down, the crop on whole pixels.

    The values are theirs to within one grey level, the rounding between Pillow's two passes.
    """
    edges = []
    for length in (width, height):
        long = int(side * length / min(width, height))
        start = round((long - side) / 2)
        edges.append((start * length / long, (start + side) * length / long))
    (left, right), (top, bottom) = edges
    return left, top, right, bottom


_BOXES: dict[str, Callable[[int, int, int], Box]] = {"shorter": _square, "squash": _whole, "torchvision": _whole_pixels}
