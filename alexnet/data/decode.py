"""The pixels of a photograph's file.

How each kind of file is treated:

- its content decides the format; a name that says another one is noted
- EXIF orientation is applied; metadata that cannot be read is passed over and noted
- colour profiles are not applied
- CMYK (stored inverted, as Adobe does), greyscale and palette become RGB
- alpha, and transparent colours, are laid on white
- 16-bit grey is scaled to 8 bits (65535 becomes 255); 16-bit colour keeps its high byte
- of several frames or pictures, the first is taken
- photographs of fewer pixels than are asked for are enlarged afterwards
- refused: truncated or damaged files, no image at all, no width or height, more than `MAX_PIXELS` pixels,
  floating-point pixels

All functions may be called from several threads and processes.
"""

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import PurePosixPath
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from alexnet.data.jpeg import decode_quickly
from alexnet.errors import ImageError

MAX_PIXELS: Final = 150_000_000
"""Photographs of more pixels are refused before they are decoded; one of as many takes 1 GB of memory."""

SUFFIXES: Final = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".ppm": "PPM",
    ".pgm": "PPM",
}
"""File name suffixes and the formats they promise; only these formats are ever decoded."""

_FORMATS = tuple(dict.fromkeys(SUFFIXES.values()))

_UPRIGHT = {  # EXIF orientation: what turns the stored picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112

_lock = threading.Lock()


class Decoded(NamedTuple):
    """Upright RGB pixels (H, W, 3), what was done to make them so, and the EXIF orientation that was undone, or 1."""

    pixels: NDArray[np.uint8]
    treatments: tuple[str, ...]
    orientation: int


def decode(content: bytes, name: str) -> Decoded:
    """The pixels in the bytes of an image file called `name`. Raises ImageError with the reason why not."""
    return _decode(lambda: Image.open(BytesIO(content), formats=_FORMATS), content, name)


def decode_image(image: Image.Image) -> Decoded:
    """The pixels of a Pillow image, in the frame that it stands at, as if of its file. Raises ImageError."""
    return _decode(lambda: image, None, "")


def _decode(opened: Callable[[], Image.Image], content: bytes | None, name: str) -> Decoded:
    """See `decode`; `content` is None where there is no file."""
    treatments = []
    pixels = None
    try:
        with _caught_warnings() as caught:
            image = opened()
            _refuse_size(image)
            kind = "JPEG" if image.format == "MPO" else str(image.format)  # MPO: a JPEG with further pictures
            if getattr(image, "is_animated", False):
                frame = image.tell()
                treatments.append(f"number {frame + 1} of several frames" if frame else "first of several frames")
            if kind == "PNG":  # its EXIF data may follow the pixels
                image.load()
            orientation = _orientation(image)
            if kind != "JPEG":  # JPEG never warns when decoded, so that is done where threads run in parallel
                image.load()
        plain = image.format == "JPEG" and image.mode == "RGB" and orientation not in _UPRIGHT
        if plain and content is not None:
            pixels = decode_quickly(content)
        if pixels is None:
            image.load()
        if any(issubclass(warning.category, UserWarning) for warning in caught):
            treatments.append("unreadable metadata passed over")
        image, treatment = _to_rgb(image)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"it claims more than {MAX_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        raise ImageError(_unidentified(content or b"")) from error
    except Exception as error:  # the plugins raise almost anything on damaged files
        raise ImageError(f"it is damaged: {error}") from error

    suffix = PurePosixPath(name).suffix
    if SUFFIXES.get(suffix.lower(), kind) != kind:
        treatments.append(f"decoded as {kind} although named {suffix}")
    treatments += treatment
    if orientation in _UPRIGHT:
        if kind != "TIFF":  # Pillow has turned it itself
            image = image.transpose(_UPRIGHT[orientation])
        treatments.append(f"turned upright (EXIF orientation {orientation})")
    upright = np.asarray(image) if pixels is None else pixels
    return Decoded(upright, tuple(treatments), orientation if orientation in _UPRIGHT else 1)


@contextmanager
def _caught_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """A block in which warnings are collected: Pillow warns of odd metadata and of sizes under our own limit.

    One thread at a time, because the filters of `warnings` belong to the whole process.
    """
    with _lock, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def _refuse_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(f"it claims {image.width}×{image.height} pixels, more than {MAX_PIXELS:,}")


def _orientation(image: Image.Image) -> int | None:
    """The EXIF orientation, None if there is none that can be read."""
    try:
        value = image.getexif().get(_ORIENTATION)
        return value if isinstance(value, int) else None
    except Exception as error:  # the parser raises almost anything, and the photograph is whole without it
        warnings.warn(str(error), stacklevel=1)
        return None


def _unidentified(content: bytes) -> str:
    """Why no decoder took the file."""
    if not content:
        return "the file is empty"
    return f"it is no {', '.join(_FORMATS)} image, or its header is damaged or gives it no width or height"


def _to_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """The image in mode RGB and what was done beyond leaving it alone."""
    mode = image.mode
    if mode == "F":
        raise ImageError("its pixels are floating-point numbers, of which no range is stated")
    if mode.startswith("I"):
        return _from_16_bit(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB"), ["transparency laid on white"]
    if mode == "RGB":
        return image, []
    converted = image.convert("RGB")
    names = {"1": "black and white", "L": "greyscale", "P": "a palette"}
    return converted, [f"converted from {names.get(mode, mode)}"]


def _from_16_bit(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """The RGB image of 16-bit grey levels (modes I;16 and, from some formats, I)."""
    levels = np.asarray(image).astype(np.int32)  # (H, W)
    if levels.min() < 0 or levels.max() > 65535:
        raise ImageError(f"its grey levels reach from {levels.min()} to {levels.max()}, beyond 16 bits")
    grey = ((levels + 128) // 257).astype(np.uint8)  # 65535 / 255 = 257
    treatments = ["converted from 16-bit greyscale"]
    if "transparency" in image.info:
        grey[levels == image.info["transparency"]] = 255
        treatments.append("transparency laid on white")
    return Image.fromarray(grey).convert("RGB"), treatments
