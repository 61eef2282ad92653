"""Image files written by hand, bit by bit, from levels that are known: no library that reads them has a part in it."""

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))  # of Adam7


def levels(bits: int, samples: int, *, height: int = 24, width: int = 40) -> NDArray[np.int64]:
    """Noise over the whole range of a sample: (H, W, samples)."""
    return np.random.default_rng(bits * 8 + samples).integers(0, 1 << bits, (height, width, samples))


def shown(part: NDArray[np.int64], bits: int) -> NDArray[np.float64]:
    """Levels of one sample or three as RGB from 0 to 255, (H, W, 3)."""
    return np.broadcast_to(part / ((1 << bits) - 1) * 255, (*part.shape[:2], 3))


def on_white(colours: NDArray[np.float64], alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colours (H, W, 3) laid on white; alpha (H, W, 1) is from 0 to 1."""
    return colours * alpha + 255 * (1 - alpha)


def pack(samples: NDArray[np.int64], bits: int, *, low_first: bool = False) -> bytes:
    """Rows (H, N) of samples of so many bits, each row begun at a byte; `low_first` fills bytes from the low bit."""
    rows = (samples[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    packed = np.packbits(rows.astype(np.uint8).reshape(len(samples), -1), axis=1)
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in packed.tobytes()) if low_first else packed.tobytes()


def tiff(
    pixels: NDArray[np.int64],
    bits: int,
    photometric: int,
    *,
    order: str = "<",
    low_first: bool = False,
    data: bytes | None = None,
    **tags: Sequence[int],
) -> bytes:
    """An uncompressed TIFF of levels (H, W, samples); `tags` are more fields, as t339=[2]. Samples follow `order`."""
    height, width, samples = pixels.shape
    if data is None and bits in (16, 32):
        data = pixels.astype(f"{order}u{bits // 8}").tobytes()
    elif data is None:
        data = pack(pixels.reshape(height, -1), bits, low_first=low_first)
    fields: dict[int, Sequence[int]] = {
        256: [width],
        257: [height],
        258: [bits] * samples,
        259: [1],
        262: [photometric],
        266: [1 + low_first],
        273: [0],
        277: [samples],
        278: [height],
        279: [len(data)],
        **{int(name[1:]): values for name, values in tags.items()},
    }
    after = 8 + 2 + 12 * len(fields) + 4
    room = {tag: struct.pack(f"{order}{len(values)}I", *values) for tag, values in fields.items() if len(values) > 1}
    fields[273] = [after + sum(map(len, room.values()))]
    directory, tail = b"", b""
    for tag, values in sorted(fields.items()):
        value = struct.pack(order + "I", after + len(tail) if tag in room else values[0])
        directory += struct.pack(order + "HHI", tag, 4, len(values)) + value
        tail += room.get(tag, b"")
    start = {"<": b"II*\0\x08\0\0\0", ">": b"MM\0*\0\0\0\x08"}[order]
    return start + struct.pack(order + "H", len(fields)) + directory + bytes(4) + tail + data


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels: NDArray[np.int64], bits: int, colour_type: int, *chunks: bytes, interlaced: bool = False) -> bytes:
    """A PNG of levels (H, W, samples), with more chunks before its pixels."""
    parts = [pixels[y::down, x::right] for y, x, down, right in PASSES] if interlaced else [pixels]
    lines = [b"\0" + pack(row.reshape(1, -1), bits) for part in parts for row in part]
    height, width, _ = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, interlaced)
    body = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(b"".join(lines))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def pnm(magic: int, pixels: NDArray[np.int64], largest: int) -> bytes:
    """A plain (1 to 3) or packed (4 to 6) portable bitmap, greymap or pixmap."""
    height, width, _ = pixels.shape
    head = f"P{magic}\n# made by hand\n{width} {height}\n" + (f"{largest}\n" if magic not in (1, 4) else "")
    if magic <= 3:
        return head.encode() + " ".join(map(str, pixels.ravel())).encode()
    if magic == 4:
        return head.encode() + pack(pixels[..., 0], 1)
    return head.encode() + pixels.astype(">u2" if largest > 255 else "u1").tobytes()


def bmp(
    pixels: NDArray[np.int64],
    bits: int,
    *,
    palette: bytes = b"",
    masks: Sequence[int] = (),
    version: int = 3,
    top_down: bool = False,
) -> bytes:
    """A Windows bitmap of samples (H, W, n), blue first; of 16 bits as one sample. Versions 3 and 5 of the header."""
    height, width, samples = pixels.shape
    depth = bits // samples if bits < 16 or samples > 1 else 0
    rows = [row.astype("<u2").tobytes() if not depth else pack(row.reshape(1, -1), depth) for row in pixels]
    data = b"".join(row + bytes(-len(row) % 4) for row in (rows if top_down else rows[::-1]))
    fields = b"".join(struct.pack("<I", mask) for mask in masks)
    if version == 5:
        fields = (fields.ljust(16, b"\0") + b" niW").ljust(84, b"\0")
    start = 14 + 40 + len(fields) + len(palette)
    size, lines = 40 + (84 if version == 5 else 0), -height if top_down else height
    numbers = (size, width, lines, 1, bits, 3 if masks else 0, len(data), 0, 0, len(palette) // 4, 0)
    head = struct.pack("<IiiHHIIiiII", *numbers)
    return struct.pack("<2sIHHI", b"BM", start + len(data), 0, 0, start) + head + fields + palette + data
