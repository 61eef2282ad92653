"""The network that stock PyTorch is timed with is this project's network, layer for layer."""

import pytest
import torch
from pytorch import SIZES, count, network_of_2012, training_step

from alexnet import kernels
from alexnet.model.account import account
from alexnet.model.net import AlexNet
from alexnet.model.variants import variant


def test_it_answers_as_ours_does_with_the_same_weights() -> None:
    ours = AlexNet(variant("paper", input_size=SIZES["2012"])).eval()
    theirs = network_of_2012().eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    images = 60 * torch.randn(2, 3, SIZES["2012"], SIZES["2012"], generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), kernels.use_twin():
        expected, found = ours(images), theirs(images)
    assert expected.std() > 0.01  # not all the same
    # two orders of float32 sums through eight layers
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_parameters_and_multiply_adds_are_those_of_the_account() -> None:
    total = account(variant("paper", input_size=SIZES["2012"]))
    assert count(network_of_2012(), SIZES["2012"]) == {
        "parameters": total.total("parameters"),
        "macs": total.total("macs"),
    }


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("tuned", [True, False])
def test_a_step_trains(dtype: str, tuned: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 1000))
    before = net[1].weight.detach().clone()
    images = torch.randn(4, 3, 2, 2, generator=generator)
    assert training_step(net, images, {"dtype": dtype, "tuned": tuned})() == 4
    assert not torch.equal(net[1].weight, before)
