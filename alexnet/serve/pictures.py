"""Numbers as pictures for the page: tiles in a PNG, a pixel a number. The page knows where each tile is."""

import warnings
from base64 import b64encode
from io import BytesIO
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLUMNS = 16
RED, BLUE = np.array([178, 24, 43]), np.array([33, 102, 172])  # equally dark


LARGE = 8_000_000  # pixels


def is_large(content: bytes) -> bool:
    """Whether the picture in a file takes much memory to decode; yes where its header does not say how large it is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is not decoded here
            width, height = Image.open(BytesIO(content)).size
    except Exception:  # the plugins raise almost anything on damaged files
        return True
    return width * height > LARGE


def png(pixels: NDArray[np.uint8]) -> bytes:
    """The file of grey (H, W) or RGB (H, W, 3) pixels."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def thumbnail(pixels: NDArray[np.uint8], side: int = 128) -> str:
    """RGB pixels (S, S, 3), smaller, as a data: URL."""
    file = BytesIO()
    Image.fromarray(pixels).resize((side, side)).save(file, "JPEG", quality=85)
    return data_url(file.getvalue(), "jpeg")


def data_url(content: bytes, kind: str = "png") -> str:
    """A picture as part of a text."""
    return f"data:image/{kind};base64," + b64encode(content).decode("ascii")


def grey(values: NDArray[np.float32], high: float) -> NDArray[np.uint8]:
    """0 and less as black, `high` as white."""
    share = np.clip(values / high, 0, 1) if high > 0 else np.zeros_like(values)
    return np.asarray((share * 255).round(), np.uint8)


def signed(values: NDArray[np.float32], most: float) -> NDArray[np.uint8]:
    """Values (…, H, W) as RGB (…, H, W, 3): 0 as white, `most` as red, its negative as blue."""
    share = np.clip(values / most, -1, 1)[..., None] if most > 0 else np.zeros((*values.shape, 1))
    end = np.where(share >= 0, RED, BLUE)
    return np.asarray((255 + (end - 255) * np.abs(share)).round(), np.uint8)


def tiles(planes: NDArray[np.uint8], gap: int = 0) -> NDArray[np.uint8]:
    """Planes (N, H, W) or (N, H, W, 3) beside each other, `COLUMNS` a row, with a white gap after each."""
    count, height, width, *channels = planes.shape
    columns = min(COLUMNS, count)
    rows = ceil(count / columns)
    sheet = np.full((rows * (height + gap), columns * (width + gap), *channels), 255, np.uint8)
    for number, plane in enumerate(planes):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        sheet[top : top + height, left : left + width] = plane
    return sheet
