from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from making import tiny_spec
from teaming import together, values

from alexnet.errors import ConfigError
from alexnet.kernels import space_to_depth
from alexnet.model.crossings import crossings
from alexnet.model.device import place, working_copy
from alexnet.model.net import AlexNet
from alexnet.model.spec import Spec
from alexnet.model.towers import Devices, Towers
from alexnet.model.variants import variant
from alexnet.training.link import Processes
from alexnet.training.team import Team

pytestmark = pytest.mark.usefixtures("one_thread")
NAMES = ("paper", "original2012", "bvlc_alexnet", "caffenet")
CPU = torch.device("cpu")


def small(name: str, *, dropout: float = 0.0) -> Spec:
    """The network at few pixels, with few units and an odd number of classes."""
    from alexnet.model.spec import Dropout, Linear

    def change(layer: Any) -> Any:
        if isinstance(layer, Linear) and layer.units:
            return replace(layer, units=64, std=0.05)
        return replace(layer, rate=dropout) if isinstance(layer, Dropout) else layer

    return replace(variant(name), input_size=67, classes=7).mapped(change)


def batch(spec: Spec, count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = 60 * torch.randn(count, 3, spec.input_size, spec.input_size, generator=generator)
    return images.contiguous(memory_format=torch.channels_last), torch.arange(count) % spec.classes


def learn(net: AlexNet, spec: Spec, dtype: str) -> torch.Tensor:
    images, labels = batch(spec)
    working = working_copy(net, place("cpu", dtype)).train()
    torch.manual_seed(5)
    logits = working(images.to(next(working.parameters()).dtype))
    F.cross_entropy(logits.float(), labels).backward()
    for name, parameter in working.named_parameters():
        net.get_parameter(name).grad = parameter.grad.float()  # type: ignore[union-attr]
    return logits.detach().float()


def made(spec: Spec) -> AlexNet:
    return AlexNet(spec, generator=torch.Generator().manual_seed(0))


def gradients(towers: Towers) -> dict[str, torch.Tensor]:
    return towers.whole({name: parameter.grad for name, parameter in towers.named_parameters()})  # type: ignore[misc]


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("name", NAMES)
def test_two_towers_are_the_grouped_network(name: str, dtype: str) -> None:
    spec = small(name)
    whole, towers = made(spec), Towers(made(spec), Devices([CPU, CPU]))
    expected, found = learn(whole, spec, dtype), learn(towers, spec, dtype)
    # fp32: other blockings of the same sums; bf16: the halves of a gradient are each rounded before they are added
    tolerance = 1e-5 if dtype == "fp32" else 2e-2
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()
    grads = gradients(towers)
    for parameter, grad in ((parameter, grads[key]) for key, parameter in whole.named_parameters()):
        assert parameter.grad is not None
        assert (grad - parameter.grad).norm() <= tolerance * parameter.grad.norm()


def test_weights_go_in_whole_and_come_out_whole() -> None:
    spec = small("paper")
    net = made(spec)
    towers = Towers(net, Devices([CPU, CPU]))
    state = towers.whole(towers.state_dict())
    assert state.keys() == net.state_dict().keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in net.state_dict().items())
    assert {name: len(half) for name, half in towers.tower0.named_parameters()}["fc8.bias"] == 4  # type: ignore[union-attr, operator]
    assert sum(parameter.numel() for parameter in towers.parameters()) == sum(p.numel() for p in net.parameters())


def in_processes(team: Team, spec: Spec, dtype: str) -> Any:
    assert team.pair is not None
    link = Processes(team.pair)
    towers = Towers(made(spec), link)
    logits = learn(towers, spec, dtype)
    return logits, gradients(towers), link.messages, team.pair.sent


@pytest.mark.parametrize(("name", "dtype"), [("paper", "bf16"), ("original2012", "fp32"), ("caffenet", "bf16")])
def test_one_process_with_two_devices_equals_two_processes_bit_for_bit(name: str, dtype: str) -> None:
    spec = small(name, dropout=0.5)
    towers = Towers(made(spec), Devices([CPU, CPU]))
    logits, expected = learn(towers, spec, dtype), gradients(towers)
    for other, found, messages, _ in values(together(2, in_processes, spec, dtype, towers=2)):
        assert torch.equal(other, logits)
        assert all(torch.equal(found[key], expected[key]) for key in expected)
        assert messages == towers.link.messages


def test_nothing_passes_between_the_towers_of_2012_before_conv3() -> None:
    spec = small("original2012")
    towers = Towers(made(spec), Devices([CPU, CPU]))
    learn(towers, spec, "fp32")
    assert towers.link.messages == {"conv3": 1, "fc6": 1, "fc7": 1, "fc8": 1, "logits": 1}
    # nor does what tower 0 has then depend on what tower 1 has learned
    images, _ = batch(spec)
    tower = towers.towers[1]
    with torch.no_grad():
        before = _maps_before(towers, images, "conv3")[0]
        tower.get_parameter("conv1.weight").mul_(3)
        tower.get_parameter("conv2.weight").mul_(3)
        after = _maps_before(towers, images, "conv3")
    assert torch.equal(after[0], before)


def _maps_before(towers: Towers, images: torch.Tensor, name: str) -> list[torch.Tensor]:
    seen: list[torch.Tensor] = []
    for tower in towers.towers:
        handle = tower.get_submodule(name).register_forward_pre_hook(lambda module, given: seen.append(given[0]))
        towers(images)
        handle.remove()
    half = seen[0].shape[1] // 2
    return [seen[0][:, :half], seen[1][:, half:]]


def bytes_of_a_step(team: Team, name: str, count: int) -> int:
    assert team.pair is not None
    spec = small(name)
    towers = Towers(made(spec), Processes(team.pair))
    learn(towers, spec, "bf16")
    return team.pair.sent


@pytest.mark.parametrize("name", ["paper", "original2012"])
def test_the_bytes_between_towers_are_those_of_the_account(name: str) -> None:
    spec = small(name)
    crossed = crossings(spec)
    expected = 4 * 2 * sum(crossing.both for crossing in crossed.values())  # images, bytes of bf16
    # of 7 classes one tower has 4, the other 3
    assert values(together(2, bytes_of_a_step, name, 4, towers=2)) == [expected, expected - 4 * 2]


def test_towers_take_images_in_blocks_as_the_network_does() -> None:
    spec = replace(small("paper"), input_size=68)
    towers = Towers(made(spec), Devices([CPU, CPU]))
    images, _ = batch(spec)
    block, padding = towers.space_to_depth_block
    assert block == 4
    with torch.no_grad():
        assert torch.allclose(towers(space_to_depth(images, block, padding)), towers(images), atol=1e-5)


@pytest.mark.parametrize("name", ["owt", "one_column_half", "tflearn", "ungrouped"])
def test_networks_that_are_not_in_two_groups_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' cannot stand in two towers: .* not|none of its convolutions is"):
        Towers(made(small(name)), Devices([CPU, CPU]))
    with pytest.raises(ConfigError, match="in two groups"):
        crossings(replace(tiny_spec(), input_size=32))
