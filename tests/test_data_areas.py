import numpy as np
import pytest
from pictures import picture

from alexnet.data.areas import area_sums


def by_hand(pixels: np.ndarray, areas: int) -> np.ndarray:
    """Every pixel as areas × areas equal smaller ones, so that no edge cuts any; then plain sums."""
    side = len(pixels)
    fine = pixels.astype(np.int64).repeat(areas, axis=0).repeat(areas, axis=1)
    return fine.reshape(areas, side, areas, side, 3).sum(axis=(1, 3))


@pytest.mark.parametrize("areas", [8, 32])
@pytest.mark.parametrize("side", [32, 33, 72, 110])
def test_sums_are_exact_at_any_side(side: int, areas: int) -> None:
    pixels = picture(side, side)
    np.testing.assert_array_equal(area_sums(pixels, areas), by_hand(pixels, areas))


def test_where_no_edge_cuts_a_pixel_they_are_sums_of_blocks() -> None:
    pixels = picture(256, 256)
    blocks = pixels.reshape(32, 8, 32, 8, 3).sum(axis=(1, 3), dtype=np.int64)
    np.testing.assert_array_equal(area_sums(pixels, 32), blocks * 32**2)


def test_the_largest_sum_is_that_of_a_white_photograph() -> None:
    assert np.unique(area_sums(np.full((512, 512, 3), 255, np.uint8), 32)).tolist() == [255 * 512**2]
