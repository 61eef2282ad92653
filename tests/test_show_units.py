import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from commanding import alexnet, refusal
from layouts import check_layout, texts
from making import tiny_model
from torch import Tensor

from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import place
from alexnet.model.net import AlexNet
from alexnet.show.deconv import projected
from alexnet.show.figures.units import figure
from alexnet.show.photographs import of_store
from alexnet.show.units import units
from alexnet.weights.model_dir import save_model


@pytest.fixture
def predictor(colours: Store, one_thread: None) -> Predictor:
    return Predictor(tiny_model(colours), placement=place("cpu", "fp32"))


def test_they_are_the_photographs_of_the_largest_values_and_the_parts_that_the_unit_sees(
    colours: Store, predictor: Predictor
) -> None:
    positions = list(range(40))  # more than a batch
    found = units(predictor, of_store(predictor, colours, positions), "relu1", [2, 5], "some", n=3)
    whole = predictor.stages([colours.read(position) for position in positions], "relu1")["relu1"]
    assert found.images == 40
    for unit, seen in found.units:
        largest = whole[:, unit].max((1, 2))
        order = np.argsort(-largest, kind="stable")[:3]
        assert [each.name for each in seen] == [colours.paths[position] for position in order]
        assert [each.value for each in seen] == pytest.approx(largest[order].tolist(), rel=1e-5)
        for each, position in zip(seen, order, strict=True):
            left, top, right, bottom = each.box
            assert (right - left, bottom - top) == (5, 5)
            assert np.array_equal(each.part, colours.read(int(position))[top:bottom, left:right])


def test_a_unit_that_nothing_moves_says_so(colours: Store, one_thread: None) -> None:
    model = tiny_model(colours)
    model.net.get_parameter("conv1.bias").data[1] = -1e9
    predictor = Predictor(model, placement=place("cpu", "fp32"))
    found = units(predictor, of_store(predictor, colours, [0, 1]), "relu1", [0, 1], "some")
    assert found.units[1] == (1, ())
    drawn = figure(found)
    check_layout(drawn)
    assert "nothing moves it: 0 for every photograph" in texts(drawn)


def test_units_of_fully_connected_layers_see_everything(colours: Store, predictor: Predictor) -> None:
    found = units(predictor, of_store(predictor, colours, [0]), "fc2", [0, 1, 2], "one photograph")
    check_layout(figure(found))
    assert all(each.part.shape == (32, 32, 3) for _, seen in found.units for each in seen)


def plain(net: AlexNet, x: Tensor, stage: str) -> dict[str, Tensor]:
    """Each layer's output in float64, the modules called one by one."""
    found = {"": x.double()}
    for name in net.names:
        last = next(reversed(found.values()))
        module = copy.deepcopy(net.get_submodule(name)).double()
        found[name] = torch.nn.Module.__call__(module, last.flatten(1) if name == "fc2" else last)
    return found


def test_a_pattern_is_sent_back_step_by_step(colours: Store) -> None:
    net = tiny_model(colours).net
    x = 50 * torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        seen = plain(net, x, "relu2")
        unit = int(seen["relu2"][0].argmax())
        back = torch.zeros_like(seen["relu2"])
        back[0, unit] = seen["relu2"][0, unit]
        back = (back @ net.get_parameter("fc2.weight").double()).view_as(seen["pool1"])  # relu2 lets it through
        pool = net.spec.layer("pool1")
        _, where = F.max_pool2d(seen["norm1"], pool.kernel, pool.stride, return_indices=True)
        spread = torch.zeros_like(seen["norm1"]).flatten(2).scatter_add_(2, where.flatten(2), back.flatten(2))
        back = spread.view_as(seen["norm1"]).clamp_min(0)  # norm1 is passed over, relu1 keeps what is positive
        conv = net.spec.layer("conv1")
        weight = net.get_parameter("conv1.weight").double()
        side = (back.shape[-1] - 1) * conv.stride + conv.kernel
        expected = F.conv_transpose2d(back, weight, stride=conv.stride, output_padding=0)
        assert expected.shape[-1] == side
        expected = F.pad(expected, (0, 32 - side, 0, 32 - side))[0]
    found = projected(net, x, "relu2", unit)
    assert torch.allclose(found.double(), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert float(expected.abs().max()) > 0


def test_a_pattern_is_drawn_beneath_each_part(colours: Store, one_thread: None) -> None:
    model = tiny_model(colours)
    predictor = Predictor(model, placement=place("cpu", "fp32"))
    found = units(predictor, of_store(predictor, colours, [0, 1, 2]), "relu1", [0, 1], "some", n=2, deconv=model)
    seen = [each for _, parts in found.units for each in parts]
    assert seen and all(each.pattern is not None and each.pattern.shape == each.part.shape for each in seen)
    assert all(np.abs(each.pattern).max() == pytest.approx(1.0) for each in seen)
    drawn = figure(found)
    check_layout(drawn)
    assert "deconvnet" in " ".join(texts(drawn))


def test_units_that_there_are_not_are_refused(colours: Store, predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="relu1 of 'tiny' has units 0 to 7, not 8"):
        units(predictor, of_store(predictor, colours, [0]), "relu1", [8], "")
    assert "numbers and ranges like 0-3,7" in refusal("show", "units", tmp_path, colours.path, "--units", "a")[1]
    assert "At most 40 units" in refusal("show", "units", tmp_path, colours.path, "--units", "0-99")[1]


def test_the_command_draws_and_prints(colours: Store, tmp_path: Path, one_thread: None) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    words = (
        "show",
        "units",
        tmp_path / "model",
        colours.path,
        "--stage",
        "relu1",
        "--units",
        "0-2,7",
        "--split",
        "test",
    )
    told = json.loads(alexnet(*words, "--json").stdout)
    assert [each["unit"] for each in told["units"]] == [0, 1, 2, 7]
    assert alexnet(*words, "-o", tmp_path / "u.png").stdout == f"Picture  {tmp_path / 'u.png'}\n"
