import io
import struct
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import ORIENTATION, file_of, flat, picture
from PIL import Image

from alexnet.data.decode import MAX_PIXELS, decode
from alexnet.data.images import load_photograph
from alexnet.errors import ImageError


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_frame_is_taken(kind):
    frames = [Image.new("RGB", (256, 256), colour) for colour in ("blue", "red", "red")]
    options = {"lossless": True} if kind == "WEBP" else {}
    prepared = load_photograph(file_of(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    np.testing.assert_array_equal(prepared.pixels, np.full((256, 256, 3), (0, 0, 255)))
    assert prepared.treatments[0] == "first of several frames"


@pytest.mark.parametrize(
    ("kind", "name", "note"),
    [
        ("PNG", "a/b.JPEG", ("decoded as PNG although named .JPEG",)),
        ("GIF", "b.jpg", ("decoded as GIF although named .jpg", "converted from a palette")),
        ("PNG", "b.png", ()),
        ("PNG", "b", ()),
        ("PNG", "b.photo", ()),
        ("PNG", "", ()),
        ("BMP", "b.bmp", ()),
        ("PPM", "b.ppm", ()),
    ],
)
def test_content_decides_the_format_and_a_wrong_name_is_noted(kind, name, note):
    pixels = np.full((256, 256, 3), (255, 0, 0), np.uint8)
    prepared = load_photograph(file_of(pixels, kind), name)
    np.testing.assert_array_equal(prepared.pixels, pixels)
    assert prepared.treatments == note


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_truncated_file_is_refused(kind):
    content = file_of(picture(64, 64), kind)
    end = len(content) - 40  # a PNG that lacks only its last checksums has all of its pixels
    for length in {*range(1, end, 97), end}:
        with pytest.raises(ImageError, match=r"damaged|no JPEG"):
            load_photograph(content[:length])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b"\0" * 100,
            "it is no JPEG, PNG, GIF, BMP, WEBP, TIFF, PPM, AVIF or HEIC image, or its first bytes are damaged",
        ),
        (b" <HTML>404</html>", "it is a web page; read are JPEG, PNG, GIF"),
        (b"%!PS-Adobe-3.0", "it is a PostScript document"),
        (b"\xff\xd8\xff", "it begins as a JPEG image, but its header is damaged"),
        (b"GIF89a", "it begins as a GIF image, but its header is damaged"),
        (file_of(picture(9, 9), "ICO"), "it is an icon"),
        (file_of(picture(9, 9), "PCX"), "it is no JPEG"),
        (file_of(picture(9, 9), "TGA"), "it is no JPEG"),
    ],
)
def test_what_is_not_read_is_refused_by_its_name(content, reason):
    with pytest.raises(ImageError) as caught:
        load_photograph(content)
    assert reason in str(caught.value)


def test_damaged_file_is_refused_whatever_its_decoder_raises():
    with pytest.raises(ImageError, match="it is damaged: invalid literal for int"):
        load_photograph(b"P6 3x 3 255\n" + bytes(27))


def test_jpeg_with_further_pictures_is_a_jpeg():
    content = file_of(picture(256, 256), "MPO", save_all=True, append_images=[Image.new("RGB", (9, 9))])
    assert load_photograph(content, "phone.jpg").treatments == ("first of several frames",)


def test_empty_file_is_refused_as_empty():
    with pytest.raises(ImageError, match="the file is empty"):
        load_photograph(b"")


@pytest.mark.parametrize("content", [png_header(0, 5), b"GIF89a" + struct.pack("<HH", 0, 1) + b"\0\0\0,"])
def test_zero_width_is_refused(content):
    with pytest.raises(ImageError, match="no width or height"):
        load_photograph(content)


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (65_000, 65_000, "claims 65000×65000 pixels, more than 150,000,000; --max-pixels raises the limit"),
        (15_001, 10_000, "claims 15001×10000 pixels, more than 150,000,000"),
        (15_000, 10_000, "damaged"),  # of a size that Pillow warns about, and that is allowed here
    ],
)
def test_decompression_bomb_is_refused_for_its_size(width, height, reason):
    limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises(ImageError, match=reason):
        load_photograph(png_header(width, height))
    assert limit == Image.MAX_IMAGE_PIXELS
    assert (width * height > MAX_PIXELS) == ("claims" in reason)


