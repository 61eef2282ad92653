"""Output sizes and the conventions of response normalisation, against loops that are obviously right."""

import pytest

from alexnet.errors import ConfigError
from alexnet.model.ops import CONVENTIONS, ceil_padding, norm_window, window_positions
from alexnet.model.spec import ResponseNorm


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


@pytest.mark.parametrize(
    ("convention", "n", "maps", "alpha"),
    [
        # maps below and above map i, and the factor of the sum, as each definition is documented
        ("original", 5, (2, 2), 1e-4 / 5),
        ("original", 4, (2, 1), 1e-4 / 4),
        ("printed", 5, (2, 2), 1e-4),
        ("printed", 4, (2, 2), 1e-4),
        ("onnx", 5, (2, 2), 1e-4 / 5),
        ("onnx", 4, (1, 2), 1e-4 / 4),
        ("tensorflow", 11, (5, 5), 1e-4),
    ],
)
def test_conventions_mean_what_they_say(convention: str, n: int, maps: tuple[int, int], alpha: float) -> None:
    window = norm_window(ResponseNorm("norm1", n=n, convention=convention))
    assert (window.below, window.above) == maps
    assert window.alpha == pytest.approx(alpha, rel=1e-12)  # one division


def test_every_convention_is_described_and_no_other_is_taken() -> None:
    for convention in CONVENTIONS:
        norm_window(ResponseNorm("norm1", convention=convention))
    with pytest.raises(ConfigError, match=r"'orignal'; did you mean 'original'"):
        norm_window(ResponseNorm("norm1", convention="orignal"))


def test_tensorflow_has_no_even_window() -> None:
    with pytest.raises(ConfigError, match=r"must be odd.*not 4"):
        norm_window(ResponseNorm("norm1", n=4, convention="tensorflow"))
