import json
from pathlib import Path

import numpy as np
import pytest
from commanding import alexnet, refusal
from layouts import check_layout, texts
from making import tiny_model

from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import place
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
