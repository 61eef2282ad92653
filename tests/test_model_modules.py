"""The layers as modules against loops and PyTorch's own layers."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from alexnet import kernels
from alexnet.errors import ConfigError
from alexnet.model.modules import (
    AveragePooling,
    BatchNormalisation,
    LocalConnection,
    Pooling,
    SpatialResponseNorm,
    build,
    initialise_layer,
)
from alexnet.model.spec import AvgPool, BatchNorm, Conv, Dropout, Linear, Local, MaxPool, Padding, SpatialNorm


def randn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def convolution(layer: Conv, channels: int = 4) -> nn.Module:
    module = build(layer, (channels, 1, 1), 1)
    initialise_layer(module, layer, torch.Generator().manual_seed(0))
    return module


# What each padding puts before and after 10 pixels under windows of 3 at stride 2, by hand.
AROUND: dict[Padding, tuple[int, int]] = {0: (0, 0), 1: (1, 1), (0, 2): (0, 2), "ceil": (0, 1), "same": (0, 1)}


@pytest.mark.parametrize("padding", AROUND)
@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_pads_with_zeros_as_its_layer_says(padding: Padding, groups: int) -> None:
    module = convolution(Conv("conv1", 6, 3, stride=2, padding=padding, groups=groups, std=1.0))
    x = randn(2, 4, 10, 10)
    before, after = AROUND[padding]
    expected = F.conv2d(F.pad(x, (before, after, before, after)), module.weight, module.bias, 2, groups=groups)
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("padding", AROUND)
def test_a_pooling_never_takes_its_padding_for_the_maximum(padding: Padding) -> None:
    x = randn(2, 3, 10, 10) - 10  # all below the zeros that a convolution would see
    before, after = AROUND[padding]
    y = Pooling(MaxPool("pool1", padding=padding))(x)
    side = (10 + before + after - 3) // 2 + 1
    assert y.shape == (2, 3, side, side)
    for i in range(side):
        for j in range(side):
            rows, columns = (slice(max(0, 2 * at - before), 2 * at - before + 3) for at in (i, j))
            assert torch.equal(y[:, :, i, j], x[:, :, rows, columns].amax((2, 3)))


@pytest.mark.parametrize("padding", AROUND)
def test_an_average_is_that_of_what_lies_inside_the_map(padding: Padding) -> None:
    x = randn(2, 3, 10, 10).double()
    before, after = AROUND[padding]
    y = AveragePooling(AvgPool("pool1", padding=padding))(x)
    side = (10 + before + after - 3) // 2 + 1
    assert y.shape == (2, 3, side, side)
    for i in range(side):
        for j in range(side):
            rows, columns = (slice(max(0, 2 * at - before), 2 * at - before + 3) for at in (i, j))
            torch.testing.assert_close(y[:, :, i, j], x[:, :, rows, columns].mean((2, 3)))


def local(padding: Padding, stride: int) -> LocalConnection:
    layer = Local("local1", 5, 3, stride=stride, padding=padding, std=1.0)
    module = build(layer, (4, 10, 10), 1)
    initialise_layer(module, layer, torch.Generator().manual_seed(0))
    assert isinstance(module, LocalConnection)
    module.bias.data = randn(*module.bias.shape)
    return module.double()


@pytest.mark.parametrize("padding", AROUND)
@pytest.mark.parametrize("stride", [1, 2])
def test_a_locally_connected_layer_is_a_loop_over_positions_with_kernels_of_their_own(
    padding: Padding, stride: int
) -> None:
    module, x = local(padding, stride), randn(2, 4, 10, 10).double().requires_grad_()
    before, after = (0, stride - 1) if padding == "ceil" else AROUND[padding]
    before, after = (1, 1) if padding == "same" and stride == 1 else (before, after)
    wide = F.pad(x, (before, after, before, after))
    side = (wide.shape[-1] - 3) // stride + 1
    expected = torch.zeros(2, 5, side, side, dtype=torch.float64)
    for row in range(side):
        for column in range(side):
            at = row * side + column
            kernels = module.weight[at].view(5, 3, 3, 4)  # maps, row, column, channel
            window = wide[:, :, row * stride : row * stride + 3, column * stride : column * stride + 3]
            expected[:, :, row, column] = torch.einsum("ncij,mijc->nm", window, kernels) + module.bias[at]
    found = module(x)
    torch.testing.assert_close(found, expected)
    inputs = (x, module.weight, module.bias)
    cotangent = randn(*found.shape).double()
    for mine, theirs in zip(
        torch.autograd.grad((found * cotangent).sum(), inputs),
        torch.autograd.grad((expected * cotangent).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


def test_a_locally_connected_layer_is_a_product_with_unfolded_maps() -> None:
    module, x = local(1, 1), randn(2, 4, 10, 10).double()
    unfolded = F.unfold(x, 3, padding=1).unflatten(1, (4, 9)).transpose(1, 2).flatten(1, 2)  # (N, 9 · 4, H·W)
    expected = torch.einsum("lmf,nfl->nml", module.weight, unfolded) + module.bias.T
    torch.testing.assert_close(module(x), expected.unflatten(2, (10, 10)))


def test_kernels_that_are_all_alike_make_a_locally_connected_layer_a_convolution() -> None:
    module, x = local(1, 1), randn(2, 4, 10, 10).double()
    module.weight.data[:], module.bias.data[:] = module.weight[:1].clone(), module.bias[:1].clone()
    kernels = module.weight[0].view(5, 3, 3, 4).permute(0, 3, 1, 2)
    torch.testing.assert_close(module(x), F.conv2d(x, kernels, module.bias[0], padding=1))


def test_the_inputs_of_a_locally_connected_unit_are_those_of_its_window() -> None:
    layer = Local("local1", 400, 3, initialisation="pytorch")
    module = build(layer, (4, 5, 5), 1)
    initialise_layer(module, layer, torch.Generator().manual_seed(0))
    assert isinstance(module, LocalConnection)
    torch.testing.assert_close(module.weight.abs().max().item(), 1 / math.sqrt(4 * 9), rtol=0.01, atol=0)


def test_prepared_weights_take_images_plain_and_in_blocks_and_have_gradients() -> None:
    module = convolution(Conv("conv1", 32, 11, stride=4), 3)
    module.prepare()
    x = torch.randn(2, 3, 67, 67, generator=torch.Generator().manual_seed(0))
    expected = F.conv2d(x, module.weight, module.bias, 4)
    with torch.no_grad():
        for given in (x, kernels.space_to_depth(x, 4), x):
            # fp32: sums of 363 products
            torch.testing.assert_close(module(given), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    slopes = torch.autograd.grad(module(x).square().sum(), module.weight)
    torch.testing.assert_close(
        slopes, torch.autograd.grad(expected.square().sum(), module.weight), rtol=1e-4, atol=1e-2
    )


def test_an_unknown_padding_names_the_known() -> None:
    with pytest.raises(ConfigError, match=r"Unknown padding of pool1 'valid'\. Known: ceil, same"):
        Pooling(MaxPool("pool1", padding="valid"))(randn(1, 1, 4, 4))


def test_spatial_normalisation_is_the_formula_position_by_position() -> None:
    layer = SpatialNorm("spatial2", size=5, k=1.0, alpha=0.5, beta=0.75)
    x = randn(1, 2, 6, 7).double() * 10
    y = SpatialResponseNorm(layer)(x)
    for row in range(6):
        for column in range(7):
            near = x[:, :, max(0, row - 2) : row + 3, max(0, column - 2) : column + 3]
            base = 1 + 0.5 / 25 * near.square().sum((2, 3))
            torch.testing.assert_close(y[:, :, row, column], x[:, :, row, column] * base**-0.75)


def test_spatial_normalisation_computes_in_fp32_and_answers_in_the_type_it_was_given() -> None:
    module, x = SpatialResponseNorm(SpatialNorm("spatial2")), randn(1, 2, 6, 6).bfloat16() * 100
    assert torch.equal(module(x), module(x.float()).bfloat16())


def test_dropout_of_2012_keeps_values_in_training_and_halves_them_at_test() -> None:
    x = torch.rand(50, 40) + 1
    for rate in (0.5, 0.2):
        layer = build(Dropout("drop6", rate, inverted=False), (40,), 1).train()
        y = layer(x)
        dropped = y == 0
        assert abs(float(dropped.float().mean()) - rate) < 5 * math.sqrt(rate * (1 - rate) / x.numel())
        torch.testing.assert_close(y[~dropped], x[~dropped])
        torch.testing.assert_close(layer.eval()(x), x * (1 - rate))


def test_both_kinds_of_dropout_agree_but_for_the_factor() -> None:
    answers = []
    for inverted in (True, False):
        torch.manual_seed(3)
        answers.append(build(Dropout("drop6", inverted=inverted), (40,), 1).train()(torch.ones(8, 40)))
    assert torch.equal(answers[0], 2 * answers[1])


def test_batch_normalisation_is_pytorchs() -> None:
    mine, theirs = BatchNormalisation(3), nn.BatchNorm2d(3)
    for seed in range(3):
        x = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(seed)) * 3 + 1
        torch.testing.assert_close(mine.train()(x), theirs.train()(x))
    for name, tensor in mine.state_dict().items():
        torch.testing.assert_close(tensor, theirs.state_dict()[name], msg=name)
    torch.testing.assert_close(mine.eval()(x), theirs.eval()(x))
    initialise_layer(mine, BatchNorm("bn1"))
    for name, tensor in mine.state_dict().items():
        assert (tensor == (name in ("weight", "running_var"))).all(), name


WIDE = Linear("fc6", 400, std=0.02, bias=0.5)


@pytest.mark.parametrize(
    ("kind", "limit", "std"),
    [
        # 900 inputs; a uniform distribution of half-width w has the std w / √3, a normal one cut at 2 σ has 0.88 σ
        ("normal", math.inf, 0.02),
        ("truncated", 0.04, 0.02 * 0.8796),
        ("fan", math.inf, 0.02 / 30),
        ("unit", math.sqrt(3 / 900), 1 / 30),
        ("pytorch", 1 / 30, 1 / 30 / math.sqrt(3)),
    ],
)
def test_weights_start_from_the_distribution_named(kind: str, limit: float, std: float) -> None:
    layer = replace(WIDE, initialisation=kind)
    module = build(layer, (900,), 1)
    initialise_layer(module, layer, torch.Generator().manual_seed(0))
    weight, bias = module.weight.detach(), module.bias.detach()
    assert float(weight.abs().max()) <= limit
    assert float(weight.std()) == pytest.approx(std, rel=0.01)  # of 360,000 draws
    assert abs(float(weight.mean())) < 5 * std / 600
    if kind == "pytorch":
        assert 0.9 * limit < float(bias.abs().max()) <= limit
        assert bias.unique().numel() > 100
    else:
        assert (bias == 0.5).all()


def test_pytorchs_own_start_is_that_of_its_layers() -> None:
    torch.manual_seed(0)
    theirs = nn.Conv2d(8, 2000, 3)
    mine = convolution(Conv("conv1", 2000, 3, initialisation="pytorch"), 8)
    for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
        one, other = one.detach(), other.detach()
        assert float(one.std()) == pytest.approx(float(other.std()), rel=0.05)
        assert float(one.abs().max()) == pytest.approx(float(other.abs().max()), rel=0.01)


def test_an_unknown_initialisation_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Unknown initialisation of fc6 'truncate'; did you mean 'truncated'"):
        initialise_layer(build(WIDE, (9,), 1), replace(WIDE, initialisation="truncate"))
