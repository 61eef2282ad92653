import pytest
from pictures import file_of, picture

from alexnet.data.formats import Frame, format_of, jpeg_frame, jpeg_refusal, why_not_read


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF"])
def test_a_format_is_known_by_its_first_bytes(kind: str) -> None:
    assert format_of(file_of(picture(9, 9), kind)) == kind


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        ("avif", "AVIF"),
        ("mif1avif", "AVIF"),
        ("mif1heic", "HEIC"),
        ("heix", "HEIC"),
        ("msf1hevc", "HEIC"),
        ("isom", None),
    ],
)
def test_brands_tell_heic_from_avif_and_from_films(brands: str, kind: str | None) -> None:
    first, *others = [brands[at : at + 4].encode() for at in range(0, len(brands), 4)]
    box = b"ftyp" + first + bytes(4) + b"".join(others)
    content = (len(box) + 4).to_bytes(4) + box + b"avif"  # what follows the box is none of it
    assert format_of(content) == kind
    assert kind or why_not_read(content).startswith("it is a film; read are ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\xff\x0a..", "it is a JPEG XL image; read are JPEG, PNG"),
        (b"\0\0\0\x0cjP  \r\n", "it is a JPEG 2000 image"),
        (b"8BPS\0\1", "it is a Photoshop document"),
        (b"PK\3\4", "it is an archive"),
        (b"\n<svg xmlns", "it is an SVG drawing"),
        (b"Pf\n3 3\n-1.0\n", "it is a PFM image of floating-point numbers"),
        (bytes(128) + b"DICM", "it is a DICOM image"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "it is a camera's raw photograph"),
        (b"nothing", "it is no JPEG, PNG, GIF, BMP, WEBP, TIFF, PPM, AVIF or HEIC image"),
    ],
)
def test_what_is_not_read_is_named(content: bytes, reason: str) -> None:
    assert why_not_read(content).startswith(reason)


def test_the_frame_of_a_jpeg() -> None:
    content = file_of(picture(30, 50), "JPEG", progressive=True)
    assert jpeg_frame(content) == Frame(0xC2, 8, 30, 50, 3)
    assert jpeg_frame(file_of(picture(30, 50), "JPEG")) == Frame(0xC0, 8, 30, 50, 3)
    assert jpeg_frame(content[:2] + b"\xff" * 5 + content[2:]) == Frame(0xC2, 8, 30, 50, 3)  # fill bytes
    assert jpeg_frame(content[:100]) is None
    assert jpeg_frame(b"\xff\xd8\xff\xda\0\2") is None


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (Frame(0xC0, 8, 9, 9, 3), None),
        (Frame(0xC2, 8, 9, 9, 1), None),
        (Frame(0xC9, 8, 9, 9, 4), None),  # arithmetic coding, which the decoder may know
        (Frame(0xC1, 12, 9, 9, 3), "a JPEG of 12 bits a sample, of which only those of 8 are read"),
        (Frame(0xC3, 16, 9, 9, 1), "a JPEG of lossless coding"),
        (Frame(0xF7, 8, 9, 9, 3), "a JPEG of JPEG-LS coding"),
        (Frame(0xC0, 8, 9, 9, 2), "a JPEG of 2 components, which are neither grey nor colours"),
    ],
)
def test_kinds_of_jpeg_that_are_not_read(frame: Frame, reason: str | None) -> None:
    found = jpeg_refusal(frame)
    assert found is None if reason is None else reason in str(found)
