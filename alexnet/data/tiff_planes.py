"""TIFF files whose samples lie in separate planes: each plane is read as a grey picture of its own."""

import struct
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image

from alexnet.data.tiff import BLACK_IS_ZERO, CMYK, TiffFacts, tiff_fields

_OFFSETS, _COUNTS = {False: 273, True: 324}, {False: 279, True: 325}  # of strips, of tiles
_KEPT: Final = (256, 257, 259, 266, 274, 278, 317, 322, 323)  # size, compression, fill order, upright, strips, tiles


def joined(content: bytes, facts: TiffFacts) -> Image.Image:
    """The first picture of such a file, upright, in mode RGB, RGBA or CMYK; of 16-bit samples the high byte.

    Raises whatever Pillow raises on damaged files, struct.error or IndexError where a plane is not there.
    """
    fields = tiff_fields(content, limit=1 << 24)
    tiled = 324 in fields
    offsets, counts = fields[_OFFSETS[tiled]], fields[_COUNTS[tiled]]
    mode = "CMYK" if facts.photometric == CMYK else "RGBA" if facts.extra == (2,) else "RGB"
    pieces = len(offsets) // facts.samples
    planes = []
    for plane in range(len(mode)):
        part = slice(plane * pieces, (plane + 1) * pieces)
        data = [content[at : at + size] for at, size in zip(offsets[part], counts[part], strict=True)]
        with Image.open(BytesIO(_grey(fields, facts, data, tiled)), formats=("TIFF",)) as image:
            planes.append(np.asarray(image))
    levels = np.stack(planes, axis=2)  # (H, W, samples)
    high = (levels >> (facts.bits[0] - 8)).astype(np.uint8)
    picture = Image.frombytes(mode, (high.shape[1], high.shape[0]), high.tobytes())
    picture.format = "TIFF"
    picture.info["original_orientation"] = fields.get(274, (1,))[0]
    return picture


def _grey(fields: dict[int, tuple[int, ...]], facts: TiffFacts, pieces: list[bytes], tiled: bool) -> bytes:
    """A TIFF of one plane, its strips or tiles as they were."""
    order = ">" if facts.high_first else "<"
    sizes = [len(piece) for piece in pieces]
    told: dict[int, tuple[int, ...]] = {tag: fields[tag] for tag in _KEPT if tag in fields}
    told |= {258: facts.bits[:1], 262: (BLACK_IS_ZERO,), 277: (1,), _COUNTS[tiled]: tuple(sizes)}
    after = 8 + 2 + 12 * (len(told) + 1) + 4
    start = after + 8 * len(sizes)
    told[_OFFSETS[tiled]] = tuple(start + sum(sizes[:number]) for number in range(len(sizes)))
    directory, tail = b"", b""
    for tag, values in sorted(told.items()):
        packed = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            place = struct.pack(order + "I", after + len(tail))
            tail += packed
            packed = place
        directory += struct.pack(order + "HHI", tag, 4, len(values)) + packed
    head = (b"MM\0*" if facts.high_first else b"II*\0") + struct.pack(order + "IH", 8, len(told))
    return b"".join([head, directory, bytes(4), tail.ljust(start - after, b"\0"), *pieces])
