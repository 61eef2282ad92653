"""Output sizes and paddings, against loops that are obviously right."""

import pytest

from alexnet.model.geometry import ceil_padding, same_padding, window_positions


@pytest.mark.parametrize("kernel", [3, 5, 11])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_padding_and_positions_agree_with_sliding_a_window(kernel: int, stride: int) -> None:
    for size in range(11, 60):
        slide(size, kernel, stride)


def slide(size: int, kernel: int, stride: int) -> None:
    assert window_positions(size, kernel, stride) == len(range(0, size - kernel + 1, stride))
    padded = size + ceil_padding(size, kernel, stride)
    starts = range(0, padded - kernel + 1, stride)
    assert starts[-1] + kernel == padded, "the last window ends with the padding"
    assert padded - size < stride, "no window lies in the padding alone"


def test_the_paper_reaches_55_positions_from_224_by_three_zeros_and_from_227_by_none() -> None:
    assert ceil_padding(224, 11, 4) == 3
    assert ceil_padding(227, 11, 4) == 0
    assert window_positions(224 + 3, 11, 4) == window_positions(227, 11, 4) == 55


@pytest.mark.parametrize("kernel", [2, 3, 5, 11])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_same_padding_makes_a_window_of_every_stride_begun(kernel: int, stride: int) -> None:
    for size in range(1, 60):
        before, after = same_padding(size, kernel, stride)
        assert 0 <= after - before <= 1
        assert window_positions(before + size + after, kernel, stride) == -(-size // stride)
        if before:  # and no more than that takes
            assert window_positions(before + size + after - 1, kernel, stride) < -(-size // stride)


def test_a_stride_longer_than_the_window_takes_no_padding() -> None:
    assert same_padding(4, 1, 2) == same_padding(8, 2, 4) == (0, 0)


def test_same_padding_of_the_tflearn_program() -> None:
    assert same_padding(227, 11, 4) == (4, 4)
    assert same_padding(224, 11, 4) == (3, 4)
