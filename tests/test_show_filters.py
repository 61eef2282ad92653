import json
from pathlib import Path

import numpy as np
import pytest
import torch
from commanding import alexnet, refusal
from making import damaged, tiny_model

from alexnet.data.preparation import Preparation
from alexnet.data.store import Store
from alexnet.errors import ConfigError, WeightsError
from alexnet.experiments.bench.predicting import untrained_model
from alexnet.model.net import AlexNet
from alexnet.model.variants import VARIANTS, variant
from alexnet.show.filters import MOVED, filters, smoothness
from alexnet.weights.model_dir import Model, save_model


@pytest.mark.parametrize("name", VARIANTS)
def test_no_kernel_that_has_learned_nothing_counts_as_moved(name: str) -> None:
    spec = variant(name, classes=2)
    first = next(layer for layer in spec.layers if layer.kind == "conv")
    net = AlexNet(type(spec)(name, (first,), spec.input_size), generator=torch.Generator().manual_seed(1))
    kernels = net.get_submodule("conv1").weight.detach().numpy()
    assert len(kernels) in (48, 64, 96)
    assert smoothness(kernels).max() < MOVED


def test_a_faint_edge_in_noise_counts_as_moved() -> None:
    kernels = np.random.default_rng(0).normal(0, 0.01, (8, 3, 11, 11)).astype(np.float32)
    kernels[:4] += 0.01 * np.sign(np.arange(11) - 5)
    assert (smoothness(kernels) > MOVED).tolist() == [True] * 4 + [False] * 4


def test_kernels_with_nan_are_a_sentence(colours: Store) -> None:
    with pytest.raises(WeightsError, match="The network 'tiny' has NaN or infinity in the kernels of conv1: its"):
        filters(damaged(tiny_model(colours)))


def test_kernels_without_neighbours_or_without_weights_are_still() -> None:
    assert smoothness(np.ones((2, 3, 1, 1), np.float32)).tolist() == [0, 0]
    assert smoothness(np.zeros((2, 3, 5, 5), np.float32)).tolist() == [0, 0]


def test_kernels_are_those_of_the_network_in_rgb_order(colours: Store) -> None:
    model = tiny_model(colours)
    plain = model.net.get_submodule("conv1").weight.detach().numpy()
    assert np.array_equal(filters(model).kernels, plain)
    swapped = Model(model.net, model.categories, model.statistics, {}, Preparation(channels="BGR"))
    assert np.array_equal(filters(swapped).kernels, plain[:, ::-1])


def test_what_is_no_convolution_is_refused(colours: Store) -> None:
    model = tiny_model(colours)
    with pytest.raises(ConfigError, match="fc2 of 'tiny' has no kernels to show; convolutions: conv1"):
        filters(model, "fc2")
    with pytest.raises(ConfigError, match="Unknown scale 'zeros'; did you mean 'zero'"):
        filters(model, scale="zeros")


def test_the_command_prints_the_numbers_and_writes_the_picture(colours: Store, tmp_path: Path) -> None:
    model = tiny_model(colours)
    save_model(model, tmp_path / "model")
    told = json.loads(alexnet("show", "filters", tmp_path / "model", "--json").stdout)
    assert told["layer"] == "conv1"
    assert np.allclose(told["kernels"], model.net.get_submodule("conv1").weight.detach().numpy(), atol=1e-7)
    assert told["moved"] == [False] * 8
    for suffix in ("png", "svg", "pdf"):
        out = tmp_path / f"f.{suffix}"
        assert alexnet("show", "filters", tmp_path / "model", "-o", out).stdout == f"Picture  {out}\n"
        first = out.read_bytes()
        alexnet("show", "filters", tmp_path / "model", "-o", out)
        assert out.read_bytes() == first


def test_without_matplotlib_the_extra_is_named_and_numbers_are_still_to_be_had(
    colours: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    monkeypatch.setattr("alexnet.cli.pictures.can_draw", lambda: False)
    code, said = refusal("show", "filters", tmp_path / "model")
    assert (code, "pip install 'alexnet[see]'" in said) == (2, True)
    assert json.loads(alexnet("show", "filters", tmp_path / "model", "--json").stdout)["layer"] == "conv1"
    out = tmp_path / "a.svg"
    assert alexnet("show", "architecture", "-o", out).exit_code == 0


@pytest.mark.parametrize("sort", ["norm", "smooth"])
def test_kernels_are_sorted_inside_each_tower(sort: str) -> None:
    model = untrained_model(variant("paper", classes=2))
    plain, found = filters(model), filters(model, sort=sort)
    assert np.array_equal(found.kernels, plain.kernels[found.order])
    assert sorted(found.order[:48].tolist()) == list(range(48))
    rank = smoothness(found.kernels) if sort == "smooth" else np.linalg.norm(found.kernels.reshape(96, -1), axis=1)
    for tower in (rank[:48], rank[48:]):
        assert (np.diff(tower) <= 1e-6).all()
    assert plain.order.tolist() == list(range(96))
    with pytest.raises(ConfigError, match="Unknown order 'norms'; did you mean 'norm'"):
        filters(model, sort="norms")


def test_untrained_kernels_are_those_that_a_network_begins_with(colours: Store) -> None:
    model = tiny_model(colours)
    model.net.get_parameter("conv1.weight").data.fill_(1.0)
    found = filters(model, untrained=True)
    fresh = AlexNet(model.net.spec, generator=torch.Generator().manual_seed(0))
    assert np.array_equal(found.kernels, fresh.get_parameter("conv1.weight").detach().numpy())
    assert not found.moved.any()
    assert model.net.get_parameter("conv1.weight").eq(1).all(), "the model itself is left alone"
