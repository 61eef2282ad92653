"""Antialiased resizing of photographs: Pillow's numbers, by a kernel that is several times as fast where it was built.

Rows are resized first, then columns, with rounding to bytes between. Pillow did so until release 13, which takes the
columns of tall pictures first and so rounds otherwise; pixels here are the same with any release. The library is apart
from `alexnet.kernels`, which stand on PyTorch: preparing photographs does without.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of an image, in pixels."""

INTERPOLATIONS: Final = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def resize(pixels: NDArray[np.uint8], height: int, width: int, interpolation: str, box: Box) -> NDArray[np.uint8]:
    """The part `box` of the RGB `pixels`, uint8 (H, W, 3) and contiguous, as uint8 (height, width, 3).

    `interpolation` is "bicubic" or "bilinear"; both take in all pixels when they make an image smaller. The box lies
    inside the image. The pixels are those of `resize_with_pillow`, which does the work where there is no kernel.
    Raises MemoryError.
    """
    library = _library()
    if library is None:
        return resize_with_pillow(Image.fromarray(pixels), height, width, interpolation, box)
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.flags.c_contiguous
    rows, columns = pixels.shape[:2]
    left, top, right, bottom = box
    assert 0 <= left < right <= columns and 0 <= top < bottom <= rows, (box, pixels.shape)
    resized = np.empty((height, width, 3), np.uint8)
    edges = (ctypes.c_float * 4)(*box)
    bicubic = interpolation == "bicubic"
    if library.alexnet_resize(_at(pixels), rows, columns, edges, bicubic, _at(resized), height, width):
        raise MemoryError(f"No memory to resize a photograph of {columns}×{rows} pixels.")
    return resized


def resize_with_pillow(image: Image.Image, height: int, width: int, interpolation: str, box: Box) -> NDArray[np.uint8]:
    """What `resize` does, by Pillow: two calls, each of which leaves one direction alone."""
    left, top, right, bottom = box
    kind = INTERPOLATIONS[interpolation]
    narrow = image.resize((width, image.height), kind, box=(left, 0, right, image.height))
    return np.array(narrow.resize((width, height), kind, box=(0, top, width, bottom)))


def describe() -> str:
    """One line for a report: who resizes."""
    return "Pillow, for want of a compiler at installation" if _library() is None else "compiled, with Pillow's numbers"


@cache
def _library() -> ctypes.CDLL | None:
    """The compiled kernel, or None where the installation found no compiler."""
    found = sorted(Path(__file__).parent.glob("_resize*.so"))
    if not found:
        return None
    library = ctypes.CDLL(str(found[0]))
    size, pointer = ctypes.c_int64, ctypes.c_void_p
    library.alexnet_resize.argtypes = [pointer, size, size, pointer, ctypes.c_int, pointer, size, size]
    return library


def _at(pixels: NDArray[np.uint8]) -> int:
    return int(pixels.__array_interface__["data"][0])
