"""Every kind of file that is read, its pixels known: container, colours, bits, layout, transparency."""

import io
from collections.abc import Iterator

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from pictures import picture
from PIL import Image
from written import bmp, chunk, levels, on_white, pack, png, pnm, shown, tiff

from alexnet.data.decode import decode, decode_image
from alexnet.errors import ImageError

Cell = tuple[str, bytes, NDArray[np.float64]]


def held(content: bytes, expected: NDArray[np.float64], tolerance: float) -> None:
    pixels = decode(content).pixels
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).max() <= tolerance


def read(cells: Iterator[Cell]) -> pytest.MarkDecorator:
    listed = list(cells)
    assert len({name for name, *_ in listed}) == len(listed)
    rows = [(content, expected) for _, content, expected in listed]
    return pytest.mark.parametrize(("content", "expected"), rows, ids=[name for name, *_ in listed])


# ---- PNG


def pngs() -> Iterator[Cell]:
    for interlaced in (False, True):
        for bits in (1, 2, 4, 8, 16):
            name = f"{bits} bits{' interlaced' * interlaced}"
            grey = levels(bits, 1)
            yield f"grey {name}", png(grey, bits, 0, interlaced=interlaced), shown(grey, bits)
            key = int(grey[0, 0, 0])
            for what, other in (("key", key), ("another key", key ^ 1)):
                clear = chunk(b"tRNS", other.to_bytes(2))
                expected = np.where(grey == other, 255, shown(grey, bits))
                yield f"grey {what} {name}", png(grey, bits, 0, clear, interlaced=interlaced), expected
            if bits <= 8:
                palette = levels(8, 3, height=1, width=1 << bits).astype(np.uint8)[0]
                alpha = np.append(levels(8, 1, height=1, width=(1 << bits) - 1).ravel(), 255)
                colours = palette[grey[..., 0]].astype(float)
                entries = chunk(b"PLTE", palette.tobytes())
                clear = chunk(b"tRNS", alpha[:-1].astype(np.uint8).tobytes())
                yield f"palette {name}", png(grey, bits, 3, entries, interlaced=interlaced), colours
                expected = on_white(colours, alpha[grey] / 255)
                yield f"palette alpha {name}", png(grey, bits, 3, entries, clear, interlaced=interlaced), expected
                continue
            for samples, colour_type in ((2, 4), (4, 6)):
                both = levels(bits, samples)
                expected = on_white(shown(both[..., :-1], bits), both[..., -1:] / ((1 << bits) - 1))
                yield f"{samples} with alpha {name}", png(both, bits, colour_type, interlaced=interlaced), expected


@read(pngs())
def test_png(content: bytes, expected: NDArray[np.float64]) -> None:
    held(content, expected, 2)  # alpha rounds to bytes, and so does the sum


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_png_colour_keys_count_in_all_their_bits(bits: int, interlaced: bool) -> None:
    pixels = levels(bits, 3)
    pixels[3, 5] = pixels[7, 11] = key = pixels[0, 0].copy()
    pixels[7, 11, 2] ^= 1  # all but the key
    high = pixels >> (bits - 8)  # 16-bit colour keeps its high byte
    held(png(pixels, bits, 2, interlaced=interlaced), high, 0)
    clear = chunk(b"tRNS", b"".join(int(level).to_bytes(2) for level in key))
    expected = np.where((pixels == key).all(axis=2, keepdims=True), 255, high)
    assert (expected[3, 5] == 255).all() and not (expected[7, 11] == 255).all()
    held(png(pixels, bits, 2, clear, interlaced=interlaced), expected, 0)


# ---- PPM and BMP


def pnms() -> Iterator[Cell]:
    for largest in (1, 15, 100, 255, 256, 1023, 4095, 65535):
        for samples, plain, packed in ((1, 2, 5), (3, 3, 6)):
            pixels = levels(16, samples) % (largest + 1)
            expected = np.broadcast_to(pixels / largest * 255, (*pixels.shape[:2], 3))
            yield f"plain {samples} to {largest}", pnm(plain, pixels, largest), expected
            yield f"packed {samples} to {largest}", pnm(packed, pixels, largest), expected
    bits = levels(1, 1)
    yield "plain bits", pnm(1, bits, 1), shown(1 - bits, 1)
    yield "packed bits", pnm(4, bits, 1), shown(1 - bits, 1)


