"""The compiled kernels against float64, against PyTorch's own operators, and against each other."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from alexnet.errors import ConfigError
from alexnet.kernels import native, pooled_stage, relu_dropout, response_norm, twins, use_twin
from alexnet.kernels.pool import ORDERS
from alexnet.kernels.twins import NOT_SPATIAL, UNPADDED, Padding, Spatial

pytestmark = pytest.mark.skipif(not native.available(), reason=native.describe())

SPATIAL = Spatial(5, 1.0, 0.04, 0.75)
PAPER = 2, 2, 2.0, 0.3, 0.75, 1  # lo, hi, k, alpha (large enough to matter to random numbers), beta, towers
# float32: some roundings of 2^-24 in sums of a handful of terms. bfloat16: half a unit of 8 bits, plus those.
EXACT = {torch.float32: 2e-6, torch.bfloat16: 2**-7.99}


@pytest.fixture(params=native.instruction_sets())
def instructions(request: pytest.FixtureRequest) -> Iterator[str]:
    with native.instructions(request.param):
        yield request.param


def normed_before_pool(x: Tensor, order: str, norm: tuple[Any, ...], spatial: Spatial, dtype: torch.dtype) -> Tensor:
    """`x` before the pool in float64, but for the rounding to `dtype` between two norms."""
    steps = ORDERS[order]
    x = F.relu(x) if steps.relu else x
    x = twins.response_norm(x, *norm) if steps.norm else x
    if steps.spatial:
        x = x + (x.detach().to(dtype).double() - x.detach())
        x = twins.spatial_norm(x, spatial)
    return x


def check_stage(
    x: Tensor,
    order: str,
    kernel: int,
    stride: int,
    norm: tuple[Any, ...],
    spatial: Spatial = SPATIAL,
    padding: Padding = UNPADDED,
) -> None:
    """Compares forward and gradient of the kernel with float64.

    Two numbers of a window that differ by less than rounding may be chosen either way. So the kernel's choice must
    be a largest number to within rounding, and its gradient that of its choice.
    """
    tolerance = EXACT[x.dtype]
    numbers = order, kernel, stride, padding, *norm, *spatial
    y, argmax = torch.ops.alexnet.pooled_stage(x, *numbers, True)
    assert y.dtype == x.dtype
    assert y.is_contiguous(memory_format=torch.channels_last)

    wide = x.double().detach().requires_grad_()
    before = normed_before_pool(wide, order, norm, spatial, x.dtype)
    before = F.pad(before, (padding.left, padding.right, padding.top, padding.bottom), value=-torch.inf)
    patches = before.unfold(2, kernel, stride).unfold(3, kernel, stride)
    patches = patches.flatten(-2)  # (N, C, P, Q, kernel²)
    largest = patches.amax(-1)
    open_ = argmax != 255
    chosen = patches.gather(-1, argmax.where(open_, 0).long()[..., None])[..., 0]
    if ORDERS[order].relu_after:
        assert torch.equal(open_, largest > 0)
        largest = largest.clamp(min=0)
    else:
        assert open_.all()
    torch.testing.assert_close(y.double(), largest.detach(), rtol=tolerance, atol=1e-30)
    torch.testing.assert_close(chosen[open_], largest[open_], rtol=2 * tolerance, atol=1e-30)

    gy = torch.randn_like(y)
    saved = x if ORDERS[order].norm else None
    gx = torch.ops.alexnet.pooled_stage_backward(gy, saved, argmax, *x.shape[2:], *numbers)
    chosen.where(open_, 0).mul(gy.double()).sum().backward()
    # The two terms of a norm's gradient may cancel: measure against the larger.
    scale = float(gy.abs().max()) * 4 if gy.numel() else 0
    torch.testing.assert_close(gx.double(), wide.grad, rtol=tolerance, atol=tolerance * scale * 0.2)


# --- against float64


shapes = st.tuples(st.integers(0, 3), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
dtypes = st.sampled_from([torch.float32, torch.bfloat16])
norms = st.tuples(
    st.integers(0, 4), st.integers(0, 4), st.floats(0.5, 4), st.floats(0, 2), st.sampled_from([0.75, 0.6])
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    shapes,
    st.integers(1, 4),
    dtypes,
    st.sampled_from(sorted(ORDERS)),
    st.integers(1, 5),
    st.integers(1, 5),
    norms,
    st.builds(Spatial, st.sampled_from([1, 3, 5, 7]), st.floats(0.5, 4), st.floats(0, 1), st.sampled_from([0.75, 0.6])),
    st.data(),
    st.integers(0, 2**31),
)
def test_any_stage_is_that_of_float64(
    shape: tuple[int, ...],
    towers: int,
    dtype: torch.dtype,
    order: str,
    kernel: int,
    stride: int,
    norm: tuple[Any, ...],
    spatial: Spatial,
    data: st.DataObject,
    seed: int,
) -> None:
    n, c, h, w = shape
    height, width = h + kernel - 1, w + kernel - 1
    sides = st.integers(0, min(kernel, stride) - 1)
    padding = Padding(*(data.draw(sides) for _ in range(4)))
    x = torch.randn(n, c * towers, height, width, generator=torch.manual_seed(seed)).to(dtype)
    check_stage(x, order, kernel, stride, (*norm, towers), spatial, padding)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(shapes, st.integers(1, 4), dtypes, norms, st.integers(0, 2**31))
def test_any_response_norm_is_that_of_float64(
    shape: tuple[int, ...], towers: int, dtype: torch.dtype, norm: tuple[Any, ...], seed: int
) -> None:
    n, c, h, w = shape
    x = torch.randn(n, c * towers, h, w, generator=torch.manual_seed(seed)).to(dtype).requires_grad_()
    wide = x.detach().double().requires_grad_()
    y, expected = response_norm(x, *norm, towers), twins.response_norm(wide, *norm, towers)
    torch.testing.assert_close(y.double(), expected, rtol=EXACT[dtype], atol=0)
    gy = torch.randn_like(y)
    y.backward(gy)
    expected.backward(gy.double())
    assert x.grad is not None
    torch.testing.assert_close(x.grad.double(), wide.grad, rtol=EXACT[dtype], atol=EXACT[dtype])


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("shape", "towers"), [((2, 96, 13, 15), 2), ((1, 256, 7, 7), 1)])
def test_stages_of_real_widths_are_those_of_float64(
    instructions: str, shape: tuple[int, ...], towers: int, order: str, dtype: torch.dtype
) -> None:
    check_stage(torch.randn(shape).to(dtype), order, 3, 2, (*PAPER[:5], towers))


@pytest.mark.parametrize("exponent", range(-30, 38, 4))
def test_the_fast_power_holds_over_the_range_of_float32(instructions: str, exponent: int) -> None:
    # k alone, from 1e-30 to 1e38, under a numerator of 1: alpha is 0.
    k = torch.logspace(exponent, exponent + 0.999, 50, dtype=torch.float64).float().double()
    one = torch.ones(1, 1, 1, 1)
    found = torch.stack([response_norm(one, 0, 0, float(v), 0.0)[0, 0, 0, 0] for v in k]).double()
    torch.testing.assert_close(found, k**-0.75, rtol=3e-7, atol=0)  # two units in the last place and a half


# --- against PyTorch's own operators


def test_the_papers_stage_is_pytorchs_three_modules(instructions: str) -> None:
    x = torch.randn(2, 96, 11, 11)
    expected = F.max_pool2d(F.local_response_norm(F.relu(x), 5, alpha=5 * 0.3, beta=0.75, k=2.0), 3, 2)
    torch.testing.assert_close(pooled_stage(x, "relu-norm-pool", 3, 2, *PAPER), expected, rtol=2e-6, atol=0)


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("order", ["pool", "relu-pool"])
@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_equal_numbers_give_their_gradient_to_the_first(
    instructions: str, order: str, dtype: torch.dtype, kernel: int
) -> None:
    x = torch.randint(-2, 3, (2, 70, 9, 9)).to(dtype)
    x *= torch.randint(0, 2, x.shape) * 2 - 1  # now some zeros are -0, which equals 0
    x.requires_grad_()
    y = pooled_stage(x, order, kernel, 2)
    gy = torch.randint(1, 9, y.shape).to(dtype)
    (expected,) = torch.autograd.grad(
        F.max_pool2d(F.relu(x) if order == "relu-pool" else x, kernel, 2), x, gy, retain_graph=True
    )
    (found,) = torch.autograd.grad(y, x, gy)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize(
    "order", ["relu-norm-pool", "norm-pool-relu", "relu-pool-norm", "pool", "relu-norm-spatial norm-pool"]
)
@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e30])
def test_odd_numbers_reach_exactly_what_they_reach_in_pytorch(
    instructions: str, order: str, dtype: torch.dtype, value: float
) -> None:
    x = torch.randn(2, 40, 7, 9).to(dtype)
    x[0, 19, 3, 4] = x[1, 0, 0, 0] = value
    x[0, 21, 1, 8] = x[1, 39, 6, 8] = -value
    norm = *PAPER[:5], 2
    found, expected = x.clone().requires_grad_(), x.clone().requires_grad_()
    y = pooled_stage(found, order, 3, 2, *norm, spatial=SPATIAL)
    with use_twin():
        z = pooled_stage(expected, order, 3, 2, *norm, spatial=SPATIAL)
    torch.testing.assert_close(y, z, rtol=EXACT[dtype], atol=0, equal_nan=True)
    gy = torch.randn_like(y)
    y.backward(gy)
    z.backward(gy)
    assert found.grad is not None
    assert expected.grad is not None
    assert torch.equal(found.grad.isfinite(), expected.grad.isfinite())


def test_a_bfloat16_nan_is_pytorchs_quiet_nan() -> None:
    y = response_norm(torch.full((1, 3, 1, 1), -torch.nan).bfloat16(), *PAPER)
    assert y.view(torch.int16).unique().tolist() == [0x7FC0]


# --- whatever the layout, the threads and the processor


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "sliced", "expanded"])
def test_any_memory_layout_gives_the_same_result(layout: str) -> None:
    base = torch.randn(4, 20, 9, 8)
    x = {
        "contiguous": base,
        "channels_last": base.contiguous(memory_format=torch.channels_last),
        "sliced": torch.randn(4, 40, 9, 16)[:, ::2, :, 1::2].copy_(base),
        "expanded": base[:1].expand(4, -1, -1, -1),
    }[layout].requires_grad_()
    plain = x.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
    for v in (x, plain):
        pooled_stage(v, "relu-norm-pool", 3, 2, *PAPER).square().sum().backward()
        response_norm(v, *PAPER).square().sum().backward()
    assert x.grad is not None
    assert plain.grad is not None
    assert torch.equal(x.grad, plain.grad)


@pytest.mark.parametrize("dtype", EXACT)
def test_every_thread_count_gives_the_same_bits(instructions: str, dtype: torch.dtype) -> None:
    x = torch.randn(3, 20, 11, 9).to(dtype).requires_grad_()
    results = []
    before = torch.get_num_threads()
    for count in (1, 2, 7):
        torch.set_num_threads(count)
        y = pooled_stage(x, "relu-norm-pool", 3, 2, *PAPER)
        s = pooled_stage(x, "relu-norm-spatial norm-pool", 3, 2, *PAPER, spatial=SPATIAL)
        z = response_norm(x, *PAPER)
        d = relu_dropout(x, 0.5, 3)
        results.append((y, s, z, d, *torch.autograd.grad((y.sum(), s.sum(), z.sum(), d.sum()), x)))
    torch.set_num_threads(before)
    for others in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], others, strict=True))


def test_nothing_is_recorded_without_a_gradient() -> None:
    x = torch.randn(1, 4, 5, 5)
    assert torch.ops.alexnet.pooled_stage(x, "pool", 3, 2, UNPADDED, *PAPER, *NOT_SPATIAL, False)[1].numel() == 0
    assert torch.equal(
        pooled_stage(x, "norm-pool", 3, 2, *PAPER), pooled_stage(x.requires_grad_(), "norm-pool", 3, 2, *PAPER)
    )


def test_a_stage_without_norm_keeps_no_map_for_the_backward_pass() -> None:
    y = pooled_stage(torch.randn(1, 4, 5, 5, requires_grad=True), "relu-pool")
    assert y.grad_fn is not None
    kept = [t for t in y.grad_fn.saved_tensors if t is not None]  # type: ignore[attr-defined]
    assert [t.dtype for t in kept] == [torch.uint8]


# --- as PyTorch operators


@pytest.mark.parametrize("dtype", EXACT)
def test_pytorchs_checks_of_operators_pass(dtype: torch.dtype) -> None:
    x = torch.randn(2, 10, 6, 5).to(dtype).requires_grad_()
    torch.library.opcheck(torch.ops.alexnet.response_norm.default, (x, *PAPER))
    torch.library.opcheck(torch.ops.alexnet.relu_dropout.default, (x, 0.5, 3, False))
    for order in ("relu-norm-pool", "relu-pool", "relu-norm-spatial norm-pool"):
        numbers = order, 3, 2, (0, 1, 1, 0), *PAPER, *SPATIAL
        torch.library.opcheck(torch.ops.alexnet.pooled_stage.default, (x, *numbers, True))
    master = torch.randn(5, 4)
    copy = master.bfloat16()
    torch.library.opcheck(
        torch.ops.alexnet.momentum_update.default, (master, master.clone(), master.to(dtype), copy, 0.1, 0.9, 0.0)
    )


class Stages(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = response_norm(pooled_stage(x, "relu-norm-pool", 3, 2, *PAPER), *PAPER)
        return relu_dropout(pooled_stage(x, "relu-pool-norm", 2, 2, *PAPER), 0.5, 1)


def test_export_and_compile_see_the_operators() -> None:
    x = torch.randn(2, 8, 11, 11)
    program = torch.export.export(Stages(), (x,))
    assert "torch.ops.alexnet.pooled_stage" in program.graph_module.code
    torch.testing.assert_close(program.module()(x), Stages()(x))

    compiled = torch.compile(Stages(), backend="aot_eager", fullgraph=True)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    compiled(a).sum().backward()
    Stages()(b).sum().backward()
    torch.testing.assert_close(a.grad, b.grad)


def test_export_with_the_twin_has_only_pytorchs_operators() -> None:
    with use_twin():
        program = torch.export.export(Stages(), (torch.randn(2, 8, 11, 11),))
    assert "alexnet" not in program.graph_module.code


def test_other_dtypes_and_devices_take_the_twin() -> None:
    x = torch.randn(1, 4, 5, 5)
    for other in (x.double(), x.half(), x.to("meta")):
        assert pooled_stage(other, "relu-norm-pool", 3, 2, *PAPER).dtype == other.dtype


# --- what is refused


def test_what_does_not_fit_is_refused_with_its_value() -> None:
    x = torch.randn(1, 6, 5, 5)
    with pytest.raises(ConfigError, match="did you mean 'relu-norm-pool'"):
        pooled_stage(x, "relu-norn-pool")
    with pytest.raises(ConfigError, match="6 channels cannot be split into 4 towers"):
        response_norm(x, 2, 2, 1.0, 1.0, towers=4)
    with pytest.raises(ConfigError, match=r"not the shape \(6, 5, 5\)"):
        response_norm(x[0], 2, 2, 1.0, 1.0)
    with pytest.raises(ConfigError, match=r"k=0\.0"):
        response_norm(x, 2, 2, 0.0, 1.0)
    with pytest.raises(ConfigError, match="6×6"):
        pooled_stage(x, "pool", 6, 1)
    with pytest.raises(ConfigError, match=r"padding \(0, 3, 0, 0\) does not fit"):
        pooled_stage(x, "pool", 2, 5, padding=Padding(0, 3, 0, 0))
    with pytest.raises(ConfigError, match="odd size"):
        pooled_stage(x, "relu-norm-spatial norm-pool", spatial=Spatial(4, 1.0, 0.1, 0.75))
    with pytest.raises(ConfigError, match=r"not 1\.0"):
        relu_dropout(x, 1.0, 1)
