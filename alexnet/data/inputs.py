"""A photograph in whatever form a program has it, as a network is to see it."""

import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alexnet.data.decode import MAX_PIXELS
from alexnet.data.images import load_photograph, resized, take_image
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.source import Prepared
from alexnet.data.sources.files import MAX_BYTES
from alexnet.errors import ConfigError, ImageError
from alexnet.reading import UnfitFileError, read_file


class OpenFile(Protocol):
    """A file open for reading in binary, or what reads like one."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, as many at most; none at the end."""


ImageInput = str | os.PathLike[str] | bytes | OpenFile | Image.Image | NDArray[np.uint8]
"""One image: the path of a file, its bytes, an open file, a Pillow image, or RGB pixels (H, W, 3) from 0 to 255."""

_FORMS = "a path, bytes, a file opened in binary, a Pillow image, or a NumPy array (H, W, 3) of uint8"
_loading = threading.Lock()
BLOCK = 1 << 20  # bytes that are asked for at once


def is_one(images: object) -> TypeGuard[ImageInput]:
    """Whether `images` is one image, and not several. An array of four axes is as many images as its first is long."""
    if isinstance(images, np.ndarray):
        return images.ndim < 4 and images.dtype.kind not in "OSU"  # of objects and texts: an array of images
    return isinstance(images, str | os.PathLike | bytes | bytearray | memoryview | Image.Image) or _is_file(images)


def named(images: ImageInput | Iterable[ImageInput]) -> Iterator[tuple[str, ImageInput]]:
    """The images with their names: of a file its path as given, of what has none its number in brackets, from 0 on.

    One image that is no file and comes alone has an empty name. Raises ConfigError when `images` is neither an image
    nor something to go through.
    """
    if is_one(images):
        return iter([(name_of(images, ""), images)])
    if not isinstance(images, Iterable):
        raise ConfigError(f"Images are {_FORMS}, or several of these, not {_kind(images)}.")
    several: Iterable[ImageInput] = images  # type: ignore[assignment]  # bytes, which are numbers to go through, are one
    return ((name_of(image, f"[{number}]"), image) for number, image in enumerate(several))


def name_of(image: ImageInput, otherwise: str) -> str:
    """The path of an image's file as it was given; `otherwise` where it has none."""
    if isinstance(image, str | os.PathLike):
        return os.fsdecode(image)
    name = getattr(image, "filename" if isinstance(image, Image.Image) else "name", None)
    return name if isinstance(name, str) and name else otherwise


def read_image(image: ImageInput, preparation: Preparation = DEFAULT, max_pixels: int = MAX_PIXELS) -> Prepared:
    """The image, prepared. Files are decoded by their content; see `alexnet.data.images` for what is put right.

    A file of more than `max_pixels` is reduced or refused, as `decode` says. An open file is read from where it stands
    to its end. Raises ImageError with the reason when the image cannot be used, ConfigError for what is no image in one
    of the forms of `ImageInput`.
    """
    if isinstance(image, np.ndarray):
        pixels = _checked(image)
        return Prepared(resized(pixels, preparation), (), (pixels.shape[1], pixels.shape[0]))
    if isinstance(image, Image.Image):
        with _loading:  # two threads may have been given the same one
            return take_image(image, preparation)
    return load_photograph(content_of(image), name_of(image, ""), preparation, max_pixels)


def content_of(image: object) -> bytes:
    """The bytes of an image file, or of an open file from where it stands to its end.

    Raises ImageError when it cannot be read, holds more than `MAX_BYTES`, or is the path of no regular file;
    ConfigError for what is none of these.
    """
    try:
        if isinstance(image, str | os.PathLike):
            return read_file(Path(image), MAX_BYTES)
        content = _whole(image) if _is_file(image) else image
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}") from error
    except UnfitFileError as error:
        raise ImageError(str(error)) from error
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    if isinstance(content, str):
        raise ConfigError(f"{image!r} was opened as text; open an image's file in binary, as open(path, 'rb').")
    raise ConfigError(f"An image is {_FORMS}, not {_kind(image)}.")


def _whole(file: OpenFile) -> Any:
    """All that is left of a file; of one that is open as text, a text. Raises UnfitFileError for more than is read."""
    blocks, left = [], MAX_BYTES
    while block := file.read(BLOCK):
        if isinstance(block, str):
            return block
        blocks.append(block)
        if (left := left - len(block)) < 0:
            raise UnfitFileError(f"it has more than the {MAX_BYTES:,} bytes that are read")
    return b"".join(blocks)


def _checked(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels that are what they have to be."""
    if pixels.dtype != np.uint8:
        scaled = "; of numbers from 0 to 1, (255 * x).round().astype(np.uint8) makes them"
        raise ConfigError(
            f"The pixels of an image are uint8, from 0 to 255, not {pixels.dtype}"
            f"{scaled if pixels.dtype.kind == 'f' else ''}."
        )
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ConfigError(
            f"The pixels of an image are of shape (H, W, 3): height, width, RGB. This array is of shape {pixels.shape}"
            f"{_hint(pixels.shape)}."
        )
    return pixels


def _hint(shape: tuple[int, ...]) -> str:
    match shape:
        case (3, _, _):
            return "; x.transpose(1, 2, 0) puts the colours last"
        case (_, _) | (_, _, 1 | 4):
            return "; Image.fromarray(x) of Pillow takes grey and transparent ones, and its images are taken here"
    return ""


def _is_file(image: object) -> TypeGuard[OpenFile]:
    return callable(getattr(image, "read", None))


def _kind(thing: object) -> str:
    kind = type(thing)
    return f"{thing!r}" if thing is None else f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
