from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from alexnet import kernels
from alexnet.kernels import compile_twins, use_twin

# torch.compile looks at the gradient of every input, and PyTorch warns of that for those that are not leaves
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
NORM = 2, 2, 2.0, 1e-4, 0.75, 1


@pytest.fixture(autouse=True)
def _graphs() -> Iterator[None]:
    """What was compiled before is forgotten, and the count starts anew."""
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def forward_and_back(x: Tensor, seed: int) -> list[Tensor]:
    """Every operator that a GPU would run compiled, and the gradient through all of them."""
    x = x.clone().requires_grad_()
    normed = kernels.response_norm(x, *NORM)
    pooled = kernels.pooled_stage(normed, "relu-norm-pool", 3, 2, *NORM)
    dropped = kernels.relu_dropout(pooled, 0.5, seed)
    dropped.square().sum().backward()
    assert x.grad is not None
    return [normed.detach(), pooled.detach(), dropped.detach(), x.grad]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_twins_give_what_plain_ones_give(dtype: torch.dtype) -> None:
    x = torch.randn(2, 8, 9, 9, generator=torch.Generator().manual_seed(0)).mul(30).to(dtype)
    with use_twin():
        plain = forward_and_back(x, 7)
        with compile_twins("aot_eager"):
            found = forward_and_back(x, 7)
    assert counters["stats"]["unique_graphs"] == 3
    for mine, theirs in zip(found, plain, strict=True):
        assert torch.equal(mine, theirs)  # aot_eager runs the same operations


def test_after_a_few_steps_no_seed_and_no_smaller_last_batch_compiles_again() -> None:
    x = torch.randn(6, 8, 9, 9)
    graphs = []
    with use_twin(), compile_twins("aot_eager"):
        for seed in range(4):
            for count in (6, 2, 5):
                forward_and_back(x[:count], seed * 2**60 + count)
            graphs.append(counters["stats"]["unique_graphs"])
    assert graphs[1] == graphs[3]
    assert not counters["graph_break"]


def test_dropout_compiled_drops_by_its_seed() -> None:
    x = torch.ones(64, 64)
    with use_twin():
        masks = [kernels.relu_dropout(x, 0.5, seed) for seed in (1, 2**40 + 1)]
        with compile_twins("aot_eager"):
            found = [kernels.relu_dropout(x, 0.5, seed) for seed in (1, 2**40 + 1)]
    assert not torch.equal(*masks)
    assert all(torch.equal(*pair) for pair in zip(masks, found, strict=True))


@pytest.mark.skipif(not kernels.available(), reason=kernels.describe())
def test_the_kernels_of_the_cpu_are_not_compiled_again() -> None:
    with compile_twins("aot_eager"):
        forward_and_back(torch.randn(2, 8, 9, 9), 7)
    assert not counters["stats"]


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.skipif(not kernels.available(), reason=kernels.describe())
def test_kernels_and_their_forward_mode_are_one_graph_each() -> None:
    x = torch.randn(2, 8, 9, 9)

    def stage(x: Tensor) -> Tensor:
        return kernels.pooled_stage(x, "relu-norm-pool", 3, 2, *NORM)

    def slope(x: Tensor) -> Tensor:
        return torch.func.jvp(stage, (x,), (x,))[1]

    for function in (stage, slope, stage):
        compiled = torch.compile(function, backend="aot_eager", fullgraph=True)
        assert torch.allclose(compiled(x), function(x)) and function(x).any()