def bmps() -> Iterator[Cell]:
    for top_down in (False, True):
        name = " top down" * top_down
        for bits in (1, 4, 8):
            indices = levels(bits, 1)
            palette = levels(8, 4, height=1, width=1 << bits)[0] * [1, 1, 1, 0]
            content = bmp(indices, bits, palette=palette.astype(np.uint8).tobytes(), top_down=top_down)
            yield f"palette {bits}{name}", content, palette[indices[..., 0], 2::-1].astype(float)
        colours, four = levels(8, 3), levels(8, 4)
        yield f"24{name}", bmp(colours, 24, top_down=top_down), colours[..., ::-1].astype(float)
        yield f"32{name}", bmp(four, 32, top_down=top_down), four[..., 2::-1].astype(float)
        masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
        expected = on_white(four[..., 2::-1].astype(float), four[..., 3:] / 255)
        yield f"32 alpha{name}", bmp(four, 32, masks=masks, version=5, top_down=top_down), expected
        words = levels(16, 1)
        five = np.concatenate([words >> 10 & 31, words >> 5 & 31, words & 31], axis=2)
        yield f"16 of 555{name}", bmp(words, 16, top_down=top_down), shown(five, 5)
        six = np.concatenate([(words >> 11) * 63 / 31, words >> 5 & 63, (words & 31) * 63 / 31], axis=2)
        content = bmp(words, 16, masks=(0xF800, 0x7E0, 0x1F), top_down=top_down)
        yield f"16 of 565{name}", content, six / 63 * 255


@read(pnms())
def test_ppm(content: bytes, expected: NDArray[np.float64]) -> None:
    held(content, expected, 0.51)


@read(bmps())
def test_bmp(content: bytes, expected: NDArray[np.float64]) -> None:
    held(content, expected, 1)


# ---- TIFF, by hand where tifffile writes no such thing


def small_tiffs() -> Iterator[Cell]:
    for order in "<>":
        for bits, low_first in [*((bits, True) for bits in (1, 2, 4)), *((bits, False) for bits in (1, 2, 4, 8, 12))]:
            if (bits, order) == (12, ">"):
                continue
            name = f"{bits} bits {order}{' low bit first' * low_first}"
            grey = levels(bits, 1)
            yield f"black 0 {name}", tiff(grey, bits, 1, order=order, low_first=low_first), shown(grey, bits)
            if bits == 12:
                continue
            white = tiff(grey, bits, 0, order=order, low_first=low_first)
            yield f"white 0 {name}", white, shown((1 << bits) - 1 - grey, bits)
            if not low_first:
                palette = levels(8, 3, height=1, width=1 << bits)[0]
                content = tiff(grey, bits, 3, order=order, t320=(palette.T * 257).ravel().tolist())
                yield f"palette {name}", content, palette[grey[..., 0]].astype(float)


@read(small_tiffs())
def test_tiff_of_few_bits(content: bytes, expected: NDArray[np.float64]) -> None:
    held(content, expected, 1)


# ---- TIFF by tifffile


def written(pixels: NDArray[np.int64], bits: int, **options: object) -> bytes:
    stream = io.BytesIO()
    order, big = str(options.pop("order", "<")), bool(options.pop("big", False))
    with tifffile.TiffWriter(stream, byteorder=order, bigtiff=big) as writer:
        writer.write(np.ascontiguousarray(pixels.astype(f"u{bits // 8}")), metadata=None, **options)
    return stream.getvalue()


LAYOUTS = {
    "strips": {},
    "motorola": {"order": ">"},
    "tiles": {"tile": (16, 16)},
    "deflate": {"compression": "zlib", "rowsperstrip": 5},
    "lzw, differences": {"compression": "lzw", "predictor": True},
    "deflate, differences, motorola": {"compression": "zlib", "predictor": True, "order": ">"},
    "packbits": {"compression": "packbits"},
    "zstandard": {"compression": "zstd"},
    "lzma": {"compression": "lzma"},
    "big": {"big": True},
}


def meant(pixels: NDArray[np.int64], bits: int, photometric: str, extra: str) -> NDArray[np.float64]:
    """The RGB that the standard means, from 0 to 255."""
    scaled = pixels / ((1 << bits) - 1)
    if photometric == "separated":
        return 255 * (1 - scaled[..., :3]) * (1 - scaled[..., 3:4])
    colours, alpha = (
        (scaled[..., :1], scaled[..., 1:2]) if "min" in photometric else (scaled[..., :3], scaled[..., 3:4])
    )
    if photometric == "miniswhite":
        colours = 1 - colours
    whole = np.broadcast_to(colours * 255, (*colours.shape[:2], 3))
    if extra == "assocalpha":  # the colours have been multiplied already
        return whole + 255 * (1 - alpha)
    return on_white(whole, alpha) if extra == "unassalpha" else whole


