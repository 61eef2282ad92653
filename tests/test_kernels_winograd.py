"""Winograd's way of convolving against PyTorch's, in double precision."""

from ctypes import byref

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.errors import ConfigError
from alexnet.kernels import convolution, native, use_twin, winograd

# images, channels, outputs, groups, kernel, height, width, padding
CASES = {
    "conv3": (3, 32, 48, 1, 3, 13, 13, (1, 1)),
    "conv2": (2, 96, 64, 2, 5, 27, 27, (2, 2)),
    "conv1": (2, 48, 96, 1, 3, 21, 21, (0, 0)),
    "small": (50, 64, 32, 2, 3, 3, 4, (1, 1)),
    "uneven": (2, 32, 32, 1, 5, 7, 9, (0, 2)),
    "wide": (2, 32, 32, 1, 5, 9, 6, (4, 1)),
}
NUMBERS = ("map", "gradient of the input", "gradient of the weight", "gradient of the bias")


def drawn(name: str) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[int, int], int]:
    images, channels, outputs, groups, kernel, height, width, padding = CASES[name]
    generator = torch.Generator().manual_seed(images)
    x = torch.randn(images, channels, height, width, generator=generator)
    weight = torch.randn(outputs, channels // groups, kernel, kernel, generator=generator)
    bias = torch.randn(outputs, generator=generator)
    x, weight = (t.contiguous(memory_format=torch.channels_last) for t in (x, weight))
    return (x, weight, bias), padding, groups


def with_gradients(y: Tensor, of: tuple[Tensor, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    gy = torch.randn(y.shape, generator=generator).to(y.dtype)
    return [y.detach(), *torch.autograd.grad(y, of, gy)]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("instructions", native.instruction_sets())
def test_map_and_gradients_are_those_of_a_convolution(instructions: str, name: str) -> None:
    tensors, padding, groups = drawn(name)
    leaves = tuple(t.requires_grad_() for t in tensors)
    with native.instructions(instructions):
        found = with_gradients(winograd.winograd(*leaves, padding, groups), leaves)
    exact = tuple(t.detach().double().requires_grad_() for t in tensors)
    expected = with_gradients(F.conv2d(*exact, 1, padding, groups=groups), exact)
    for what, is_, should in zip(NUMBERS, found, expected, strict=True):
        assert is_.shape == should.shape, what
        # PyTorch's own fp32 differs by up to 1e-6 here
        assert (is_ - should).norm() < 6e-6 * should.norm(), what
    assert all(t.is_contiguous(memory_format=torch.channels_last) for t in found[:3])


def test_the_number_of_threads_changes_no_bit() -> None:
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            tensors, padding, groups = drawn("small")
            leaves = tuple(t.requires_grad_() for t in tensors)
            found.append(with_gradients(winograd.winograd(*leaves, padding, groups), leaves))
    finally:
        torch.set_num_threads(before)
    for one, other in (found[:2], found[1:]):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_an_image_has_the_same_map_in_any_batch() -> None:
    (x, weight, bias), padding, groups = drawn("small")
    together = winograd.winograd(x, weight, bias, padding, groups)
    for number in (0, 17, 49):
        assert torch.equal(
            winograd.winograd(x[number : number + 1], weight, bias, padding, groups)[0], together[number]
        )


def test_points_of_weights_that_stand_still_change_no_bit_and_a_nan_is_not_hidden_by_relu() -> None:
    (x, weight, bias), padding, groups = drawn("conv2")
    points = winograd.points_of(weight, groups)
    found = winograd.winograd_of_points(x, points, weight, bias, padding, groups, relu=True)
    assert torch.equal(found, winograd.winograd(x, weight, bias, padding, groups).relu())
    bias[3] = torch.nan
    found = winograd.winograd_of_points(x, points, weight, bias, padding, groups, relu=True)
    assert found[:, 3].isnan().all() and not found[:, 4].isnan().any()


@pytest.mark.skipif(not {*native.instruction_sets()} & {*winograd.SETS}, reason="no AVX2 here: nothing is in tiles")
def test_a_convolution_is_in_tiles_where_that_pays_and_nowhere_else() -> None:
    x, weight = torch.zeros(1, 32, 13, 13), torch.zeros(16, 32, 3, 3)
    assert winograd.fits(x, weight, 1, (1, 1), 1)
    assert winograd.fits(torch.zeros(1, 64, 27, 27), torch.zeros(32, 32, 5, 5), 1, (2, 2), 2)
    assert not winograd.fits(torch.zeros(1, 32, 3, 3), weight, 1, (1, 1), 1)  # 36 products a tile, 49 without
    assert not winograd.fits(x, weight, 2, (1, 1), 1)
    assert not winograd.fits(x, torch.zeros(24, 32, 3, 3), 1, (1, 1), 1)
    assert not winograd.fits(x[:, :31], weight[:, :31], 1, (1, 1), 1)
    assert not winograd.fits(x, torch.zeros(16, 32, 1, 1), 1, (0, 0), 1)
    assert not winograd.fits(x[:0], weight, 1, (1, 1), 1)
    assert not winograd.fits(x.bfloat16(), weight.bfloat16(), 1, (1, 1), 1)
    with torch.autocast("cpu", torch.bfloat16):
        assert not winograd.fits(x, weight, 1, (1, 1), 1)
    with use_twin():
        assert not winograd.fits(x, weight, 1, (1, 1), 1)
    with native.instructions("generic"):
        assert not winograd.fits(x, weight, 1, (1, 1), 1)


def test_convolution_takes_the_tiles() -> None:
    (x, weight, bias), padding, groups = drawn("conv2")
    found = convolution(x, weight, bias, 1, padding, groups, 1, relu=False)
    wanted = winograd.winograd if winograd.fits(x, weight, 1, padding, groups) else _direct
    assert torch.equal(found, wanted(x, weight, bias, padding, groups))


def _direct(x: Tensor, weight: Tensor, bias: Tensor, padding: tuple[int, int], groups: int) -> Tensor:
    return F.conv2d(x, weight, bias, 1, padding, groups=groups)


def test_second_derivatives_are_refused() -> None:
    tensors, padding, groups = drawn("small")
    x, weight, bias = (t.requires_grad_() for t in tensors)
    y = winograd.winograd(x, weight, bias, padding, groups)
    (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(ConfigError, match="second derivatives need the plain twins"):
        slope.sum().backward()


def test_sizes_that_cannot_be_are_refused_at_the_door() -> None:
    for field, value in (("kernel", 4), ("channels", 24), ("outputs", 0), ("top", 3), ("groups", 0), ("height", -1)):
        numbers = {"images": 1, "height": 8, "width": 8, "channels": 16, "outputs": 16, "groups": 1, "kernel": 3}
        sizes = native.Convolution(**{**numbers, "top": 1, "left": 1, "rows": 8, "columns": 8, field: value})
        with pytest.raises(ConfigError, match="sizes that cannot be"):
            native.run("winograd_forward", byref(sizes), 0, 1, None, None, None, None)
