"""What a TIFF file says of its pixels, read from its first directory: TIFF 6.0 (1992), and BigTIFF.

Pillow reads most kinds of TIFF right, refuses some, and gives wrong pixels for a few. Those that it reads right have
been held, kind by kind, against files of other programs; all others are refused here with the reason.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, CMYK, YCBCR, LAB = 0, 1, 2, 3, 4, 5, 6, 8

_COMPRESSIONS: Final = {  # those that are read
    1: "none",
    2: "CCITT",
    3: "CCITT",
    4: "CCITT",
    5: "LZW",
    7: "JPEG",
    8: "Deflate",
    32773: "PackBits",
    32946: "Deflate",
    34925: "LZMA",
    50000: "Zstandard",
}
_OTHER_COMPRESSIONS: Final = {
    6: "JPEG of before 1995",
    34661: "JBIG",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy DNG",
    34933: "PNG",
    34934: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    52546: "JPEG XL",
    32809: "ThunderScan",
    32766: "NeXT",
}
_COLOURS: Final = {
    WHITE_IS_ZERO: "grey (white is 0)",
    BLACK_IS_ZERO: "grey",
    RGB: "RGB",
    PALETTE: "palette",
    MASK: "mask",
    CMYK: "CMYK",
    YCBCR: "YCbCr",
    LAB: "CIE Lab",
    9: "CIE Lab",
    10: "CIE Lab",
    32803: "sensor",
    32844: "LogL",
    32845: "LogLuv",
    34892: "sensor",
}
_BITS: Final = {  # of a sample, by colours: those that are read where samples of a pixel lie together
    WHITE_IS_ZERO: (1, 2, 4, 8, 16),
    BLACK_IS_ZERO: (1, 2, 4, 8, 12, 16),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
    CMYK: (8, 16),
    YCBCR: (8,),
}
_REVERSED: Final = {WHITE_IS_ZERO: (1, 2, 4), BLACK_IS_ZERO: (1, 2, 4, 8), RGB: (8,), PALETTE: (8,)}  # fill order 2
_SAMPLES: Final = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
_SIZES: Final = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}  # field types of whole numbers


@dataclass(frozen=True)
class TiffFacts:
    """The first picture of a TIFF file, in the words of the standard."""

    width: int
    height: int
    photometric: int
    bits: tuple[int, ...]
    samples: int = 1
    sample_format: int = 1  # 1: unsigned, 2: signed, 3: floating-point
    compression: int = 1
    separate: bool = False  # planes
    extra: tuple[int, ...] = ()
    fill_order: int = 1
    predictor: int = 1
    reduced: bool = False  # a smaller copy of another picture in the file
    raw: bool = False  # a camera's
    high_first: bool = False  # the byte order "MM"

    @property
    def white(self) -> int:
        """The largest level of a sample."""
        return int((1 << self.bits[0]) - 1)

    @property
    def refusal(self) -> str | None:
        """Why pixels of this kind are not read, None for those that are."""
        bits = self.bits[0]
        if self.raw or self.photometric in (32803, 34892):
            return "it is a camera's raw photograph in a TIFF file (DNG); develop it with the camera's program"
        if self.reduced:
            return "its first picture is a reduced copy of another in the file; save the one that is meant"
        if self.sample_format == 3:
            return "its pixels are floating-point numbers without a stated range"
        if self.sample_format in (2, 5, 6):
            kind = "signed" if self.sample_format == 2 else "complex"
            return f"its pixels are {bits}-bit {kind} numbers without a stated range"
        if max(self.bits) >= 32:
            return f"its pixels are {max(self.bits)}-bit integers without a stated range"
        if self.compression not in _COMPRESSIONS:
            known = _OTHER_COMPRESSIONS.get(self.compression, f"number {self.compression}")
            return f"it is a TIFF compressed by {known}, which is not read; save it with LZW or Deflate"
        if self._read_right:
            return None
        colours = _COLOURS.get(self.photometric, f"(photometric interpretation {self.photometric})")
        more = f" and {self._surplus} more" if self._surplus > 0 else ""
        planes = " in separate planes" if self.separate else ""
        return (
            f"it is a TIFF of {bits}-bit {colours} samples{more}{planes}{self._oddities}, which is not read; save it "
            "as 8-bit RGB"
        )

    @property
    def in_planes(self) -> bool:
        """Whether it is `tiff_planes` that reads such pixels right."""
        known = (self.photometric, self.extra) in ((RGB, ()), (RGB, (0,)), (RGB, (2,)), (CMYK, ()))
        return self.separate and known and not self._pillow_joins and self.fill_order == 1 and self.compression != 7

    @property
    def _pillow_joins(self) -> bool:
        return self.bits[0] == 8 and (self.photometric, self.extra) in ((RGB, ()), (RGB, (2,)), (CMYK, ()))

    @property
    def _surplus(self) -> int:
        return self.samples - _SAMPLES.get(self.photometric, self.samples)

    @property
    def _oddities(self) -> str:
        order = ", filled from the low bit" if self.fill_order == 2 else ""
        return order + ", high byte first" * self.high_first + ", with a predictor" * (self.predictor != 1)

    @property
    def _read_right(self) -> bool:
        """Whether Pillow is known to read such pixels as they are meant."""
        bits = self.bits[0]
        if bits not in _BITS.get(self.photometric, ()) or set(self.bits) != {bits} or self._surplus < 0:
            return False
        if self.predictor not in (1, 2) or (self.predictor == 2 and self.compression in (1, 7, 32773)):
            return False
        if self.fill_order == 2 and bits not in _REVERSED.get(self.photometric, ()):
            return False
        if bits == 12 and (self.high_first or self.compression != 1):
            return False
        if bits == 16 and self.photometric == WHITE_IS_ZERO and self.high_first:
            return False
        if self.photometric == YCBCR and self.compression != 7:
            return False
        if self.separate:
            return self._pillow_joins or self.in_planes
        if not self._surplus:
            return True
        if self.photometric == BLACK_IS_ZERO:
            return bits == 8 and self.extra in ((0,), (2,))
        return self.photometric == RGB and (self._surplus == 1 or (bits == 8 and self.extra == (0, 0)))


def tiff_facts(content: bytes) -> TiffFacts | None:
    """The facts of the first picture; None where the file is damaged before they are told."""
    try:
        return facts_of(tiff_fields(content), raw=content[8:10] == b"CR", high_first=content[:2] == b"MM")
    except (struct.error, IndexError, KeyError):
        return None


def facts_of(fields: Mapping[int, tuple[int, ...]], *, raw: bool = False, high_first: bool = False) -> TiffFacts:
    """The facts that a directory's fields tell, by tag."""
    samples = fields.get(277, (1,))[0]
    bits = fields.get(258, (1,))
    return TiffFacts(
        width=fields.get(256, (0,))[0],
        height=fields.get(257, (0,))[0],
        photometric=fields.get(262, (WHITE_IS_ZERO,))[0],
        bits=bits if len(bits) == samples else bits[:1] * samples,
        samples=samples,
        sample_format=max(fields.get(339, (1,))),
        compression=fields.get(259, (1,))[0],
        separate=samples > 1 and fields.get(284, (1,))[0] == 2,
        extra=fields.get(338, ()),
        fill_order=fields.get(266, (1,))[0],
        predictor=fields.get(317, (1,))[0],
        reduced=bool(fields.get(254, (0,))[0] & 1),
        raw=raw or 50706 in fields,
        high_first=high_first,
    )


