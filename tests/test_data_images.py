from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import ORIENTATION, file_of, flat, picture
from PIL import Image

from alexnet.data import images
from alexnet.data.images import central_square, decode_jpeg, encode_jpeg, load_photograph, resized
from alexnet.data.preparation import Preparation
from alexnet.errors import ImageError

# ---- resizing


def bicubic_weights(size: int, start: float, side: float) -> NDArray[np.float64]:
    """The (256, size) matrix of Keys' cubic (a = -1/2), stretched when it reduces so that nothing is skipped."""
    step = side / 256
    stretch = max(step, 1.0)
    centres = start + (np.arange(256) + 0.5) * step
    x = np.abs(np.arange(size) + 0.5 - centres[:, None]) / stretch
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return weights / weights.sum(axis=1, keepdims=True)


def bilinear_weights(size: int, start: float, side: float) -> NDArray[np.float64]:
    """The (256, size) matrix of the triangle, stretched when it reduces so that nothing is skipped."""
    step = side / 256
    centres = start + (np.arange(256) + 0.5) * step
    x = np.abs(np.arange(size) + 0.5 - centres[:, None]) / max(step, 1.0)
    weights = np.maximum(1 - x, 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("resize", ["shorter", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(256, 256), (375, 500), (500, 333), (40, 90), (1201, 300), (257, 256), (3, 2)])
def test_resize_equals_the_antialiased_rule_in_float64(size, interpolation, resize):
    pixels = picture(*size, low=60, high=190)
    weights = bicubic_weights if interpolation == "bicubic" else bilinear_weights
    sides = (min(size), min(size)) if resize == "shorter" else size
    rows, columns = (weights(length, (length - side) / 2, side) for length, side in zip(size, sides, strict=True))
    expected = np.einsum("yh,hwc,xw->yxc", rows, pixels.astype(np.float64), columns, optimize=True)
    found = load_photograph(file_of(pixels), preparation=Preparation(resize=resize, interpolation=interpolation)).pixels
    # Pillow rounds to bytes after each of its two passes, with fixed-point weights: 0.5 · 1.25 (sum of |weights|) + 0.5
    assert np.abs(found - expected).max() < 1.2
    if (resize, interpolation) == ("shorter", "bicubic"):
        np.testing.assert_array_equal(central_square(pixels), found)


@pytest.mark.parametrize("size", [(375, 500), (500, 333), (333, 500), (1201, 301), (97, 40), (256, 257), (300, 300)])
def test_torchvision_s_rule_equals_resizing_all_and_cropping_as_it_does(size):
    height, width = size
    pixels = picture(height, width)
    image = Image.fromarray(pixels)
    # torchvision's documented arithmetic: Resize(256) rounds the longer side down, CenterCrop(256) rounds the corner
    long = int(256 * max(size) / min(size))
    whole = image.resize((256, long) if height > width else (long, 256), Image.Resampling.BILINEAR)
    start = round((long - 256) / 2)
    expected = np.array(whole)[start:, :] if height > width else np.array(whole)[:, start:]
    expected = expected[:256, :256].astype(int)
    found, usual = (
        resized(pixels, Preparation(resize=resize, interpolation="bilinear")) for resize in ("torchvision", "shorter")
    )
    assert np.abs(found - expected).max() <= 1  # Pillow may take its two passes, each rounded, in the other order
    if long != 256 * max(size) / min(size):
        assert np.abs(usual - expected).sum() > 2 * np.abs(found - expected).sum()


def test_rules_and_interpolations_differ():
    content = file_of(picture(301, 400))
    found = [
        load_photograph(content, preparation=Preparation(resize=resize, interpolation=interpolation)).pixels.tobytes()
        for resize in ("shorter", "squash", "torchvision")
        for interpolation in ("bicubic", "bilinear")
    ]
    assert len(set(found)) == 6
    assert found[0] == load_photograph(content).pixels.tobytes()


def test_square_equals_resizing_all_and_cropping():
    pixels = picture(512, 1024)
    whole = np.array(Image.fromarray(pixels).resize((512, 256), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(central_square(pixels), whole[:, 128:384])


def test_photograph_of_256_pixels_is_left_as_it_is():
    pixels = picture(256, 256)
    prepared = load_photograph(file_of(pixels))
    np.testing.assert_array_equal(prepared.pixels, pixels)
    assert prepared.treatments == ()
    assert prepared.pixels.dtype == np.uint8
    assert prepared.pixels.flags.writeable


def test_one_pixel_fills_the_square():
    prepared = load_photograph(file_of(Image.new("RGB", (1, 1), (10, 200, 30))))
    np.testing.assert_array_equal(prepared.pixels, np.full((256, 256, 3), (10, 200, 30)))


@pytest.mark.parametrize("across", [False, True])
def test_photograph_of_1_by_100000_gives_its_middle(across):
    pixels = np.zeros((100_001, 1, 3), np.uint8)
    pixels[50_000] = (9, 99, 199)
    if across:
        pixels = pixels.transpose(1, 0, 2)
    middle = load_photograph(file_of(pixels)).pixels[128, 128]  # resizing all of it would need 20 GB
    assert np.abs(middle.astype(int) - (9, 99, 199)).max() < 12  # its black neighbours reach in a little


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
    assert np.abs(prepared.pixels.astype(int) - central_square(upright)).max() <= lossy
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
        (Image.new("I", (9, 9), 65536), "from 65536 to 65536, beyond 16 bits"),
        (Image.new("I", (9, 9), -1), "from -1 to -1, beyond 16 bits"),
    ],
)
def test_levels_without_a_known_range_are_refused(image, reason):
    with pytest.raises(ImageError, match=reason):
        load_photograph(file_of(image, "TIFF"))


# ---- what the store keeps


def test_jpeg_round_trip_is_close_and_repeatable():
    pixels = picture(256, 256)
    content = encode_jpeg(pixels)
    assert content == encode_jpeg(pixels)
    back = decode_jpeg(content)
    assert back.shape == (256, 256, 3)
    assert back.flags.writeable
    assert np.abs(back.astype(int) - pixels).mean() < 3


def test_higher_quality_is_closer_and_larger():
    pixels = picture(256, 256)
    coarse, fine = encode_jpeg(pixels, 40), encode_jpeg(pixels, 95)
    assert len(fine) > len(coarse)
    error = [np.abs(decode_jpeg(content).astype(int) - pixels).mean() for content in (coarse, fine)]
    assert error[1] < error[0]


def test_both_decoders_of_stored_jpeg_give_the_same_pixels():
    for seed in range(5):
        content = encode_jpeg(picture(256, 256, seed=seed))
        np.testing.assert_array_equal(images._decode_with_pillow(content), images._decode_with_simplejpeg(content))


def test_without_simplejpeg_pillow_decodes(monkeypatch):
    content = encode_jpeg(picture(64, 64))
    expected = decode_jpeg(content)
    monkeypatch.setattr(images, "simplejpeg", None)
    np.testing.assert_array_equal(decode_jpeg(content), expected)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encode_jpeg(picture(64, 64))[:-30], "not a whole JPEG"),
        (b"", "not a whole JPEG"),
        (encode_jpeg(picture(64, 64)).replace(bytes([0, 64, 0, 64]), b"\xff" * 4), "not a whole JPEG"),  # 4 gigapixels
        (file_of(picture(9, 9), "PNG"), "not a whole JPEG"),
        (file_of(flat("L", 3), "JPEG"), "mode L where RGB was stored"),
    ],
)
@pytest.mark.parametrize("decode", [images._decode_with_pillow, images._decode_with_simplejpeg])
def test_damaged_jpeg_of_a_store_is_refused(content, reason, decode):
    with pytest.raises(ImageError, match=reason):
        decode(content)


