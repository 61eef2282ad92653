"""The conventions of response normalisation, against loops that are obviously right."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from alexnet import kernels
from alexnet.errors import ConfigError
from alexnet.model.lrn import CONVENTIONS, convert_norm, norm_window
from alexnet.model.spec import ResponseNorm


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


def normalised(norm: ResponseNorm, x: torch.Tensor) -> torch.Tensor:
    return kernels.response_norm(x, *norm_window(norm), norm.towers)


def written_out(norm: ResponseNorm, x: torch.Tensor) -> torch.Tensor:
    """The definition of each convention, map by map, from its own documentation."""
    n, maps, y = norm.n, x.shape[1], torch.empty_like(x)
    for i in range(maps):
        match norm.convention:
            case "original":  # n terms from i - n/2 on, the whole divided by n
                near, alpha = range(i - n // 2, i - n // 2 + n), norm.alpha / n
            case "printed":
                near, alpha = range(i - n // 2, i + n // 2 + 1), norm.alpha
            case "onnx":  # floor((n - 1) / 2) below, ceil((n - 1) / 2) above
                near, alpha = range(i - (n - 1) // 2, i + -(-(n - 1) // 2) + 1), norm.alpha / n
            case _:  # depth_radius on both sides
                near, alpha = range(i - (n - 1) // 2, i + (n - 1) // 2 + 1), norm.alpha
        sums = sum((x[:, j] ** 2 for j in near if 0 <= j < maps), torch.zeros_like(x[:, i]))
        y[:, i] = x[:, i] / (norm.k + alpha * sums) ** norm.beta
    return y


MAPS = torch.randn(2, 9, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 50
EVERY = [
    ResponseNorm("norm1", n=n, alpha=1e-3, convention=convention)
    for convention in CONVENTIONS
    for n in (1, 4, 5, 11)
    if (convention, n) != ("tensorflow", 4)
]


@pytest.mark.parametrize("norm", EVERY, ids=lambda norm: f"{norm.convention}-{norm.n}")
def test_a_normalisation_computes_its_conventions_definition(norm: ResponseNorm) -> None:
    torch.testing.assert_close(normalised(norm, MAPS), written_out(norm, MAPS))


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("norm", EVERY, ids=lambda norm: f"{norm.convention}-{norm.n}")
def test_a_converted_normalisation_is_the_same_function(norm: ResponseNorm, convention: str) -> None:
    lopsided = norm.n == 4 and norm.convention != "printed"
    if lopsided and convention != norm.convention:
        # one map more on one side: nobody else's window
        with pytest.raises(ConfigError, match=r"norm1 looks at . maps below and|must be odd"):
            convert_norm(norm, convention)
        return
    converted = convert_norm(norm, convention)
    assert converted.convention == convention
    torch.testing.assert_close(written_out(converted, MAPS), written_out(norm, MAPS))


def test_published_conversions() -> None:
    """The original's n 5, alpha 1e-4 is TensorFlow's radius 2, alpha 2e-5; the printed formula is PyTorch's 5e-4."""
    ours = ResponseNorm("norm1")
    assert convert_norm(ours, "tensorflow") == replace(ours, alpha=pytest.approx(2e-5), convention="tensorflow")
    printed = ResponseNorm("norm1", convention="printed")
    assert convert_norm(printed, "original") == replace(ours, alpha=pytest.approx(5e-4))
    with pytest.raises(ConfigError, match=r"'onxx'; did you mean 'onnx'"):
        convert_norm(ours, "onxx")


@pytest.mark.parametrize("c", [2.0, 0.3])
def test_k_and_alpha_scaled_together_scale_the_answer_by_c_to_the_minus_beta(c: float) -> None:
    norm = ResponseNorm("norm1", k=1.0, alpha=1e-3)
    scaled = replace(norm, k=c * norm.k, alpha=c * norm.alpha)
    torch.testing.assert_close(normalised(scaled, MAPS), c**-norm.beta * normalised(norm, MAPS))


@pytest.mark.parametrize("twin", [True, False])
def test_a_window_wider_than_all_channels_sees_all_of_them(twin: bool) -> None:
    x = torch.randn(2, 6, 3, 3, generator=torch.Generator().manual_seed(0))
    with kernels.use_twin() if twin else nullcontext():
        y = kernels.response_norm(x, 2**62, 2**63 - 1, 2.0, 1e-3, 0.75)
        towers = kernels.response_norm(x, 2**62, 2**63 - 1, 2.0, 1e-3, 0.75, 2)
    torch.testing.assert_close(y, x * (2 + 1e-3 * x.square().sum(1, keepdim=True)) ** -0.75)
    halves = torch.cat([half * (2 + 1e-3 * half.square().sum(1, keepdim=True)) ** -0.75 for half in x.chunk(2, 1)], 1)
    torch.testing.assert_close(towers, halves)
