import pytest
import torch
from commanding import python
from torch import Tensor

from alexnet import kernels
from alexnet.errors import ConfigError
from alexnet.kernels import momentum_update, pooled_stage, relu_dropout, response_norm, use_twin

pytestmark = pytest.mark.skipif(not kernels.available(), reason=kernels.describe())

NORM = 2, 2, 1.0, 1.0
OPERATORS = {
    "response_norm": lambda x: response_norm(x, *NORM),
    "pooled_stage": lambda x: pooled_stage(x, "relu-norm-pool", 3, 2, *NORM),
    "relu_dropout": lambda x: relu_dropout(x, 0.5, 3),
}
START = """
import sys
from making import tiny_spec
import torch
from alexnet.model.net import AlexNet
net = AlexNet(tiny_spec())
net(torch.ones(2, 3, 32, 32)).sum().backward()
print(sorted({"torch._dynamo", "torch._inductor", "sympy"} & set(sys.modules)))
"""


def second_derivative(name: str) -> Tensor:
    x = torch.linspace(-1, 1, 2 * 8 * 7 * 7).view(2, 8, 7, 7).requires_grad_()
    (slope,) = torch.autograd.grad(OPERATORS[name](x).square().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), x)
    return second


@pytest.mark.parametrize("name", OPERATORS)
def test_a_second_derivative_is_refused_and_the_twin_has_it(name: str) -> None:
    with pytest.raises(ConfigError, match=f"alexnet.{name}_backward.*use_twin"):
        second_derivative(name)
    with use_twin():
        assert second_derivative(name).any()


def test_an_update_counts_as_a_change_to_autograd() -> None:
    master, velocity = torch.ones(3), torch.zeros(3)
    x = torch.ones(3, requires_grad=True)
    product = (x * master).sum()  # whose gradient is the weights of now
    momentum_update(master, velocity, torch.ones(3), None, 0.1, 0.9, 0.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.backward()


def test_a_step_imports_no_compiler() -> None:
    out, error = python(START).communicate()
    assert out == "[]\n", error