def tiffs() -> Iterator[tuple[str, bytes, NDArray[np.float64], bool]]:
    """Name, content, what it means, and whether it is read at all."""
    for layout, options in LAYOUTS.items():
        for bits in (8, 16, 32):
            for photometric, own in (("minisblack", 1), ("miniswhite", 1), ("rgb", 3), ("separated", 4)):
                kinds = ("", "unspecified", "unassalpha", "assocalpha")
                for extra in kinds if photometric in ("minisblack", "rgb") else ("",):
                    pixels = levels(bits, own + bool(extra))
                    if extra == "assocalpha":
                        pixels[..., :own] = np.minimum(pixels[..., :own], pixels[..., own:])
                    expected = meant(pixels, bits, photometric, extra)
                    for planes in ("contig", "separate") if pixels.shape[2] > 1 else ("contig",):
                        more = {"planarconfig": planes} if pixels.shape[2] > 1 else {}
                        more |= {"extrasamples": [extra]} if extra else {}
                        laid = pixels if planes == "contig" else np.ascontiguousarray(pixels.transpose(2, 0, 1))
                        laid = laid if laid.shape[-1] > 1 else laid[..., 0]
                        content = written(laid, bits, photometric=photometric, **more, **options)
                        is_read = bits == 8 or (bits == 16 and not (own == 1 and extra))
                        if bits == 16 and photometric == "miniswhite" and options.get("order") == ">":
                            is_read = False
                        if planes == "separate" or (own == 1 and extra == "assocalpha"):
                            usual = (("rgb", ""), ("rgb", "unassalpha"), ("rgb", "unspecified"), ("separated", ""))
                            is_read = is_read and (photometric, extra) in usual
                        yield f"{bits} {photometric} {extra} {planes} {layout}", content, expected, is_read


def test_tiff_is_read_right_or_refused() -> None:
    wrong = []
    for name, content, expected, is_read in tiffs():
        try:
            pixels = decode(content).pixels
        except ImageError as refusal:
            if is_read or "damaged" in str(refusal):
                wrong.append((name, str(refusal)))
            continue
        # 16-bit colour keeps its high byte, alpha too: each is up to 1 low, and what multiplies them rounds
        error = np.abs(pixels - expected).max()
        if not is_read or error > (3 if name.startswith("16") else 2):
            wrong.append((name, error))
    assert not wrong


def test_tiff_in_planes_that_is_damaged_or_large_is_refused_or_read() -> None:
    whole = written(
        levels(16, 3).transpose(2, 0, 1), 16, photometric="rgb", planarconfig="separate", compression="zlib"
    )
    with pytest.raises(ImageError, match="claims 40×24 pixels, more than 959; --max-pixels raises the limit"):
        decode(whole, max_pixels=959)
    rng = np.random.default_rng(0)
    outcomes = set()
    for place in [*range(200), *rng.integers(200, len(whole), 200).tolist()]:
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        try:
            outcomes.add(decode(bytes(damaged)).pixels.ndim)
        except ImageError:
            outcomes.add(0)
    assert outcomes == {0, 3}


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2)])
def test_tiff_of_jpeg_strips(subsampling: tuple[int, int]) -> None:
    pixels = picture(192, 320)
    colours = written(pixels, 8, photometric="rgb", subsampling=subsampling, compression="jpeg")
    grey = written(pixels[..., 0], 8, photometric="minisblack", compression="jpeg")
    for content, expected in ((colours, pixels), (grey, pixels[..., :1].repeat(3, axis=2))):
        found = decode(content).pixels
        assert np.abs(found - expected.astype(int)).mean() < 2  # what JPEG costs; wrong colours cost 30


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tiff(levels(8, 1), 8, 1, t339=[2]), "its pixels are 8-bit signed numbers without a stated range"),
        (tiff(levels(16, 1), 16, 1, t339=[2]), "16-bit signed numbers"),
        (tiff(levels(32, 1), 32, 1), "its pixels are 32-bit integers without a stated range"),
        (tiff(levels(8, 1), 32, 1), "32-bit integers"),  # few as its levels are
        (tiff(levels(32, 1), 32, 1, t339=[3]), "its pixels are floating-point numbers without a stated range"),
        (tiff(levels(32, 3), 32, 2, t339=[3] * 3), "floating-point"),
        (tiff(levels(8, 3), 8, 8), "8-bit CIE Lab samples, which is not read; save it as 8-bit RGB"),
        (tiff(levels(8, 3), 8, 6), "8-bit YCbCr samples"),
        (tiff(levels(8, 2), 8, 3, t320=[0] * 768, t338=[2]), "8-bit palette samples and 1 more"),
        (tiff(levels(4, 3), 4, 2), "4-bit RGB samples"),
        (tiff(levels(8, 1), 8, 0, low_first=True), "samples, filled from the low bit"),
        (tiff(levels(8, 3), 8, 2, t259=[50001]), "a TIFF compressed by WebP, which is not read; save it with LZW"),
        (tiff(levels(8, 3), 8, 2, t259=[6]), "compressed by JPEG of before 1995"),
        (tiff(levels(8, 3), 8, 2, t259=[60000]), "compressed by number 60000"),
        (tiff(levels(8, 3), 8, 2, t317=[2]), "with a predictor"),
        (tiff(levels(12, 1), 12, 1, order=">"), "12-bit grey samples, high byte first"),
        (tiff(levels(16, 1), 16, 0, order=">"), "16-bit grey (white is 0) samples, high byte first"),
        (tiff(levels(16, 1), 16, 32803), "a camera's raw photograph"),
        (tiff(levels(8, 3), 8, 2, t50706=[1]), "a camera's raw photograph"),
        (tiff(levels(8, 3), 8, 2, t254=[1]), "its first picture is a reduced copy of another"),
    ],
)
def test_tiff_that_is_not_read_has_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode(content)
    assert reason in str(caught.value)


