import numpy as np
import pytest
from layouts import check_layout, texts

from alexnet.show.figures.filters import figure, to_tiles
from alexnet.show.filters import SCALES, Filters


def made(count: int, channels: int, side: int, towers: int = 1, moved: int = 0, scale: str = "together") -> Filters:
    kernels = np.random.default_rng(0).normal(0, 0.01, (count, channels, side, side)).astype(np.float32)
    return Filters("paper", "conv1", kernels, towers, scale, np.arange(count) < moved, np.arange(count))


@pytest.mark.parametrize(
    ("count", "channels", "side", "towers"),
    [
        (96, 3, 11, 2),
        (96, 3, 11, 1),
        (64, 3, 11, 1),
        (8, 3, 5, 1),
        (3, 1, 11, 1),
        (10, 3, 7, 4),
        (256, 48, 5, 2),
        (4, 2, 3, 1),
    ],
)
def test_nothing_overlaps_however_many_kernels(count: int, channels: int, side: int, towers: int) -> None:
    check_layout(figure(made(count, channels, side, towers)))


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        (0, "None of the 96 differs from the noise that kernels start as"),
        (12, "12 of 96 are smoother than noise (underlined): they have moved away from their start."),
        (96, "All 96 are smoother than noise"),
    ],
)
def test_the_caption_says_how_many_kernels_have_moved(moved: int, said: str) -> None:
    assert said in " ".join(texts(figure(made(96, 3, 11, 2, moved))))


def test_towers_are_blocks_of_their_own() -> None:
    words = texts(figure(made(96, 3, 11, 2)))
    assert "maps 0–47, tower 1 of 2" in words
    assert "maps 48–95, tower 2 of 2" in words


def test_colours_are_as_the_scale_says() -> None:
    kernels = np.zeros((2, 3, 1, 2), np.float32)
    kernels[0, :, 0] = [[-1, 1], [-1, 1], [0, 0]]
    kernels[1, :, 0] = [[0, 2], [1, 1], [0, 0]]
    assert to_tiles(kernels, "together")[0, 0].tolist() == [[0, 0, 85], [170, 170, 85]]
    assert to_tiles(kernels, "each")[1, 0].tolist() == [[0, 128, 0], [255, 128, 0]]
    assert to_tiles(kernels, "zero")[0, 0].tolist() == [[64, 64, 128], [191, 191, 128]]
    assert to_tiles(np.ones_like(kernels), "together").tolist() == np.full((2, 1, 2, 3), 128).tolist()
    assert set(SCALES) == {"together", "each", "zero"}