def tiff_fields(content: bytes, limit: int = 64) -> dict[int, tuple[int, ...]]:
    """The whole numbers in the first directory, by tag; without those of more than `limit` numbers.

    Raises struct.error, IndexError or KeyError where the file is damaged.
    """
    order = {b"II": "<", b"MM": ">"}[content[:2]]
    big = struct.unpack_from(order + "H", content, 2)[0] == 43
    offset = struct.unpack_from(order + ("Q" if big else "I"), content, 8 if big else 4)[0]
    count = struct.unpack_from(order + ("Q" if big else "H"), content, offset)[0]
    at, step, room = offset + (8 if big else 2), 20 if big else 12, 8 if big else 4
    fields: dict[int, tuple[int, ...]] = {}
    for entry in range(at, at + step * min(count, 4096), step):
        tag, kind = struct.unpack_from(order + "HH", content, entry)
        number = struct.unpack_from(order + ("Q" if big else "I"), content, entry + 4)[0]
        if kind not in _SIZES or not 0 < number <= limit:  # of strips, of a palette
            if tag == 50706:  # the DNG version is bytes in any case
                fields[tag] = ()
            continue
        form = f"{order}{number}{_SIZES[kind]}"
        value = entry + (12 if big else 8)
        if struct.calcsize(form) > room:
            value = struct.unpack_from(order + ("Q" if big else "I"), content, value)[0]
        fields[tag] = struct.unpack_from(form, content, value)
    return fields
