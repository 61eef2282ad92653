"""Dropout by the compiled kernel, against its twin."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F

from alexnet.kernels import native, relu_dropout, use_twin

pytestmark = pytest.mark.skipif(not native.available(), reason=native.describe())

# float32: some roundings of 2^-24 in sums of a handful of terms. bfloat16: half a unit of 8 bits, plus those.
EXACT = {torch.float32: 2e-6, torch.bfloat16: 2**-7.99}


@pytest.fixture(params=native.instruction_sets())
def instructions(request: pytest.FixtureRequest) -> Iterator[str]:
    with native.instructions(request.param):
        yield request.param


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("count", [0, 1, 255, 257, 5000])
def test_dropout_has_the_twins_mask(instructions: str, count: int, relu: bool, dtype: torch.dtype) -> None:
    x = torch.randn(count).to(dtype)
    found, expected = x.clone().requires_grad_(), x.clone().requires_grad_()
    y = relu_dropout(found, 0.3, 2**40 + 5, relu)
    with use_twin():
        z = relu_dropout(expected, 0.3, 2**40 + 5, relu)
    assert torch.equal(y == 0, z == 0)
    torch.testing.assert_close(y, z, rtol=EXACT[dtype], atol=0)
    gy = torch.randn_like(y)
    y.backward(gy)
    z.backward(gy)
    torch.testing.assert_close(found.grad, expected.grad, rtol=EXACT[dtype], atol=0)


def test_dropout_of_nothing_is_relu() -> None:
    x = torch.tensor([-1.0, 2.0, torch.nan, torch.inf])
    torch.testing.assert_close(relu_dropout(x, 0.0, 1), F.relu(x), equal_nan=True)


def test_dropout_counts_elements_row_by_row_whatever_the_layout() -> None:
    x = torch.randn(30, 20)
    assert torch.equal(relu_dropout(x.T.contiguous().T, 0.5, 9), relu_dropout(x, 0.5, 9))
