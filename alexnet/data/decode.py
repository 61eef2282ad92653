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

import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import PurePosixPath
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, features

from alexnet.data.formats import READ, format_of, jpeg_frame, jpeg_refusal, why_not_read
from alexnet.data.heic import open_heic
from alexnet.data.jpeg import decode_quickly
from alexnet.data.png import lay_16_bit_key_on_white, scale_key
from alexnet.data.tiff import WHITE_IS_ZERO, TiffFacts, facts_of, tiff_facts
from alexnet.data.tiff_planes import joined
from alexnet.errors import ImageError

MAX_PIXELS: Final = 150_000_000
"""Photographs of more pixels are reduced or refused before they are decoded; one of as many takes 1 GB of memory."""

SUFFIXES: Final = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif", ".jif"), "JPEG"),
    **dict.fromkeys((".png", ".apng"), "PNG"),
    ".gif": "GIF",
    **dict.fromkeys((".bmp", ".dib"), "BMP"),
    ".webp": "WEBP",
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "PPM"),
    ".avif": "AVIF",
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIC"),
}
"""File name suffixes and the formats they promise; only these formats are ever decoded."""

_FORMATS = tuple(name for name in READ if name != "HEIC")  # those that Pillow decodes
_KINDS = {"MPO": "JPEG", "HEIF": "HEIC"}  # MPO: a JPEG with further pictures

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
    """A photograph's upright pixels, and what was done to make them so."""

    pixels: NDArray[np.uint8]  # RGB (H, W, 3)
    treatments: tuple[str, ...]
    orientation: int  # the EXIF orientation that was undone, or 1
    size: tuple[int, int]  # width and height of the file's picture, upright; that of the pixels unless reduced


def decode(content: bytes, name: str = "", max_pixels: int = MAX_PIXELS) -> Decoded:
    """The photograph in the bytes of an image file. Raises ImageError with the reason when it cannot be used.

    `name` is the file's name, used only to note a suffix that promises another format. A JPEG of more than `max_pixels`
    is read at a half, a quarter or an eighth of its size; another file of so many is refused.
    """
    facts = _facts(content)
    if facts and facts.in_planes:  # planes are decoded when they are opened
        _refuse_size(facts.width, facts.height, max_pixels)
    return _decode(lambda: _open(content, facts), content, name, max_pixels, facts)


def decode_image(image: Image.Image) -> Decoded:
    """The pixels of a Pillow image, in the frame that it stands at, as if of its file. Raises ImageError."""
    file = _file_of(image)
    facts = _facts(file) if file else _facts_in_hand(image)
    if facts and facts.in_planes:
        return decode(file)
    return _decode(lambda: image, None, "", MAX_PIXELS, facts, file)


def _decode(
    opened: Callable[[], Image.Image],
    content: bytes | None,
    name: str,
    max_pixels: int,
    facts: TiffFacts | None,
    file: bytes = b"",
) -> Decoded:
    """See `decode`; where there is no `content` to decode, `file` are the bytes that the image came from, if known."""
    treatments = []
    pixels = None
    try:
        with _caught_warnings() as caught:
            image = opened()
            size = image.size
            kind = _KINDS.get(str(image.format), str(image.format))
            if (reduced := _reduce(image, max_pixels, content is None)) is not None:
                treatments.append(reduced)
            if getattr(image, "is_animated", False):
                frame = image.tell()
                treatments.append(f"number {frame + 1} of several frames" if frame else "first of several frames")
            if kind == "PNG":  # its EXIF data may follow the pixels
                image.load()
            orientation = _orientation(image)
            if kind != "JPEG":  # JPEG never warns when decoded, so that is done where threads run in parallel
                image.load()
        plain = image.format == "JPEG" and image.mode == "RGB" and orientation not in _UPRIGHT and not reduced
        if plain and content is not None:
            pixels = decode_quickly(content)
        if pixels is None:
            image.load()
        if any(issubclass(warning.category, UserWarning) for warning in caught):
            treatments.append("unreadable metadata passed over")
        image, treatment = _to_rgb(image, content or file, facts)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(why_not_read(content or b"")) from error
    except Exception as error:  # the plugins raise almost anything on damaged files
        raise ImageError(_why(error)) from error

    turned = image.info.get("original_orientation")  # HEIC comes upright
    suffix = PurePosixPath(name).suffix
    if SUFFIXES.get(suffix.lower(), kind) != kind:
        treatments.append(f"decoded as {kind} although named {suffix}")
    treatments += treatment
    if orientation in _UPRIGHT:
        if kind != "TIFF":  # Pillow has turned it itself
            image = image.transpose(_UPRIGHT[orientation])
        treatments.append(f"turned upright (EXIF orientation {orientation})")
    elif turned in _UPRIGHT:
        treatments.append(f"turned upright (EXIF orientation {turned})")
    if orientation in _UPRIGHT and orientation > 4 and kind != "TIFF":
        size = size[::-1]
    found = np.asarray(image) if pixels is None else pixels
    height, width, _ = found.shape
    undone = orientation if orientation in _UPRIGHT else turned if turned in _UPRIGHT else 1
    return Decoded(found, tuple(treatments), undone, size if reduced else (width, height))


def _file_of(image: Image.Image) -> bytes:
    """The bytes of the file that an image was opened from, while it is open; empty afterwards."""
    stream = getattr(image, "fp", None)
    if stream is None:
        return b""
    place = stream.tell()
    stream.seek(0)
    content: bytes = stream.read()
    stream.seek(place)
    return content


