"""Pictures and image files for tests."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ORIENTATION = 0x0112  # the EXIF tag


def picture(height: int, width: int, low: int = 0, high: int = 255, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth coloured noise."""
    coarse = np.random.default_rng(seed).integers(low, high + 1, (8, 8, 3), np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR))


def file_of(image: Image.Image | NDArray, kind: str = "PNG", **options: object) -> bytes:
    stream = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, kind, **options)
    return stream.getvalue()


def flat(mode: str, colour: object, **info: object) -> Image.Image:
    image = Image.new(mode, (300, 260), colour)
    image.info.update(info)
    return image
