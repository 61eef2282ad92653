from io import BytesIO

import numpy as np
import pytest
from pictures import file_of, flat, picture
from PIL import Image

from alexnet.data import jpeg
from alexnet.data.images import load_photograph
from alexnet.data.jpeg import decode_jpeg, decode_quickly, encode_jpeg
from alexnet.errors import ImageError


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
        np.testing.assert_array_equal(jpeg._decode_with_pillow(content), jpeg._decode_with_simplejpeg(content))


def test_without_simplejpeg_pillow_decodes(monkeypatch):
    content = encode_jpeg(picture(64, 64))
    expected = decode_jpeg(content)
    monkeypatch.setattr(jpeg, "simplejpeg", None)
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
@pytest.mark.parametrize("decode", [jpeg._decode_with_pillow, jpeg._decode_with_simplejpeg])
def test_damaged_jpeg_of_a_store_is_refused(content, reason, decode):
    with pytest.raises(ImageError, match=reason):
        decode(content)


@pytest.mark.skipif(jpeg.simplejpeg is None, reason="simplejpeg, of the extra fast, is not installed")
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_photographs_are_the_same_with_and_without_simplejpeg(monkeypatch, subsampling, progressive):
    content = file_of(picture(375, 500), "JPEG", quality=88, subsampling=subsampling, progressive=progressive)
    fast = decode_quickly(content)
    assert fast is not None
    np.testing.assert_array_equal(fast, np.asarray(Image.open(BytesIO(content))))
    with_it = load_photograph(content)
    monkeypatch.setattr(jpeg, "simplejpeg", None)
    without = load_photograph(content)
    np.testing.assert_array_equal(with_it.pixels, without.pixels)
    assert (with_it.treatments, with_it.size) == (without.treatments, without.size) == ((), (500, 375))


@pytest.mark.skipif(jpeg.simplejpeg is None, reason="simplejpeg, of the extra fast, is not installed")
def test_what_simplejpeg_refuses_is_left_to_pillow():
    content = file_of(picture(64, 64), "JPEG")
    short = content[: len(content) // 2] + b"\xff\xd9"  # the mark of the end, early
    assert decode_quickly(short) is None
    assert load_photograph(short).size == (64, 64), "Pillow fills up with grey"
    assert decode_quickly(content[:-200]) is None
    with pytest.raises(ImageError, match="damaged"):
        load_photograph(content[:-200])