def _facts(content: bytes) -> TiffFacts | None:
    """What a TIFF file says of itself. Raises ImageError for kinds of TIFF and JPEG that are not read."""
    kind = format_of(content)
    frame = jpeg_frame(content) if kind == "JPEG" else None
    facts = tiff_facts(content) if kind == "TIFF" else None
    refusal = jpeg_refusal(frame) if frame else facts.refusal if facts else None
    if refusal is not None:
        raise ImageError(refusal)
    return facts


def _facts_in_hand(image: Image.Image) -> TiffFacts | None:
    """What a TIFF image says of itself when its file is closed. Raises ImageError for kinds that are not read."""
    fields = getattr(image, "tag_v2", None)
    if image.format != "TIFF" or not fields:
        return None
    plain = {tag: value if isinstance(value, tuple) else (value,) for tag, value in dict(fields).items()}
    facts = facts_of({tag: value for tag, value in plain.items() if all(isinstance(each, int) for each in value)})
    if facts.refusal is not None or facts.in_planes:
        raise ImageError(facts.refusal or "its samples lie in separate planes, and its file is closed; give the file")
    return facts


def _open(content: bytes, facts: TiffFacts | None) -> Image.Image:
    """The file, its pixels not decoded yet. Pillow's own limit of pixels, lower than ours, is lifted meanwhile."""
    kind = format_of(content)
    if facts and facts.in_planes:
        return joined(content, facts)
    if kind == "HEIC":
        return open_heic(content)
    if kind == "AVIF" and not features.check("avif"):
        raise ImageError("it is an AVIF image, which this Pillow does not read; pip install 'pillow>=11.3'")
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        return Image.open(BytesIO(content), formats=_FORMATS)
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _reduce(image: Image.Image, max_pixels: int, in_hand: bool) -> str | None:
    """Have a JPEG of too many pixels decoded at reduced scale, and say so. Raises ImageError for another such file.

    An image `in_hand` is somebody's: it is left as it is.
    """
    width, height = image.size
    can = image.format in ("JPEG", "MPO") and not in_hand
    for scale in (2, 4, 8) if can and width * height > max_pixels else ():
        if -(-width // scale) * -(-height // scale) <= max_pixels:
            image.draft(image.mode, (width // scale, height // scale))
            return f"{width}×{height} pixels read at 1/{scale} of the size"
    _refuse_size(width, height, max_pixels)
    return None


def _refuse_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ImageError(f"it claims {width}×{height} pixels, more than {max_pixels:,}; --max-pixels raises the limit")


def _why(error: Exception) -> str:
    """The reason that a decoder's error gives: a kind that it does not know, or damage."""
    if re.search("unsupported|not supported|unknown raw mode|cannot handle|not available", str(error), re.IGNORECASE):
        return f"it is of a kind that is not read ({error})"
    return f"it is damaged: {error}"


@contextmanager
def _caught_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """A block in which warnings are collected: Pillow warns of odd metadata.

    One thread at a time, because the filters of `warnings` belong to the whole process.
    """
    with _lock, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def _orientation(image: Image.Image) -> int | None:
    """The EXIF orientation, None if there is none that can be read."""
    try:
        value = image.getexif().get(_ORIENTATION)
        return value if isinstance(value, int) else None
    except Exception as error:  # the parser raises almost anything, and the photograph is whole without it
        warnings.warn(str(error), stacklevel=1)
        return None


def _to_rgb(image: Image.Image, content: bytes, facts: TiffFacts | None) -> tuple[Image.Image, list[str]]:
    """The image in mode RGB and what was done beyond leaving it alone."""
    mode = image.mode
    if mode == "F":
        raise ImageError("its pixels are floating-point numbers without a stated range")
    if mode.startswith("I"):
        return _from_levels(image, facts)
    if image.has_transparency_data:
        if image.format == "PNG" and content and (laid := lay_16_bit_key_on_white(content, image)) is not None:
            return laid, ["transparency laid on white"]
        if image.format == "PNG" and content:
            scale_key(content, image)
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB"), ["transparency laid on white"]
    if mode == "RGB":
        return image, []
    converted = image.convert("RGB")
    names = {"1": "black and white", "L": "greyscale", "P": "a palette"}
    return converted, [f"converted from {names.get(mode, mode)}"]


def _from_levels(image: Image.Image, facts: TiffFacts | None) -> tuple[Image.Image, list[str]]:
    """The RGB image of grey levels of more than 8 bits (modes I;16 and, from some formats, I). Raises ImageError."""
    if image.mode == "I" and image.format is None:  # only a file says that its levels have 16 bits
        raise ImageError(
            "its pixels are 32-bit numbers without a stated range; scale them to 8 bits, or convert the image to mode "
            "I;16, in which 65535 is white"
        )
    white = facts.white if facts else 65535
    levels = np.asarray(image).astype(np.int32)  # (H, W)
    low, high = int(levels.min()), int(levels.max())
    if low < 0 or high > white:
        raise ImageError(f"its levels are from {low} to {high}, not from 0 (black) to {white} (white); scale them")
    if facts and facts.photometric == WHITE_IS_ZERO:
        levels = white - levels
    grey = ((levels * 255 + white // 2) // white).astype(np.uint8)
    treatments = [f"converted from {white.bit_length()}-bit greyscale"]
    if "transparency" in image.info:
        grey[levels == image.info["transparency"]] = 255
        treatments.append("transparency laid on white")
    return Image.fromarray(grey).convert("RGB"), treatments
