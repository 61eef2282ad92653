from io import BytesIO

import numpy as np
import pytest
from pictures import ORIENTATION, file_of, flat, picture
from PIL import Image

from alexnet.data.decode import decode_image
from alexnet.data.images import load_photograph, resized
from alexnet.data.preparation import DEFAULT
from alexnet.errors import ImageError

# ---- orientation

AS_STORED = {  # EXIF 2.3, table 6: which side of the picture the stored first row and first column are
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: upright[:, ::-1].transpose(1, 0, 2),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: upright[::-1].transpose(1, 0, 2),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", AS_STORED)
def test_every_exif_orientation_gives_the_same_upright_photograph(kind, orientation):
    upright = picture(300, 420)
    stored = Image.fromarray(np.ascontiguousarray(AS_STORED[orientation](upright)))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"quality": 100, "subsampling": "4:4:4"} if kind == "JPEG" else {}
    content = file_of(stored, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else options))
    prepared = load_photograph(content)
    lossy = 6 if kind == "JPEG" else 0
    assert np.abs(prepared.pixels.astype(int) - resized(upright, DEFAULT)).max() <= lossy
    turned = (f"turned upright (EXIF orientation {orientation})",) if orientation > 1 else ()
    assert prepared.treatments == turned
    assert prepared.size == (420, 300)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_orientation_outside_of_the_standard_is_ignored(value):
    exif = Image.Exif()
    exif[ORIENTATION] = value
    pixels = picture(256, 256)
    np.testing.assert_array_equal(load_photograph(file_of(pixels, exif=exif)).pixels, pixels)


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x12", b"Exif\0\0no TIFF header"])
def test_unreadable_exif_does_not_cost_the_photograph(exif):
    pixels = picture(256, 256)
    prepared = load_photograph(file_of(pixels, "JPEG", exif=exif))
    assert prepared.treatments in [("unreadable metadata passed over",), ()]
    assert np.abs(prepared.pixels.astype(int) - pixels).mean() < 3  # what JPEG costs


# ---- colour


@pytest.mark.parametrize(
    ("image", "colour", "treatment"),
    [
        (flat("L", 77), (77, 77, 77), "converted from greyscale"),
        (flat("1", 1), (255, 255, 255), "converted from black and white"),
        (flat("RGB", (200, 10, 60)).quantize(4), (200, 10, 60), "converted from a palette"),
        (flat("RGBA", (200, 100, 0, 255)), (200, 100, 0), "transparency laid on white"),
        (flat("RGBA", (200, 100, 0, 0)), (255, 255, 255), "transparency laid on white"),
        (flat("RGBA", (200, 100, 0, 51)), (244, 224, 204), "transparency laid on white"),  # 255 - 51/255 · (255 - x)
        (flat("LA", (100, 102)), (193, 193, 193), "transparency laid on white"),
    ],
)
def test_colour_mode_becomes_rgb(image, colour, treatment):
    prepared = load_photograph(file_of(image))
    assert np.abs(prepared.pixels.astype(int) - colour).max() <= 1  # blending rounds
    assert prepared.treatments == (treatment,)


@pytest.mark.parametrize(
    ("image", "transparency"),
    [
        (flat("RGB", (1, 2, 3)), (1, 2, 3)),
        (flat("L", 77), 77),
        (flat("P", 1), 1),
        (flat("P", 1), bytes([255, 0, 255])),
        (flat("I;16", 3000), 3000),
    ],
)
def test_transparent_colour_is_laid_on_white(image, transparency):
    if image.mode == "P":
        image.putpalette([0, 0, 0, 9, 9, 9, 200, 200, 200])
    opaque, clear = load_photograph(file_of(image)), load_photograph(file_of(image, transparency=transparency))
    assert opaque.pixels.max() < 100
    assert clear.pixels.min() == 255
    assert clear.treatments[-1] == "transparency laid on white"


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255)])
def test_cmyk_keeps_its_colours(colour):
    prepared = load_photograph(file_of(flat("RGB", colour).convert("CMYK"), "JPEG", quality=100))
    assert np.abs(prepared.pixels.astype(int) - colour).max() <= 2  # what JPEG costs
    assert prepared.treatments == ("converted from CMYK",)


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "I;16"), ("TIFF", "I;16"), ("TIFF", "I;16B"), ("PPM", "I")])
def test_16_bit_levels_are_scaled_linearly(kind, mode):
    levels = np.arange(65536).reshape(256, 256)
    dtype = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}[mode]
    image = Image.frombytes(mode, (256, 256), levels.astype(dtype).tobytes())
    prepared = load_photograph(file_of(image, kind))
    np.testing.assert_array_equal(prepared.pixels, np.round(levels / 257)[..., None].repeat(3, axis=2))
    assert prepared.treatments == ("converted from 16-bit greyscale",)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (Image.new("F", (9, 9), 0.5), "floating-point"),
        (Image.new("I", (9, 9), 65535), "32-bit signed numbers without a stated range"),
    ],
)
def test_levels_without_a_known_range_are_refused(image, reason):
    with pytest.raises(ImageError, match=reason):
        load_photograph(file_of(image, "TIFF"))


@pytest.mark.parametrize("level", [255, 65535, 65536, -1])
def test_levels_of_32_bits_that_no_file_gave_a_range_are_refused(level):
    with pytest.raises(ImageError, match="32-bit numbers without a stated range; scale them to 8 bits, or convert"):
        decode_image(Image.new("I", (9, 9), level))


@pytest.mark.parametrize("level", [65536, -1])
def test_levels_beyond_the_range_of_their_file_are_refused(level):
    image = Image.open(BytesIO(file_of(Image.new("I", (9, 9), 65535), "PPM")))
    assert decode_image(image).pixels.min() == 255
    image.paste(level, (2, 2, 3, 3))
    with pytest.raises(ImageError, match=f"its levels are from {min(level, 65535)} to {max(level, 65535)}, not from 0"):
        decode_image(image)
