"""Transforms of torch.func and forward-mode differentiation, by the kernels as by their twins."""

from collections.abc import Callable

import pytest
import torch
from making import tiny_spec
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jacfwd, jacrev, jvp, vmap

from alexnet import kernels
from alexnet.errors import ConfigError
from alexnet.kernels import ORDERS, PreparedConvolution, convolution, linear, use_routes, use_twin
from alexnet.kernels.linear import product_name
from alexnet.kernels.winograd import fits
from alexnet.model.device import frozen_copy, place
from alexnet.model.net import AlexNet

pytestmark = [
    pytest.mark.skipif(not kernels.available(), reason=kernels.describe()),
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated"),  # PyTorch's forward mode uses it
]

Function = Callable[[Tensor], Tensor]
NORM = 2, 2, 1.0, 0.1
WEIGHT = torch.randn(16, 16, 3, 3, generator=torch.Generator().manual_seed(0))
SETTINGS = 1, (1, 1), 1, 1


def connected(x: Tensor) -> Tensor:
    x, weight = x.flatten(1), WEIGHT.flatten()[:1568].view(2, 784)
    with use_routes({product_name("forward", x, weight): "transposed"}):
        return linear(x, weight, WEIGHT[0, 0, 0, 0].expand(2))


def prepared(x: Tensor) -> Tensor:
    with torch.no_grad():
        return PreparedConvolution(WEIGHT, WEIGHT[:, 0, 0, 0], *SETTINGS)(x, True)


KERNELS: dict[str, Function] = {
    "response_norm": lambda x: kernels.response_norm(x, *NORM),
    "relu_dropout": lambda x: kernels.relu_dropout(x, 0.5, 3),
    "spatial_norm": lambda x: kernels.spatial_norm(x, kernels.Spatial(3, 1.0, 0.1, 0.75)),
    "convolution": lambda x: convolution(x, WEIGHT, WEIGHT[:, 0, 0, 0], *SETTINGS, True),
    "linear": connected,
    **{
        order: lambda x, order=order: kernels.pooled_stage(  # type: ignore[misc]
            x, order, 3, 2, *NORM, spatial=kernels.Spatial(3, 1.0, 0.1, 0.75)
        )
        for order in ORDERS
    },
}


def along(f: Function, x: Tensor) -> Function:
    """`f` on a line through `x`, for Jacobian matrices of a few columns."""
    return lambda t: f(x + t.view(-1, 1, 1, 1) * x.cos())


def dual(f: Function, x: Tensor) -> Tensor:
    with forward_ad.dual_level():
        tangent: Tensor | None = forward_ad.unpack_dual(f(forward_ad.make_dual(x, x.cos()))).tangent
        assert tangent is not None
        return tangent.clone()


DERIVATIVES: dict[str, Callable[[Function, Tensor], Tensor]] = {
    "jvp": lambda f, x: jvp(f, (x,), (x.cos(),))[1],
    "jacfwd": lambda f, x: jacfwd(along(f, x))(torch.zeros(len(x))),
    "jacrev": lambda f, x: jacrev(lambda x: f(x).flatten(1)[:, :3].sum(0))(x),
    "vmap of grad": lambda f, x: vmap(grad(lambda x: f(x[None]).square().sum()))(x),
    "jvp of grad": lambda f, x: jvp(grad(lambda x: f(x).square().sum()), (x,), (x.cos(),))[1],
    "forward_ad": dual,
    "forward_ad of a leaf": lambda f, x: dual(f, x.clone().requires_grad_()).detach(),
    "forward_ad without gradients": lambda f, x: torch.no_grad()(dual)(f, x),
}


def drawn() -> Tensor:
    return torch.randn(2, 16, 7, 7, generator=torch.Generator().manual_seed(1))


def same(name: str, f: Function, x: Tensor) -> None:
    found = DERIVATIVES[name](f, x)
    with use_twin():
        expected = DERIVATIVES[name](f, x)
    assert expected.any()
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5 * float(expected.detach().abs().max()))


def test_the_convolution_of_these_tests_is_one_in_tiles() -> None:
    assert fits(drawn(), WEIGHT, *SETTINGS[:3])


@pytest.mark.parametrize("derivative", DERIVATIVES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_derivative_of_a_kernel_is_its_twins(kernel: str, derivative: str) -> None:
    same(derivative, KERNELS[kernel], drawn())


@pytest.mark.parametrize("derivative", ["jvp", "jacfwd", "forward_ad"])
def test_convolutions_with_prepared_weights_have_forward_mode_too(derivative: str) -> None:
    same(derivative, prepared, drawn())


@pytest.mark.parametrize("derivative", DERIVATIVES)
@pytest.mark.parametrize("frozen", [False, True])
def test_every_derivative_of_a_network_is_its_twins(derivative: str, frozen: bool) -> None:
    net = AlexNet(tiny_spec(), generator=torch.Generator().manual_seed(2)).eval()
    net = frozen_copy(net, place("cpu", "fp32")) if frozen else net.requires_grad_(derivative != "forward_ad")
    same(derivative, net, torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)))


def test_each_photograph_has_its_own_gradient_of_the_weights() -> None:
    net = AlexNet(tiny_spec(), generator=torch.Generator().manual_seed(2)).eval()
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    weights = {name: parameter.detach() for name, parameter in net.named_parameters()}

    def loss(weights: dict[str, Tensor], image: Tensor) -> Tensor:
        logits: Tensor = functional_call(net, weights, (image[None],))
        return logits.square().sum()

    found = vmap(grad(loss), (None, 0))(weights, x)
    for number, image in enumerate(x):
        net.zero_grad()
        net(image[None]).square().sum().backward()
        for name, parameter in net.named_parameters():
            assert parameter.grad is not None
            assert torch.allclose(found[name][number], parameter.grad, rtol=1e-4, atol=1e-5), name


@pytest.mark.parametrize("kernel", ["response_norm", "relu_dropout", "convolution", "relu-norm-pool", "linear"])
@pytest.mark.parametrize("functional", [False, True])
def test_a_gradient_of_a_kernel_has_no_forward_mode_and_says_so(kernel: str, functional: bool) -> None:
    x = drawn().requires_grad_()
    y = KERNELS[kernel](x)

    def back(gy: Tensor) -> Tensor:
        return torch.autograd.grad(y, x, gy, retain_graph=True)[0]

    one = torch.ones_like(y)
    with pytest.raises(ConfigError, match=r"no forward-mode derivatives.*use_twin"):
        jvp(back, (one,), (one,)) if functional else dual(back, one)
    assert back(one).any()


def test_inside_a_transform_the_kernels_do_not_run_and_after_it_they_do() -> None:
    asked: list[bool] = []

    def watch(x: Tensor) -> Tensor:
        asked.append(kernels.fused.fused(x.device, x.dtype))
        return x

    x = drawn()
    jvp(watch, (x,), (x,)), vmap(watch)(x), grad(lambda x: watch(x).sum())(x), watch(x)
    assert asked == [False, False, False, True]
