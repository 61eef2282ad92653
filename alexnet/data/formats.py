"""What the first bytes of a file say it is: its format, and why a file of it cannot be read."""

from typing import Final, NamedTuple

READ: Final = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF", "HEIC")
"""The formats that are read; HEIC with the extra `heic` alone."""

_STARTS: Final = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    **dict.fromkeys((b"GIF87a", b"GIF89a"), "GIF"),
    b"BM": "BMP",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
    **dict.fromkeys((b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"), "PPM"),
}

_OTHERS: Final = {
    **dict.fromkeys((b"\xff\x0a", b"\0\0\0\x0cJXL "), "a JPEG XL image"),
    **dict.fromkeys((b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "), "a JPEG 2000 image"),
    b"8BPS": "a Photoshop document",
    b"%PDF": "a PDF document",
    b"%!PS": "a PostScript document",
    **dict.fromkeys((b"FUJIFILM", b"IIRO", b"IIRS", b"IIU\0", b"FOVb"), "a camera's raw photograph"),
    b"\0\0\1\0": "an icon",
    b"#?RADIANCE": "a Radiance HDR image",
    b"v/1\1": "an OpenEXR image",
    **dict.fromkeys((b"PF\n", b"Pf\n"), "a PFM image of floating-point numbers"),
    b"P7\n": "a PAM image",
    b"DDS ": "a DDS texture",
    b"qoif": "a QOI image",
    b"SIMPLE  =": "a FITS image",
    b"\x93NUMPY": "a NumPy array",
    **dict.fromkeys((b"PK\3\4", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!"), "an archive"),
    **dict.fromkeys((b"<svg", b"<?xml"), "an SVG drawing or another XML text"),
    **dict.fromkeys((b"<html", b"<!doctype html"), "a web page"),
}

_BRANDS: Final = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"),
    b"crx ": "a camera's raw photograph",
}

_NO_JPEG: Final = {
    0xC3: "lossless coding",
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical coding"),
    0xCB: "lossless coding",
    0xF7: "JPEG-LS coding",
}


class Frame(NamedTuple):
    """What a JPEG file's start-of-frame segment says."""

    marker: int  # 0xC0: baseline, 0xC2: progressive, …
    bits: int
    height: int
    width: int
    components: int


def format_of(content: bytes) -> str | None:
    """The name in `READ` of the format that the file begins as; None for any other."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    if content[4:8] == b"ftyp":
        brands = [content[8:12], *(content[at : at + 4] for at in range(16, int.from_bytes(content[:4]), 4))]
        known = [_BRANDS[brand] for brand in brands[:32] if brand in _BRANDS]
        return "AVIF" if "AVIF" in known else "HEIC" if "HEIC" in known else None  # mif1 is the brand of both
    return next((name for start, name in _STARTS.items() if content.startswith(start)), None)


def why_not_read(content: bytes) -> str:
    """The reason for a file that no decoder takes."""
    if not content:
        return "the file is empty"
    if (kind := format_of(content)) is not None:
        return f"it begins as a {kind} image, but its header is damaged or gives it no width or height"
    read = f"read are {', '.join(READ)}"
    if (other := _other(content)) is not None:
        return f"it is {other}; {read}"
    return f"it is no {', '.join(READ[:-1])} or {READ[-1]} image, or its first bytes are damaged"


def _other(content: bytes) -> str | None:
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12], "a film")
    if content[:4] == b"RIFF":
        return "a film or a sound"
    if content[128:132] == b"DICM":
        return "a DICOM image"
    start = content[:16].lstrip().lower()
    for known, other in _OTHERS.items():
        if content.startswith(known) or (known[:1] == b"<" and start.startswith(known)):
            return other
    return None


def jpeg_frame(content: bytes) -> Frame | None:
    """The first frame of a JPEG file; None where it is damaged before that."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # fill
            at += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
            part = content[at + 4 : at + 10]
            sizes = int.from_bytes(part[1:3]), int.from_bytes(part[3:5])
            return Frame(marker, part[0], *sizes, part[5]) if len(part) == 6 else None
        if marker == 0xDA:
            return None
        at += 2 + (0 if marker == 1 or 0xD0 <= marker <= 0xD8 else int.from_bytes(content[at + 2 : at + 4]))
    return None


def jpeg_refusal(frame: Frame) -> str | None:
    """Why JPEG files of this kind are not read, None for those that are."""
    if frame.marker in _NO_JPEG:
        return f"it is a JPEG of {_NO_JPEG[frame.marker]}, which is not read; save it as an ordinary one"
    if frame.bits != 8:
        return f"it is a JPEG of {frame.bits} bits a sample, of which only those of 8 are read"
    if frame.components not in (1, 3, 4):
        return f"it is a JPEG of {frame.components} components, which are neither grey nor colours"
    return None
