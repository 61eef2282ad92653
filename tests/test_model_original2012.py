"""`original2012` against the 2012 code's configuration written out in NumPy: every stage, and two training steps."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from original2012 import Array, network, training_step

from alexnet import kernels
from alexnet.model.account import account
from alexnet.model.net import AlexNet
from alexnet.model.spec import Conv, Dropout, Layer, Linear, ResponseNorm, SpatialNorm, Spec
from alexnet.model.variants import ORIGINAL2012, PAPER
from alexnet.training.optimiser import MomentumSGD
from alexnet.training.recipes import recipe
from alexnet.training.schedule import base_rate, layer_rate

MAPS = {"conv1": 12, "conv2": 16, "conv3": 12, "conv4": 12, "conv5": 8}


def shrunk(spec: Spec) -> Spec:
    """Both towers with few maps, weights large enough to matter; 68 pixels leave sides that pools have to round up."""

    def thin(layer: Layer) -> Layer:
        match layer:
            case Conv(name=name):
                return replace(layer, channels=MAPS[name], std=0.02 if name == "conv1" else 0.1)
            case Linear(units=units):
                return replace(layer, units=units and 16, std=0.2)
        return layer

    return replace(spec.mapped(thin), input_size=68, classes=5)


def seeded(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def images() -> torch.Tensor:
    return torch.randn(6, 3, 68, 68, generator=seeded(1)) * 70


def arrays(net: AlexNet) -> dict[str, Array]:
    return {name: tensor.numpy().astype(np.float64) for name, tensor in net.state_dict().items()}


@pytest.fixture(scope="module")
def net() -> AlexNet:
    return AlexNet(shrunk(ORIGINAL2012), generator=seeded(0)).eval()


def test_at_full_size_the_layers_are_the_configurations() -> None:
    rows = {row.name: row for row in account(ORIGINAL2012).rows}
    # both columns together: 2 × 48, 2 × 128, 2 × 192, 2 × 192, 2 × 128 filters, 2 × 2048 units
    assert [rows[name].output for name in ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")] == [
        (96, 55, 55),
        (96, 27, 27),
        (256, 27, 27),
        (256, 13, 13),
        (384, 13, 13),
        (384, 13, 13),
        (256, 13, 13),
        (256, 6, 6),
    ]
    assert [rows[name].output for name in ("fc6", "fc7", "fc8")] == [(4096,), (4096,), (1000,)]
    assert rows["conv1"].padding == (0, 3), "zeros at the right and bottom alone"
    assert all(rows[name].padding == (0, 0) for name in ("pool1", "pool2", "pool5")), "every division is exact"


def test_every_stage_is_the_configurations(net: AlexNet) -> None:
    expected, _ = network(arrays(net), images().double().numpy())
    found = net.stages(images(), net.names)
    assert list(found) == list(expected)
    for name, value in expected.items():
        mine = found[name].detach().double().numpy().reshape(value.array.shape)
        # fp32 against float64: some hundred terms a sum, relative to the largest
        np.testing.assert_allclose(mine, value.array, rtol=0, atol=5e-6 * np.abs(value.array).max(), err_msg=name)
    # and in one go, where neighbours run as one operation
    np.testing.assert_allclose(net(images()).detach().numpy(), expected["fc8"].array, rtol=1e-4, atol=1e-5)


def without(kind: type[Layer]) -> Callable[[Spec], Spec]:
    return lambda spec: replace(spec, layers=tuple(layer for layer in spec.layers if not isinstance(layer, kind)))


def swapped(one: str, other: str) -> Callable[[Spec], Spec]:
    places = {one: other, other: one}
    return lambda spec: replace(
        spec, layers=tuple(spec.layer(places.get(layer.name, layer.name)) for layer in spec.layers)
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda spec: spec.with_norm(towers=1), id="LRN across all maps"),
        pytest.param(lambda spec: spec.with_norm(k=1.0), id="k of 1"),
        pytest.param(lambda spec: spec.with_norm(convention="printed"), id="alpha not divided"),
        pytest.param(without(SpatialNorm), id="no spatial normalisation"),
        pytest.param(swapped("norm2", "spatial2"), id="spatial normalisation before LRN"),
        pytest.param(
            lambda spec: spec.mapped(lambda each: replace(each, k=2.0) if isinstance(each, SpatialNorm) else each),
            id="k of 2 in the spatial normalisation",
        ),
        pytest.param(
            lambda spec: spec.mapped(lambda each: replace(each, inverted=True) if isinstance(each, Dropout) else each),
            id="inverted dropout",
        ),
    ],
)
def test_each_of_its_peculiarities_shows_in_the_answer(net: AlexNet, change: Callable[[Spec], Spec]) -> None:
    other = AlexNet(change(net.spec)).eval()
    other.load_state_dict(net.state_dict())
    expected = network(arrays(net), images().double().numpy())[0]["fc8"].array
    assert np.abs(other(images()).detach().numpy() - expected).max() > 1e-3 * np.abs(expected).max()


def test_two_training_steps_are_those_of_the_2012_code() -> None:
    """The second, in epoch 70, starts from the first one's increments, with other rates and conv1's own."""
    net, settings = AlexNet(shrunk(ORIGINAL2012), generator=seeded(0)).train(), recipe("original2012")
    optimiser = MomentumSGD(
        net, net, momentum=settings.momentum, weight_decay=settings.weight_decay, bias_decay=settings.bias_decay
    )
    parameters = arrays(net)
    increments = {name: np.zeros_like(array) for name, array in parameters.items()}
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    rates = {
        0: {"conv1": 1e-2, "conv2": 1e-2, "fc8": 1e-2},
        70: {"conv1": 1e-5, "conv2": 1e-4, "fc8": 1e-4},
    }
    for epoch, some in rates.items():
        lr = base_rate(settings, epoch=epoch, progress=0.0, errors=())
        rate_of = lambda layer, lr=lr, epoch=epoch: layer_rate(settings, layer, lr, epoch=epoch)  # noqa: E731
        assert {layer: rate_of(layer).weight for layer in some} == pytest.approx(some)

        masks = dropout_masks(epoch, len(labels))
        eps_w = {name.split(".")[0]: some.get(name.split(".")[0], some["fc8"]) for name in parameters}
        parameters, increments = training_step(
            parameters, increments, images().double().numpy(), labels.numpy(), masks, eps_w=eps_w, eps_b=0.02
        )

        torch.manual_seed(epoch)
        optimiser.zero_grad()
        F.cross_entropy(net(images()), labels).backward()
        optimiser.step(rate_of)
        for name, expected in increments.items():
            # gradients of fp32 sums over thousands of terms
            np.testing.assert_allclose(
                optimiser.velocity[name].numpy(), expected, rtol=0, atol=2e-5 * np.abs(expected).max(), err_msg=name
            )
            np.testing.assert_allclose(
                net.state_dict()[name].numpy(), parameters[name], rtol=1e-6, atol=1e-6, err_msg=name
            )


def dropout_masks(seed: int, count: int) -> dict[str, Array]:
    """What the layers of 16 units keep when the network runs after `torch.manual_seed(seed)`."""
    torch.manual_seed(seed)
    draws = {name: int(torch.randint(1 << 62, ())) for name in ("drop6", "drop7")}
    masks = {name: kernels.relu_dropout(torch.ones(count, 16), 0.5, draw) > 0 for name, draw in draws.items()}
    assert all(0 < int(mask.sum()) < mask.numel() for mask in masks.values())
    return {name: mask.double().numpy() for name, mask in masks.items()}


def test_a_tower_sees_the_other_from_conv3_on_and_not_before(net: AlexNet) -> None:
    """Section 3.5; exactly so only because LRN, too, stays inside a tower."""
    for each, crosses in ((net, False), (AlexNet(shrunk(PAPER)).eval(), True)):
        stages = each.stages(images(), ["conv1", "conv2", "conv3"])
        found = in_the_other_tower(stages, "conv2")
        assert bool(found.any()) == crosses
        assert not found[:, 2:].any(), "LRN over all maps reaches two maps into the other tower, no further"
        assert in_the_other_tower(stages, "conv3").any()


def in_the_other_tower(stages: dict[str, torch.Tensor], layer: str) -> torch.Tensor:
    """The gradient of one tower's maps of `layer` with respect to the other tower's maps of conv1."""
    mine, conv1 = stages[layer].chunk(2, 1)[0], stages["conv1"]
    (gradient,) = torch.autograd.grad(mine.sum(), conv1, retain_graph=True)
    own, other = gradient.chunk(2, 1)
    assert own.any()
    return other


def test_lrn_never_crosses_from_map_47_to_map_48() -> None:
    for spec, crosses in ((ORIGINAL2012, False), (PAPER, True)):
        norm = spec.layer("norm1")
        assert isinstance(norm, ResponseNorm)
        layer = AlexNet(Spec("norm", (norm,), 2, 96)).norm1
        x = (torch.randn(1, 96, 2, 2, generator=seeded(2)) * 100).requires_grad_()
        for last in (46, 47):
            (gradient,) = torch.autograd.grad(layer(x)[:, last].sum(), x)
            assert gradient[:, last - 2 : last + 1].all()
            assert bool(gradient[:, 48:].any()) == crosses
