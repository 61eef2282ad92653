"""The update by the compiled kernel, against the paper's rule in float64."""

from collections.abc import Iterator

import pytest
import torch

from alexnet.kernels import momentum_update, native, twins

pytestmark = pytest.mark.skipif(not native.available(), reason=native.describe())

# float32: some roundings of 2^-24 in sums of a handful of terms. bfloat16: half a unit of 8 bits, plus those.
EXACT = {torch.float32: 2e-6, torch.bfloat16: 2**-7.99}


@pytest.fixture(params=native.instruction_sets())
def instructions(request: pytest.FixtureRequest) -> Iterator[str]:
    with native.instructions(request.param):
        yield request.param


@pytest.mark.parametrize("grad_type", EXACT)
@pytest.mark.parametrize("with_copy", [True, False])
@pytest.mark.parametrize("count", [0, 1, 4097, 20_000])
def test_the_update_is_the_papers_rule(instructions: str, count: int, with_copy: bool, grad_type: torch.dtype) -> None:
    master, velocity, grad = torch.randn(count), torch.randn(count), torch.randn(count).to(grad_type)
    working = torch.zeros(count, dtype=torch.bfloat16) if with_copy else None
    w, v = master.double(), velocity.double()
    twins.momentum_update(w, v, grad, None, 0.01, 0.9, 0.0005)
    momentum_update(master, velocity, grad, working, 0.01, 0.9, 0.0005)
    # Terms of up to 4 that may cancel, each rounded to 24 bits.
    torch.testing.assert_close(velocity.double(), v, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(master.double(), w, rtol=1e-6, atol=1e-6)
    if working is not None:
        assert torch.equal(working, master.bfloat16())


def test_the_update_works_in_place_on_any_one_layout() -> None:
    grad = torch.randn(8, 6, 3, 3)
    plain = torch.randn(8, 6, 3, 3)
    last = plain.clone(memory_format=torch.channels_last)
    for master in (plain, last):
        momentum_update(master, torch.zeros_like(master), grad, master.bfloat16(), 0.1, 0.9, 0.01)
    assert torch.equal(plain, last)


def test_an_update_of_mixed_layouts_is_refused() -> None:
    master = torch.zeros(4, 3, 2, 2)
    velocity = torch.zeros(4, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    with pytest.raises(ValueError, match="differ in shape or memory layout"):
        momentum_update(master, velocity, master, None, 0.1, 0.9, 0.0)