@pytest.mark.parametrize(("limit", "scale"), [(160_000, 2), (159_999, 4), (10_000, 8)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_of_too_many_pixels_is_read_at_reduced_scale(limit, scale, orientation):
    pixels = picture(800, 800 if orientation == 1 else 640)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = file_of(pixels, "JPEG", quality=95, exif=exif)
    height, width, _ = pixels.shape
    limit = limit * width // 800
    assert decode(content).pixels.shape == (pixels.shape if orientation == 1 else (width, height, 3))
    found = decode(content, max_pixels=limit)
    size = (width, height) if orientation == 1 else (height, width)
    assert found.size == size
    assert found.pixels.shape[:2] == (size[1] // scale, size[0] // scale)
    assert found.treatments[0] == f"{width}×{height} pixels read at 1/{scale} of the size"
    full = load_photograph(content).pixels.astype(int)
    assert np.abs(load_photograph(content, max_pixels=limit).pixels - full).mean() < 2
    with pytest.raises(ImageError, match=r"claims \d+×800 pixels, more than 100; --max-pixels raises the limit"):
        decode(content, max_pixels=100)


def test_a_jpeg_of_several_pictures_is_reduced_like_any_other():
    stream, pixels = io.BytesIO(), Image.fromarray(picture(800, 640))
    pixels.save(stream, "MPO", save_all=True, append_images=[pixels.resize((64, 80))])
    found = decode(stream.getvalue(), max_pixels=130_000)
    assert found.pixels.shape == (400, 320, 3)
    assert "640×800 pixels read at 1/2 of the size" in found.treatments


SAMPLES = [
    file_of(picture(40, 50), "JPEG", exif=(lambda exif: (exif.update({ORIENTATION: 6}), exif)[1])(Image.Exif())),
    file_of(picture(40, 50), "JPEG", progressive=True),
    file_of(flat("CMYK", (1, 2, 3, 4)).resize((9, 9)), "JPEG"),
    *(file_of(picture(20, 30), kind) for kind in ("PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")),
    file_of(picture(20, 30), "TIFF", compression="tiff_lzw"),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_damaged_file_is_prepared_or_refused_and_nothing_else(content, data):
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        shape = load_photograph(bytes(damaged)).pixels.shape
    except ImageError:
        return
    assert shape == (256, 256, 3)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(content):
    with pytest.raises(ImageError):
        load_photograph(content)


def test_threads_do_not_disturb_each_other_or_the_warning_filters():
    broken = file_of(picture(50, 60), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x12")
    contents = [*SAMPLES, broken, png_header(15_000, 10_000)] * 6
    before = list(warnings.filters)

    def outcome(content: bytes) -> object:
        try:
            prepared = load_photograph(content)
        except ImageError as error:
            return str(error)
        return prepared.pixels.tobytes(), prepared.treatments

    expected = [outcome(content) for content in contents]
    barrier = threading.Barrier(8)
    with ThreadPoolExecutor(8, initializer=barrier.wait) as pool:
        assert list(pool.map(outcome, contents)) == expected
    assert warnings.filters == before


# ---- files from the wild


@pytest.mark.parametrize(
    ("name", "outcome"),
    {
        "broken.png": "it begins as a PNG image, but its header is damaged",
        "decompression_bomb.gif": "claims 65535×66601 pixels, more than",
        "hopper_bad_exif.jpg": ("unreadable metadata passed over", "converted from greyscale"),
        "hopper_gray.jpg": ("converted from greyscale",),
        "hopper_orientation_3.jpg": ("turned upright (EXIF orientation 3)",),
        "hopper_orientation_6.jpg": ("turned upright (EXIF orientation 6)",),
        "i_trns.png": ("converted from 16-bit greyscale", "transparency laid on white"),
        "iss634.gif": ("first of several frames", "converted from a palette"),
        "p_trns_single.png": ("transparency laid on white",),
        "pil_sample_cmyk.jpg": ("converted from CMYK",),
        "transparent.png": ("transparency laid on white",),
        "truncated_image.png": "truncated",
        "truncated_jpeg.jpg": "truncated",
        "uncompressed_la.png": ("transparency laid on white",),
        "zero_width.gif": "no width or height",
    }.items(),
)
def test_odd_file_has_its_stated_treatment(shared_data: Path, name, outcome):
    content = (shared_data / "odd" / name).read_bytes()
    if isinstance(outcome, str):
        with pytest.raises(ImageError, match=outcome):
            load_photograph(content, name)
    else:
        prepared = load_photograph(content, name)
        assert prepared.treatments == outcome
        assert prepared.pixels.std() > 20  # a picture, not a flat field


def test_two_orientations_of_one_portrait_agree(shared_data: Path):
    turned = [load_photograph((shared_data / "odd" / f"hopper_orientation_{n}.jpg").read_bytes()) for n in (3, 6)]
    difference = turned[0].pixels.astype(int) - turned[1].pixels
    assert np.abs(difference).mean() < 6  # each was compressed after turning; misturned ones differ by 60
