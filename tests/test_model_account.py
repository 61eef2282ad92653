"""The account of a network, against the tensors that the network really produces and PyTorch's own FLOP counter."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from alexnet.errors import ConfigError
from alexnet.model.account import account, check_classes, smallest_input
from alexnet.model.net import AlexNet
from alexnet.model.options import with_options
from alexnet.model.spec import Activation, AvgPool, Conv, Dropout, Layer, Linear, Local, MaxPool, Spec
from alexnet.model.variants import PAPER, VARIANTS, variant


def on_meta(spec: Spec) -> AlexNet:
    with torch.device("meta"):
        return AlexNet(spec).eval()


def test_the_paper_network_has_the_published_size() -> None:
    total = account(PAPER).to_json()["total"]
    assert total["parameters"] == 60_965_224
    assert total["neurons"] == 659_272
    assert total["macs"] == 724_406_816
    assert total["flops"] == 2 * 724_406_816
    assert total["parameter_bytes"] == 4 * 60_965_224


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("size", [None, 227, 195])
def test_rows_agree_with_real_tensors_and_modules(name: str, size: int | None) -> None:
    spec = variant(name, input_size=size, classes=17)
    net = on_meta(spec)
    images = torch.empty(1, spec.channels, spec.input_size, spec.input_size, device="meta")
    outputs = net.stages(images, net.names)
    for row in account(spec).rows:
        assert outputs[row.name].shape == (1, *row.output), row.name
        assert sum(p.numel() for p in net.get_submodule(row.name).parameters()) == row.parameters, row.name


@pytest.mark.parametrize("name", VARIANTS)
def test_flops_are_those_that_pytorch_counts(name: str) -> None:
    spec = variant(name)
    net = on_meta(spec)
    with FlopCounterMode(display=False) as counter:
        net(torch.empty(1, spec.channels, spec.input_size, spec.input_size, device="meta"))
    assert counter.get_total_flops() == account(spec).total("flops")


def test_receptive_fields_are_where_gradients_come_from() -> None:
    # positive weights, so that nothing cancels; one output in the middle of each stage
    spec = Spec(
        "probe", (Conv("conv1", 1, 5, stride=2), Activation("relu1"), MaxPool("pool1"), Conv("conv2", 1, 3)), 61, 1
    )
    net = AlexNet(spec)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.1)
    # a max-pool passes the gradient of one input only, so the field is the union over many images
    images = torch.rand(200, 1, 61, 61, requires_grad=True)
    for name, output in net.stages(images, net.names).items():
        middle = output.shape[-1] // 2
        (gradient,) = torch.autograd.grad(output[:, :, middle, middle].sum(), images, retain_graph=True)
        rows = torch.nonzero(gradient.abs().sum((0, 1, 3))).flatten()
        row = next(row for row in account(spec).rows if row.name == name)
        assert int(rows[-1] - rows[0]) + 1 == row.receptive_field, name


def test_published_receptive_fields_of_the_paper_network() -> None:
    fields = {row.name: row.receptive_field for row in account(PAPER).rows}
    # by hand: 11; +2·4; +4·8; +2·8; +2·16 three times; +2·16
    expected = {
        "conv1": 11,
        "pool1": 19,
        "conv2": 51,
        "pool2": 67,
        "conv3": 99,
        "conv4": 131,
        "conv5": 163,
        "pool5": 195,
    }
    assert {name: fields[name] for name in expected} == expected
    assert fields["fc6"] is None


def test_an_input_that_is_too_small_is_refused_by_layer_with_the_least_that_works() -> None:
    sentence = r"30 pixels is too small for 'paper': only 2 × 2 reach pool2, .* smallest input that works is 64 pixels"
    with pytest.raises(ConfigError, match=sentence):
        account(replace(PAPER, input_size=30))


@pytest.mark.parametrize("spec", VARIANTS.values(), ids=VARIANTS)
def test_the_smallest_input_gives_every_layer_an_output_and_the_next_smaller_does_not(spec: Spec) -> None:
    size = smallest_input(spec)
    account(replace(spec, input_size=size))
    if size > 1:
        with pytest.raises(ConfigError, match="too small"):
            account(replace(spec, input_size=size - 1))


def test_spatial_normalisation_widens_the_receptive_field() -> None:
    fields = {row.name: row.receptive_field for row in account(variant("original2012")).rows}
    # 5 positions 8 pixels apart
    assert fields["spatial2"] == fields["norm2"] + 4 * 8


def test_groups_must_divide_the_channels() -> None:
    with pytest.raises(ConfigError, match="conv2 of 'odd': 5 input channels do not divide into 2 groups"):
        account(Spec("odd", (Conv("conv1", 5, 3), Conv("conv2", 4, 3, groups=2)), 16))


def test_maps_cannot_follow_a_fully_connected_layer() -> None:
    with pytest.raises(ConfigError, match="conv2 of 'late' needs maps"):
        account(Spec("late", (Conv("conv1", 4, 3), Linear("fc2", 8), Conv("conv2", 4, 3)), 16))


def test_a_network_has_to_end_in_a_number_for_each_class() -> None:
    def ending(*layers: Layer) -> Spec:
        return Spec("own", (Conv("conv1", 4, 3), *layers), 6, classes=3)

    for good in (ending(Linear("fc2", None)), ending(Linear("fc2", 3)), ending(Linear("fc2", None), Dropout("drop2"))):
        check_classes(good)
    with pytest.raises(ConfigError, match=r"last layer fc2 of 'own' makes 10 numbers, not 3; leave its units None\."):
        check_classes(ending(Linear("fc2", 10)))
    with pytest.raises(ConfigError, match=r"conv2 of 'own' makes 3 × 1 × 1 numbers, not 3; end with a Linear layer"):
        check_classes(ending(Conv("conv2", 3, 4)))
    with pytest.raises(ConfigError, match="'own' has no layers"):
        check_classes(replace(ending(), layers=()))


UNSHARED = Spec(
    "unshared",
    (Conv("conv1", 4, 3), AvgPool("pool1", padding="ceil"), Local("local2", 6, 3, padding=1), Linear("fc3", None)),
    21,
    3,
    10,
)


def test_a_locally_connected_layer_has_weights_of_its_own_at_every_position() -> None:
    """By hand: 19 × 19 after conv1, 9 × 9 after the pool; 81 positions of 6 maps, each of 4 · 9 weights and a bias."""
    found = account(UNSHARED)
    local = found.rows[2]
    assert (local.output, local.macs, local.parameters) == ((6, 9, 9), 81 * 6 * 36, 81 * 6 * 37)
    assert local.neurons == 81 * 6
    assert [row.receptive_field for row in found.rows[:3]] == [3, 5, 9]  # 3; + 2; + 2 · 2
    net = on_meta(UNSHARED)
    with FlopCounterMode(display=False) as counter:
        net(torch.empty(1, 3, 21, 21, device="meta"))
    assert counter.get_total_flops() == found.total("flops")
    for row in found.rows:
        assert sum(p.numel() for p in net.get_submodule(row.name).parameters()) == row.parameters, row.name


def test_an_average_of_nothing_is_no_layer() -> None:
    with pytest.raises(ConfigError, match="pool1 of 'odd' would average windows that lie wholly in its padding"):
        account(Spec("odd", (AvgPool("pool1", 2, stride=2, padding=2),), 16))


def test_batch_normalisation_has_a_scale_and_a_shift_for_each_map() -> None:
    spec = with_options(variant("cifar_four"), batch_norm=True)
    assert account(spec).total("parameters") == sum(each.numel() for each in on_meta(spec).parameters())


def test_maps_that_do_not_divide_into_groups_are_refused() -> None:
    layers = (Conv("conv1", 6, 3), Conv("conv2", 7, 3, groups=2))
    with pytest.raises(ConfigError, match="conv2 of 'odd': 7 channels do not divide into 2 groups"):
        account(Spec("odd", layers, 32))
