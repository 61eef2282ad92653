from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet import kernels
from alexnet.errors import ConfigError
from alexnet.hardware import page_faults
from alexnet.kernels.linear import ROUTES, linear, product_name, use_routes
from alexnet.kernels.routes import Product

SHAPES = [(1, 40, 7), (5, 33, 16), (32, 128, 65)]  # rows, inputs, outputs
DTYPES = [torch.float32, torch.bfloat16]
PAIRS = [(kind, route) for kind, routes in ROUTES.items() for route in routes]


def given(rows: int, inputs: int, outputs: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Input, weight, bias and a gradient of the output."""
    generator = torch.Generator().manual_seed(rows)
    sizes = (rows, inputs), (outputs, inputs), (outputs,), (rows, outputs)
    x, weight, bias, gradient = (torch.randn(*size, generator=generator).to(dtype) for size in sizes)
    return x.requires_grad_(), weight.requires_grad_(), bias.requires_grad_(), gradient


def both_ways(layer: Any, numbers: tuple[Tensor, ...]) -> list[Tensor]:
    """The output and the three gradients."""
    x, weight, bias, gradient = numbers
    y = layer(x, weight, bias)
    return [y.detach(), *torch.autograd.grad(y, (x, weight, bias), gradient)]


def by(route: str, kind: str, rows: int, inputs: int, outputs: int, dtype: torch.dtype) -> dict[str, str]:
    return {Product(kind, rows, inputs, outputs, dtype).name: route}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pytorchs_own_route_is_the_twin_bit_for_bit(shape: tuple[int, int, int], dtype: torch.dtype) -> None:
    numbers = given(*shape, dtype)
    for ours, theirs in zip(both_ways(linear, numbers), both_ways(F.linear, numbers), strict=True):
        assert ours.is_contiguous()
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("kind", "route"), PAIRS)
def test_every_route_computes_what_the_twin_does(
    kind: str, route: str, shape: tuple[int, int, int], dtype: torch.dtype
) -> None:
    if route == "onednn" and dtype is torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("oneDNN multiplies no bf16 on this processor")
    numbers = given(*shape, dtype)
    with use_routes(by(route, kind, *shape, dtype)):
        found = both_ways(linear, numbers)
    with kernels.use_twin():
        expected = both_ways(linear, numbers)
    tolerance = {"rtol": 1e-5, "atol": 1e-4} if dtype is torch.float32 else {"rtol": 2e-2, "atol": 0.2}
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype is dtype and ours.is_contiguous()
        torch.testing.assert_close(ours, theirs, **tolerance)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds and routes of the products computed, in order."""
    made: list[str] = []

    def told(name: str, route: Any) -> Any:
        return lambda *arguments: made.append(name) or route(*arguments)

    for kind, routes in ROUTES.items():
        for name, route in routes.items():
            monkeypatch.setitem(routes, name, told(f"{kind} {name}", route))
    return made


def test_a_choice_holds_for_its_sizes_and_its_type_alone(calls: list[str]) -> None:
    chosen = by("onednn", "forward", 5, 33, 16, torch.float32) | by("transposed", "input", 5, 33, 16, torch.float32)
    with use_routes(chosen):
        both_ways(linear, given(5, 33, 16, torch.float32))
        assert calls == ["forward onednn", "weight torch", "input transposed"][:1] + sorted(calls[1:])
        calls.clear()
        both_ways(linear, given(6, 33, 16, torch.float32))
        both_ways(linear, given(5, 33, 16, torch.bfloat16))
    both_ways(linear, given(5, 33, 16, torch.float32))
    assert {call.split()[1] for call in calls} == {"torch"}


def test_a_choice_is_for_answers_too(calls: list[str]) -> None:
    x, weight, bias, _ = given(5, 33, 16, torch.float32)
    with torch.no_grad(), use_routes(by("onednn", "forward", 5, 33, 16, torch.float32)):
        linear(x, weight, bias)
    assert calls == ["forward onednn"]


def test_without_routes_all_is_pytorchs(calls: list[str]) -> None:
    with use_routes(None):
        both_ways(linear, given(5, 33, 16, torch.float32))
    assert not calls


def test_an_unknown_route_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match="onednn"), use_routes({"forward fp32 1x2x3": "onednm"}):
        pass


def test_a_product_is_named_by_its_kind_type_and_sizes() -> None:
    assert product_name("input", torch.zeros(3, 4), torch.zeros(4, 9)) == "input fp32 3x9x4"
    assert Product("input", 3, 9, 4, torch.bfloat16).name == "input bf16 3x9x4"


def test_what_the_operators_are_not_for_is_pytorchs() -> None:
    layer = nn.Linear(6, 4)
    for x in (torch.ones(2, 3, 6), torch.ones(6)):
        assert torch.equal(linear(x, layer.weight, layer.bias), layer(x))
    x = torch.ones(2, 6, dtype=torch.float64)
    assert torch.equal(linear(x, layer.weight.double(), layer.bias.double()), layer.double()(x))
    layer.float()
    with torch.autocast("cpu", torch.bfloat16):
        narrow = linear(x.float(), layer.weight, layer.bias)
    narrow.sum().backward()
    assert (narrow.dtype, layer.weight.grad.dtype) == (torch.bfloat16, torch.float32)  # type: ignore[union-attr]
    assert linear(x.float(), layer.weight, None).shape == (2, 4)


def second(layer: Any, numbers: tuple[Tensor, ...]) -> list[Tensor]:
    x, weight, bias, gradient = numbers
    gradient.requires_grad_()
    slopes = torch.autograd.grad(layer(x, weight, bias).square(), (x, weight), gradient, create_graph=True)
    return [*torch.autograd.grad(sum(slope.square().sum() for slope in slopes), (x, weight, bias, gradient))]


def test_second_derivatives_are_the_twins() -> None:
    numbers = given(5, 33, 16, torch.float32)
    for ours, theirs in zip(second(linear, numbers), second(F.linear, numbers), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-2)


def test_frozen_layers_have_no_gradient(calls: list[str]) -> None:
    x, weight, bias, _ = given(5, 33, 16, torch.float32)
    with use_routes(by("torch", "input", 5, 33, 16, torch.float32)):
        linear(x, weight.detach(), bias.detach()).sum().backward()
    assert calls == ["forward torch", "input torch"]
    assert x.grad is not None and weight.grad is None


def test_from_the_second_step_on_a_gradient_meets_no_new_page() -> None:
    weight = nn.Parameter(torch.ones(4096, 4096))  # 64 MiB, more than the C library keeps by itself
    bias = nn.Parameter(torch.ones(4096))
    x = torch.ones(1, 4096)
    faults = []
    for _ in range(3):
        weight.grad = None
        before = page_faults()
        linear(x, weight, bias).sum().backward()
        faults.append(page_faults() - before)
        assert weight.grad is not None and torch.equal(weight.grad, torch.ones_like(weight))
    assert faults[1] < 500 and faults[2] < 500, faults  # of 16,384
