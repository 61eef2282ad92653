"""The resizing kernel against Pillow, whose numbers it gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from alexnet.data import resize as module
from alexnet.data.resize import INTERPOLATIONS, Box, resize, resize_with_pillow

kernel = pytest.mark.skipif(module._library() is None, reason="no compiler built the resizing kernel")


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Black and white pixels among others, so that bicubic overshoots at both ends."""
    random = np.random.default_rng(seed)
    return random.choice(np.array([0, 255, 1, 128, 200], np.uint8), (height, width, 3))


def check(pixels: NDArray[np.uint8], height: int, width: int, interpolation: str, box: Box) -> None:
    found = resize(pixels, height, width, interpolation, box)
    expected = resize_with_pillow(Image.fromarray(pixels), height, width, interpolation, box)
    np.testing.assert_array_equal(found, expected)


@kernel
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(
    "size", [(375, 500), (500, 333), (256, 256), (40, 90), (1, 1), (1, 700), (3, 2), (1201, 300), (257, 256)]
)
def test_the_central_square_is_pillow_s(size, interpolation):
    height, width = size
    side = min(size)
    left, top = (width - side) / 2, (height - side) / 2
    check(noise(*size), 256, 256, interpolation, (left, top, left + side, top + side))
    check(noise(*size), 256, 256, interpolation, (0, 0, width, height))


@kernel
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_box_of_any_picture_is_pillow_s(data):
    height, width, rows, columns = (data.draw(st.integers(1, 70)) for _ in range(4))
    edges = []
    for length in (width, height):
        low = data.draw(st.floats(0, length - 0.5))
        edges.append((low, length - data.draw(st.floats(0, 0.9)) * (length - low)))
    (left, right), (top, bottom) = edges
    interpolation = data.draw(st.sampled_from(list(INTERPOLATIONS)))
    check(noise(height, width, data.draw(st.integers(0, 9))), rows, columns, interpolation, (left, top, right, bottom))


@kernel
def test_a_large_photograph_is_pillow_s():
    check(noise(3000, 4000), 256, 256, "bicubic", (500, 0, 3500, 3000))


def test_without_the_kernel_pillow_does_the_work(monkeypatch):
    pixels, box = noise(50, 60), (1.5, 0.0, 51.5, 50.0)
    expected = resize(pixels, 20, 30, "bicubic", box)
    monkeypatch.setattr(module, "_library", lambda: None)
    np.testing.assert_array_equal(resize(pixels, 20, 30, "bicubic", box), expected)
    assert expected.shape == (20, 30, 3)


def test_a_box_that_leaves_the_picture_is_a_mistake_of_the_caller():
    if module._library() is None:
        pytest.skip("no compiler built the resizing kernel; Pillow raises an error of its own")
    with pytest.raises(AssertionError):
        resize(noise(5, 5), 2, 2, "bilinear", (0, 0, 5.5, 5))
