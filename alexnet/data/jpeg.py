"""JPEG files of pixels known to be RGB: what a store keeps, and the quick way for an ordinary photograph.

simplejpeg decodes where it is installed, Pillow otherwise; the pixels are the same.
"""

from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alexnet.errors import ImageError

try:
    import simplejpeg
except ImportError:  # the extra `fast`
    simplejpeg = None

MAX_STORED: Final = 150_000_000
"""Pixels of the largest JPEG that is taken for a stored photograph."""


def encode_jpeg(pixels: NDArray[np.uint8], quality: int = 90) -> bytes:
    """A JPEG file (4:2:0 chroma) of uint8 RGB pixels of shape (H, W, 3)."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    return stream.getvalue()


def decode_jpeg(content: bytes) -> NDArray[np.uint8]:
    """The uint8 RGB pixels (H, W, 3) of a file made by `encode_jpeg`. Raises ImageError if it is damaged."""
    return _decode_with_pillow(content) if simplejpeg is None else _decode_with_simplejpeg(content)


def _decode_with_simplejpeg(content: bytes) -> NDArray[np.uint8]:
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        if colours != "Gray" and height * width <= MAX_STORED:
            pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(content)
            return pixels
    except ValueError as error:
        raise ImageError("its content is not a whole JPEG image") from error
    if height * width > MAX_STORED:
        raise ImageError("its content is not a whole JPEG image")
    raise ImageError("its content is a JPEG image of mode L where RGB was stored")


def _decode_with_pillow(content: bytes) -> NDArray[np.uint8]:
    try:
        with Image.open(BytesIO(content), formats=("JPEG",)) as image:
            if image.mode == "RGB":
                return np.array(image)
    except Exception as error:  # the decoder raises almost anything on damaged files
        raise ImageError("its content is not a whole JPEG image") from error
    raise ImageError(f"its content is a JPEG image of mode {image.mode} where RGB was stored")


def decode_quickly(content: bytes) -> NDArray[np.uint8] | None:
    """The pixels of a whole JPEG file, which are Pillow's; None where simplejpeg is missing or finds any fault."""
    try:
        pixels: NDArray[np.uint8] | None = None if simplejpeg is None else simplejpeg.decode_jpeg(content)
    except ValueError:  # strict: also for what Pillow passes over, and it is Pillow that judges files
        return None
    return pixels