# ---- decoding


@pytest.mark.skipif(images.simplejpeg is None, reason="simplejpeg, of the extra fast, is not installed")
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_photographs_are_the_same_with_and_without_simplejpeg(monkeypatch, subsampling, progressive):
    content = file_of(picture(375, 500), "JPEG", quality=88, subsampling=subsampling, progressive=progressive)
    fast = images._decode_faster(content)
    assert fast is not None
    np.testing.assert_array_equal(fast, np.asarray(Image.open(BytesIO(content))))
    with_it = load_photograph(content)
    monkeypatch.setattr(images, "simplejpeg", None)
    without = load_photograph(content)
    np.testing.assert_array_equal(with_it.pixels, without.pixels)
    assert (with_it.treatments, with_it.size) == (without.treatments, without.size) == ((), (500, 375))


@pytest.mark.skipif(images.simplejpeg is None, reason="simplejpeg, of the extra fast, is not installed")
def test_what_simplejpeg_refuses_is_left_to_pillow():
    content = file_of(picture(64, 64), "JPEG")
    short = content[: len(content) // 2] + b"\xff\xd9"  # the mark of the end, early
    assert images._decode_faster(short) is None
    assert load_photograph(short).size == (64, 64), "Pillow fills up with grey"
    assert images._decode_faster(content[:-200]) is None
    with pytest.raises(ImageError, match="damaged"):
        load_photograph(content[:-200])
