"""The networks for CIFAR-10 against the sizes that follow from the files they come from, and through all that is made
of a network: account, modules, drawings, files, towers."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from alexnet.errors import ConfigError
from alexnet.model.account import account
from alexnet.model.cifar import CIFAR, CIFAR_FOUR, CIFAR_LOCAL, CIFAR_LOCAL_LRN
from alexnet.model.crossings import check_two_groups
from alexnet.model.field import seen_by
from alexnet.model.fields import fields
from alexnet.model.net import AlexNet
from alexnet.model.spec import Local, ResponseNorm, Spec
from alexnet.model.variants import VARIANTS, networks, variant
from alexnet.show.maps import usual_stages
from alexnet.weights.export import torchvision_state


def numbers(spec: Spec) -> dict[str, tuple[tuple[int, ...], int, int]]:
    return {row.name: (row.output, row.parameters, row.macs) for row in account(spec).rows if row.parameters}


def test_four_layers_by_hand() -> None:
    assert numbers(CIFAR_FOUR) == {
        "conv1": ((32, 32, 32), 32 * (3 * 25 + 1), 32 * 3 * 25 * 32**2),
        "conv2": ((32, 16, 16), 32 * (32 * 25 + 1), 32 * 32 * 25 * 16**2),
        "conv3": ((64, 8, 8), 64 * (32 * 25 + 1), 64 * 32 * 25 * 8**2),
        "fc4": ((10,), 10 * (64 * 4 * 4 + 1), 10 * 64 * 4 * 4),
    }


@pytest.mark.parametrize("side", [24, 32])
def test_layers_without_shared_weights_by_hand(side: int) -> None:
    quarter = (side // 4) ** 2
    expected = {
        "conv1": ((64, side, side), 64 * (3 * 25 + 1), 64 * 3 * 25 * side**2),
        "conv2": ((64, side // 2, side // 2), 64 * (64 * 25 + 1), 64 * 64 * 25 * (side // 2) ** 2),
        "local3": ((32, side // 4, side // 4), quarter * 32 * (64 * 9 + 1), quarter * 32 * 64 * 9),
        "local4": ((32, side // 4, side // 4), quarter * 32 * (32 * 9 + 1), quarter * 32 * 32 * 9),
        "fc5": ((10,), 10 * (32 * quarter + 1), 10 * 32 * quarter),
    }
    for spec in (CIFAR_LOCAL, CIFAR_LOCAL_LRN):
        assert numbers(replace(spec, input_size=side)) == expected


def test_normalisation_is_all_that_the_better_network_adds() -> None:
    assert variant("cifar_local_lrn", norm=False).layers == CIFAR_LOCAL.layers
    norms = [(place, layer) for place, layer in enumerate(CIFAR_LOCAL_LRN.layers) if isinstance(layer, ResponseNorm)]
    assert [place for place, _ in norms] == [2, 6]  # after the ReLU, before the pooling
    assert {(norm.n, norm.k, norm.alpha, norm.beta, norm.towers) for _, norm in norms} == {(5, 1.0, 1e-3, 0.75, 1)}


def test_they_are_known_by_name_after_those_for_photographs() -> None:
    assert [*networks()] == [*VARIANTS, *CIFAR]
    assert all(variant(name) == spec for name, spec in CIFAR.items())
    with pytest.raises(ConfigError, match="Unknown model 'cifar_for'; did you mean 'cifar_four'"):
        variant("cifar_for")


@pytest.mark.parametrize("name", CIFAR)
def test_modules_work_in_the_shapes_and_costs_of_the_account(name: str) -> None:
    spec = CIFAR[name]
    with torch.device("meta"):
        net = AlexNet(spec).eval()
    images = torch.empty(1, 3, spec.input_size, spec.input_size, device="meta")
    with FlopCounterMode(display=False) as counter:
        outputs = net.stages(images, net.names)
    assert counter.get_total_flops() == account(spec).total("flops")
    for row in account(spec).rows:
        assert outputs[row.name].shape == (1, *row.output), row.name
        assert sum(p.numel() for p in net.get_submodule(row.name).parameters()) == row.parameters, row.name


@pytest.mark.parametrize("name", CIFAR)
def test_weights_start_as_the_files_say(name: str) -> None:
    net = AlexNet(CIFAR[name], generator=torch.Generator().manual_seed(0))
    stds = {"conv1": 1e-4, "conv2": 0.01, "conv3": 0.01, "local3": 0.04, "local4": 0.04, "fc4": 0.01, "fc5": 0.01}
    for key, tensor in net.state_dict().items():
        layer, _, part = key.partition(".")
        if part == "bias":
            assert not tensor.any()
        else:
            assert tensor.std().item() == pytest.approx(stds[layer], rel=0.05)


@pytest.mark.parametrize("name", CIFAR)
def test_a_spec_comes_back_from_json(name: str) -> None:
    assert Spec.from_json(CIFAR[name].to_json()) == CIFAR[name]


def test_where_a_unit_looks_counts_windows_of_every_kind() -> None:
    spec = CIFAR_FOUR
    assert {name: field.side for name, field in fields(spec).items()} == {
        row.name: row.receptive_field for row in account(spec).rows if row.receptive_field
    }
    field = fields(spec)["pool3"]
    left, top, right, bottom = seen_by(spec, "pool3", 1, 2)
    corner = field.start + 2 * field.step, field.start + field.step
    assert (left, top) == (max(0, corner[0]), max(0, corner[1]))
    assert (right, bottom) == (min(32, corner[0] + field.side), min(32, corner[1] + field.side))
    local = fields(CIFAR_LOCAL)["local4"]
    assert seen_by(CIFAR_LOCAL, "local4", 0, 0) == (0, 0, local.start + local.side, local.start + local.side)


def test_maps_of_layers_without_shared_weights_are_looked_at_too() -> None:
    assert usual_stages(CIFAR_LOCAL) == ("relu1", "relu2", "relu3", "relu4")


def test_what_does_not_fit_is_refused_in_words() -> None:
    grouped = CIFAR_LOCAL.mapped(lambda layer: replace(layer, groups=2) if layer.name == "conv2" else layer)
    with pytest.raises(ConfigError, match="'cifar_local' cannot stand in two towers: local3 is not in two groups"):
        check_two_groups(grouped)
    with pytest.raises(ConfigError, match="'cifar_local' has other layers or widths"):
        torchvision_state(AlexNet(CIFAR_LOCAL))
    with pytest.raises(ConfigError, match="too small for 'cifar_local': only 1 × 1 reach pool1"):
        account(Spec("cifar_local", (*CIFAR_LOCAL.layers[2:3], Local("local3", 2, 3)), 1, 1))
