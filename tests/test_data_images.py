import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import file_of, picture
from PIL import Image

from alexnet.data.images import load_photograph, resized
from alexnet.data.preparation import DEFAULT, Preparation


def bicubic_weights(size: int, start: float, side: float, to: int) -> NDArray[np.float64]:
    """The (to, size) matrix of Keys' cubic (a = -1/2), stretched when it reduces so that nothing is skipped."""
    step = side / to
    stretch = max(step, 1.0)
    centres = start + (np.arange(to) + 0.5) * step
    x = np.abs(np.arange(size) + 0.5 - centres[:, None]) / stretch
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return weights / weights.sum(axis=1, keepdims=True)


def bilinear_weights(size: int, start: float, side: float, to: int) -> NDArray[np.float64]:
    """The (to, size) matrix of the triangle, stretched when it reduces so that nothing is skipped."""
    step = side / to
    centres = start + (np.arange(to) + 0.5) * step
    x = np.abs(np.arange(size) + 0.5 - centres[:, None]) / max(step, 1.0)
    weights = np.maximum(1 - x, 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("to", [256, 32, 72, 512])
@pytest.mark.parametrize("resize", ["shorter", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(256, 256), (375, 500), (500, 333), (40, 90), (1201, 300), (257, 256), (3, 2)])
def test_resize_equals_the_antialiased_rule_in_float64(size, interpolation, resize, to):
    pixels = picture(*size, low=60, high=190)
    weights = bicubic_weights if interpolation == "bicubic" else bilinear_weights
    sides = (min(size), min(size)) if resize == "shorter" else size
    rows, columns = (weights(length, (length - side) / 2, side, to) for length, side in zip(size, sides, strict=True))
    expected = np.einsum("yh,hwc,xw->yxc", rows, pixels.astype(np.float64), columns, optimize=True)
    asked = Preparation(resize=resize, interpolation=interpolation, side=to)
    found = load_photograph(file_of(pixels), preparation=asked).pixels
    # Pillow rounds to bytes after each of its two passes, with fixed-point weights: 0.5 · 1.25 (sum of |weights|) + 0.5
    assert np.abs(found - expected).max() < 1.2
    if (resize, interpolation, to) == ("shorter", "bicubic", 256):
        np.testing.assert_array_equal(resized(pixels, DEFAULT), found)


@pytest.mark.parametrize("to", [256, 72, 300])
@pytest.mark.parametrize("size", [(375, 500), (500, 333), (333, 500), (1201, 301), (97, 40), (256, 257), (300, 300)])
def test_torchvision_s_rule_equals_resizing_all_and_cropping_as_it_does(size, to):
    height, width = size
    pixels = picture(height, width)
    image = Image.fromarray(pixels)
    # torchvision's documented arithmetic: Resize(to) rounds the longer side down, CenterCrop(to) rounds the corner
    long = int(to * max(size) / min(size))
    whole = image.resize((to, long) if height > width else (long, to), Image.Resampling.BILINEAR)
    start = round((long - to) / 2)
    expected = np.array(whole)[start:, :] if height > width else np.array(whole)[:, start:]
    expected = expected[:to, :to].astype(int)
    found, usual = (
        resized(pixels, Preparation(resize=resize, interpolation="bilinear", side=to))
        for resize in ("torchvision", "shorter")
    )
    assert np.abs(found - expected).max() <= 1  # Pillow may take its two passes, each rounded, in the other order
    if long != to * max(size) / min(size):
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
    np.testing.assert_array_equal(resized(pixels, DEFAULT), whole[:, 128:384])


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
