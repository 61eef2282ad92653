import json
from pathlib import Path

import numpy as np
import pytest
import torch
from commanding import alexnet, refusal
from layouts import check_layout, texts
from making import tiny_model
from PIL import Image

from alexnet.data.augment import VIEWS, centre_mean
from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import place
from alexnet.model.variants import VARIANTS
from alexnet.show.figures.maps import figure
from alexnet.show.figures.sheet import MOST_PIXELS
from alexnet.show.maps import Maps, StageMaps, maps, usual_stages
from alexnet.weights.model_dir import save_model


@pytest.fixture
def predictor(colours: Store, one_thread: None) -> Predictor:
    return Predictor(tiny_model(colours), placement=place("cpu", "fp32"))


@pytest.mark.parametrize("spec", VARIANTS.values(), ids=lambda spec: spec.name)
def test_the_usual_stages_are_the_five_activations(spec) -> None:  # type: ignore[no-untyped-def]
    assert usual_stages(spec) == ("relu1", "relu2", "relu3", "relu4", "relu5")


def test_maps_are_the_stages_strongest_first(colours: Store, predictor: Predictor) -> None:
    square = colours.read(0)
    (stage,) = maps(predictor, square, "a", ["conv1"], top=3).stages
    whole = predictor.stages(square, "conv1")["conv1"][0]
    assert stage.maxima.tolist() == whole.max((1, 2)).tolist()
    assert stage.maxima[stage.order].tolist() == sorted(stage.maxima.tolist(), reverse=True)[:3]
    assert np.array_equal(stage.values, whole[stage.order])
    assert (stage.low, stage.high) == (float(whole.min()), float(whole.max()))


def test_all_maps_stand_in_their_own_order(colours: Store, predictor: Predictor) -> None:
    (stage,) = maps(predictor, colours.read(0), "a", top=None).stages
    assert stage.order.tolist() == list(range(8))


def test_a_map_that_is_0_everywhere_is_silent(colours: Store, one_thread: None) -> None:
    model = tiny_model(colours)
    model.net.get_parameter("conv1.bias").data[:3] = -1e9
    found = maps(Predictor(model, placement=place("cpu", "fp32")), colours.read(0), "a")
    assert found.stages[0].silent >= 3
    assert f"{found.stages[0].silent} of 8 silent" in " ".join(texts(figure(found)))


@pytest.mark.parametrize("name", VIEWS)
def test_any_of_the_ten_views_is_shown(colours: Store, one_thread: None, name: str) -> None:
    model = tiny_model(colours)
    predictor = Predictor(model, placement=place("cpu", "fp32"))
    square, side = colours.read(0), model.net.spec.input_size
    end = len(square) - side
    across = {"left": 0, "right": end}.get(name.removesuffix("-mirrored").rpartition("-")[2], end // 2)
    down = {"top": 0, "bottom": end}.get(name.partition("-")[0], end // 2)
    expected = square[down : down + side, across : across + side]
    expected = expected[:, ::-1] if name.endswith("mirrored") else expected
    found = maps(predictor, square, "a", ["conv1", "fc3"], top=None, view=name)
    assert np.array_equal(found.crop, expected)
    centred = (expected - centre_mean(model.statistics, side)).transpose(2, 0, 1)[None]
    with torch.no_grad():
        by_hand = model.net.stages(torch.from_numpy(np.ascontiguousarray(centred)), ["conv1"])["conv1"]
    assert np.allclose(found.stages[0].values, by_hand[0].numpy(), rtol=1e-4, atol=1e-4)
    assert (f"shown, its view {name}." in " ".join(texts(figure(found)))) == (name != "centre")


def test_no_map_is_an_error(colours: Store, predictor: Predictor) -> None:
    with pytest.raises(ConfigError, match="At least one map"):
        maps(predictor, colours.read(0), "a", top=0)


def stage(name: str, channels: int, side: int, value: float) -> StageMaps:
    values = np.full((min(12, channels), side, side), value, np.float32)
    order = np.arange(len(values)) + 4000
    return StageMaps(name, (channels, side, side), order, values, np.full(channels, value, np.float32), 0, value, 0.0)


def test_nothing_overlaps(colours: Store, predictor: Predictor) -> None:
    crop = np.zeros((32, 32, 3), np.uint8)
    made = tuple(stage(f"conv{number}", 5 * number, 3, float(-number)) for number in range(1, 6))
    check_layout(figure(Maps("paper", "水仙" + "x" * 200 + ".jpg", crop, made)))
    check_layout(figure(maps(predictor, colours.read(0), "a", ["conv1", "fc2", "fc3"], top=None)))


@pytest.mark.parametrize("count", [96, 384, 512])
def test_every_map_of_a_stage_fits_a_page_of_the_usual_resolution(count: int) -> None:
    values = np.zeros((count, 2, 2), np.float32)
    every = StageMaps("conv3", (count, 2, 2), np.arange(count), values, values.max((1, 2)), 0, 0.0, 0.0)
    drawn = figure(Maps("paper", "a.jpg", np.zeros((32, 32, 3), np.uint8), (every,)))
    assert max(drawn.get_size_inches()) * 150 <= MOST_PIXELS


def test_the_command_draws_one_page_or_a_folder(colours: Store, tmp_path: Path, one_thread: None) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    Image.fromarray(colours.read(0)).save(tmp_path / "a.png")
    words = ("show", "maps", tmp_path / "model", tmp_path / "a.png", "--dtype", "fp32")
    told = json.loads(alexnet(*words, "--stage", "relu1", "--top", "all", "--json").stdout)
    assert np.array(told["stages"][0]["values"]).shape == (8, 14, 14)
    assert alexnet(*words, "-o", tmp_path / "m.png").stdout == f"Picture  {tmp_path / 'm.png'}\n"
    folder = tmp_path / "all"
    assert alexnet(*words, "--stage", "all", "-o", folder).exit_code == 0
    names = {"conv1", "relu1", "norm1", "pool1", "fc2", "relu2", "drop2", "fc3"}
    assert {path.name for path in folder.iterdir()} == {"index.html", *(f"{name}.png" for name in names)}
    assert (folder / "index.html").read_text().count("<img") == 8
    mirrored = json.loads(alexnet(*words, "--stage", "relu1", "--json", "--crop", "top-left-mirrored").stdout)
    assert mirrored["view"] == "top-left-mirrored"
    assert mirrored["stages"] != told["stages"]
    code, sentence = refusal(*words, "--crop", "topleft")
    assert (code, "did you mean 'top-left'" in sentence) == (2, True)


def test_a_name_that_is_no_unicode_stands_in_the_page_as_an_escape(
    colours: Store, tmp_path: Path, one_thread: None
) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    Image.fromarray(colours.read(0)).save(tmp_path / "a\udce9.png")
    words = ("show", "maps", tmp_path / "model", tmp_path / "a\udce9.png", "--stage", "all", "-o", tmp_path / "all")
    assert alexnet(*words).exit_code == 0
    assert r"<h1>a\udce9.png in tiny</h1>" in (tmp_path / "all" / "index.html").read_text(encoding="utf-8")