# ---- WebP by OpenCV


@pytest.mark.parametrize("samples", [3, 4])
def test_webp(samples: int) -> None:
    pixels = levels(8, samples).astype(np.uint8)
    _, content = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, 101])  # above 100: without loss
    colours = pixels[..., 2::-1].astype(float)
    held(content.tobytes(), on_white(colours, pixels[..., 3:] / 255) if samples == 4 else colours, 1)


# ---- AVIF by libavif


@pytest.mark.parametrize("samples", [3, 4])
def test_avif(samples: int) -> None:
    pixels = np.dstack([picture(48, 80), picture(48, 80, seed=1)[..., :1]])[..., :samples]
    content = imagecodecs.avif_encode(pixels, level=100)
    colours = pixels[..., :3].astype(float)
    expected = on_white(colours, pixels[..., 3:] / 255) if samples == 4 else colours
    assert np.abs(decode(content, "a.avif").pixels - expected).mean() < 3  # what subsampled colours cost
    assert decode(content, "a.avif").treatments == (("transparency laid on white",) if samples == 4 else ())


def test_the_writers_agree_with_another_reader() -> None:
    grey = levels(16, 1)
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(tiff(grey, 16, 1, order=">"))), grey[..., 0])
    found = cv2.imdecode(np.frombuffer(png(levels(16, 3), 16, 2, interlaced=True), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(found[..., ::-1], levels(16, 3))
    assert pack(np.array([[1, 0, 1, 1]]), 1) == b"\xb0"
    assert pack(np.array([[1, 0, 1, 1]]), 1, low_first=True) == b"\x0d"


@pytest.mark.parametrize("loaded", [False, True])
def test_an_image_in_hand_is_treated_as_its_file_would_be(loaded: bool) -> None:
    def opened(content: bytes) -> Image.Image:
        image = Image.open(io.BytesIO(content))
        if loaded:
            image.load()
        return image

    content = tiff(levels(16, 1), 16, 0)
    np.testing.assert_array_equal(decode_image(opened(content)).pixels, decode(content).pixels)
    apart = written(levels(16, 3).transpose(2, 0, 1), 16, photometric="rgb", planarconfig="separate")
    with pytest.raises(ImageError, match="8-bit CIE Lab samples"):
        decode_image(opened(tiff(levels(8, 3), 8, 8)))
    if loaded:
        with pytest.raises(ImageError, match="in separate planes, and its file is closed; give the file"):
            decode_image(opened(apart))
    if not loaded:
        np.testing.assert_array_equal(decode_image(opened(apart)).pixels, levels(16, 3) >> 8)
    if not loaded:  # afterwards the low bytes are gone
        pixels = levels(16, 3)
        content = png(pixels, 16, 2, chunk(b"tRNS", pixels[0, 0].astype(">u2").tobytes()))
        np.testing.assert_array_equal(decode_image(opened(content)).pixels, decode(content).pixels)
