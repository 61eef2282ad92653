"""The kernels in Triton against their twins: on a GPU where there is one, else by Triton's interpreter."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from alexnet.kernels import twins
from alexnet.kernels.twins import Order, Padding, Spatial

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytest.importorskip("triton", reason="needs Triton, which PyTorch's builds for GPUs bring")

from alexnet.kernels import gpu  # noqa: E402

# of Triton's interpreter, which goes through NumPy
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
NORMS = [
    ((2, 96, 5, 4), 2, 2, 2.0, 0.75, 2),
    ((2, 256, 3, 3), 2, 2, 2.0, 0.75, 1),
    ((1, 10, 3, 2), 0, 4, 1.0, 0.5, 1),
    ((1, 300, 2, 3), 5, 5, 1.0, 0.75, 2),  # more channels than a program has
    ((2, 6, 4, 4), 1, 0, 0.5, 0.75, 3),
]


def numbers(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(len(shape))
    return (3 * torch.randn(shape, generator=generator)).to(dtype).to(DEVICE)


def there_and_back(function: Callable[..., Tensor], x: Tensor, *how: Any) -> tuple[Tensor, Tensor]:
    """The result, and the gradient of a sum of it with other weights."""
    x = x.clone().requires_grad_()
    y = function(x, *how)
    y.backward(torch.linspace(-1, 2, y.numel(), device=y.device, dtype=torch.float64).reshape(y.shape).to(y.dtype))
    assert x.grad is not None
    return y.detach(), x.grad


def assert_near(found: tuple[Tensor, ...], right: tuple[Tensor, ...], tolerance: float) -> None:
    for mine, exact in zip(found, right, strict=True):
        assert mine.shape == exact.shape
        assert (mine.double() - exact.double()).norm() <= tolerance * exact.double().norm()


@pytest.mark.parametrize(("shape", "lo", "hi", "k", "beta", "towers"), NORMS)
def test_response_norm_is_the_twins(
    shape: tuple[int, ...], lo: int, hi: int, k: float, beta: float, towers: int
) -> None:
    x, how = numbers(shape), (lo, hi, k, 0.02, beta, towers)
    exact = there_and_back(twins.response_norm, x.double(), *how)
    assert_near(there_and_back(gpu.response_norm, x, *how), exact, 1e-6)


def test_bf16_is_normalised_in_float32_and_rounded_once() -> None:
    x, how = numbers((2, 96, 5, 4), torch.bfloat16), (2, 2, 2.0, 0.02, 0.75, 2)
    y = gpu.response_norm(x, *how)
    assert y.dtype is torch.bfloat16
    assert_near((y,), (twins.response_norm(x.double(), *how),), 2**-8)


@pytest.mark.parametrize(("shape", "size"), [((2, 256, 6, 7), 5), ((1, 8, 3, 3), 9), ((2, 20, 5, 5), 3)])
def test_spatial_norm_is_the_twins(shape: tuple[int, ...], size: int) -> None:
    x, spatial = numbers(shape), Spatial(size, 1.0, 0.01, 0.75)
    exact = there_and_back(twins.spatial_norm, x.double(), spatial)
    assert_near(there_and_back(gpu.spatial_norm, x, spatial), exact, 1e-6)


def test_a_stage_goes_through_the_same_steps() -> None:
    x = numbers((2, 32, 9, 9))
    order = Order(relu=True, norm=True, spatial=True, relu_after=True, norm_after=True)
    how = order, 3, 2, 2, 2, 2.0, 0.02, 0.75, 2, Spatial(5, 1.0, 0.01, 0.75), Padding(0, 1, 0, 1)
    exact = there_and_back(twins.pooled_stage, x.double(), *how)
    assert_near(there_and_back(gpu.pooled_stage, x, *how), exact, 1e-6)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize(("count", "p", "seed"), [(7, 0.5, 3), (1000, 0.5, (1 << 62) - 12345), (4099, 0.3, 1 << 40)])
def test_dropout_drops_the_elements_that_it_drops_on_a_processor(count: int, p: float, seed: int, relu: bool) -> None:
    x = numbers((3, count))
    kept = there_and_back(twins.relu_dropout, x.cpu(), p, seed, relu)
    found = there_and_back(gpu.relu_dropout, x, p, seed, relu)
    for mine, exact in zip(found, kept, strict=True):
        torch.testing.assert_close(mine.cpu(), exact, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_update_is_the_papers(dtype: torch.dtype) -> None:
    def updated(update: Callable[..., None], wide: torch.dtype) -> tuple[Tensor, ...]:
        weights, velocity = numbers((40, 77)).to(wide), numbers((77, 40)).T.contiguous().to(wide)
        working = weights.bfloat16() if dtype is torch.bfloat16 else None
        # of other strides than the weights
        update(weights, velocity, numbers((77, 40), dtype).T, working, 0.01, 0.9, 0.0005)
        return (weights, velocity) if working is None else (weights, velocity, working)

    weights, velocity, *working = updated(gpu.momentum_update, torch.float32)
    exact = updated(twins.momentum_update, torch.float64)
    assert_near((weights, velocity), exact[:2], 1e-6)
    if working:
        assert_near((working[0],), (weights,), 2**-7)
