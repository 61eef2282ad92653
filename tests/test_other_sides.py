"""Photographs of other sides than 256, all the way: prepared, checked, trained on, measured, exported, named."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from commanding import alexnet, photographs, refusal
from making import tiny_recipe
from onnx_making import narrow

from alexnet.data.preparation import Preparation
from alexnet.data.store import Store
from alexnet.model.variants import VARIANTS, variant
from alexnet.training.recipes import RECIPES
from alexnet.weights.model_dir import load_model

TRAIN = ("--model", "narrow", "--recipe", "tiny", "--dtype", "fp32", "--epochs", "1", "-q")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setitem(VARIANTS, "narrow", replace(narrow(variant("paper")), name="narrow"))
    monkeypatch.setitem(RECIPES, "tiny", (tiny_recipe(holdout=0.2), "for tests"))
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def done(*words: object) -> str:
    result = alexnet(*words)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def probabilities(model: object, photograph: Path, *words: object) -> dict[str, float]:
    (found,) = json.loads(done("predict", model, photograph, "--json", "--dtype", "fp32", *words))
    return {each["key"]: each["probability"] for each in found["predictions"]}


@pytest.mark.parametrize(("side", "input_size"), [(72, 64), (146, 128)])
def test_every_verb_takes_the_side_from_the_store_or_the_model(side: int, input_size: int, tmp_path: Path) -> None:
    folder = photographs(tmp_path / "photographs", each=10)
    done("prepare", folder, "store", "--side", side, "-j", "1", "-q")
    assert f"shorter side to {side} pixels, the central {side} × {side} kept" in done("data", "info", "store")
    done("data", "check", "store", "-j", "1", "-q")

    done("train", "store", *TRAIN, "--input-size", input_size, "-o", "run")
    model = load_model(Path("run/model"))
    assert (model.preparation, model.net.spec.input_size) == (Preparation(side=side), input_size)
    assert f"central {side} × {side} kept" in Path("run/model/README.md").read_text(encoding="utf-8")

    split = min(Store.open("store").splits)  # "test"
    for crops in (1, 10):
        words = ("--split", split, "--crops", crops, "--json", "--dtype", "fp32", "-q")
        of_store, of_folder = (json.loads(done("evaluate", "run", data, *words)) for data in ("store", folder))
        assert of_store["images"] > 0
        assert of_store | {"data": None} == of_folder | {"data": None}  # prepared to the model's side
    shown = folder / "ash" / "0.png"
    one, ten = probabilities("run", shown), probabilities("run", shown, "--crops", "10")
    for taken in ("images", "views"):
        said = done("export", "run", "--format", "onnx", "--input", taken, "-o", f"{taken}.onnx")
        assert taken == "views" or f"Takes     uint8 RGB photographs (N, {side}, {side}, 3)" in said
        # probabilities of another runtime, rounded otherwise
        assert probabilities(f"{taken}.onnx", shown) == pytest.approx(one, abs=1e-5)
    assert probabilities("views.onnx", shown, "--crops", "10") == pytest.approx(ten, abs=1e-5)
    size = [each.dim_value for each in onnx.load("images.onnx").graph.input[0].type.tensor_type.shape.dim]
    assert size[1:] == [side, side, 3]

    done("import", "onnx", "images.onnx", "--out", "back")
    back = load_model(Path("back"))
    assert back.preparation == model.preparation
    np.testing.assert_array_equal(back.statistics.mean_image, model.statistics.mean_image)


def test_photographs_are_prepared_to_the_side_asked_for_or_the_one_of_the_model_to_start_from(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "photographs")
    done("train", folder, *TRAIN, "--side", "72", "--input-size", "64", "-o", "run")
    done("train", folder, *TRAIN[2:], "--init-from", "run", "-o", "tuned")
    for run in ("run", "tuned"):
        assert load_model(Path(run, "model")).preparation == Preparation(side=72)
    assert [Store.open(path).preparation.side for path in (tmp_path / "home" / "stores").iterdir()] == [72]

    code, sentence = refusal("train", folder, *TRAIN[2:], "--init-from", "run/model", "--side", "80", "-o", "other")
    assert code == 2
    assert "has a mean image of 72 × 72 pixels, and photographs of 80 × 80" in sentence
    code, sentence = refusal("train", folder, *TRAIN, "--side", "72", "--input-size", "80", "-o", "other")
    assert code == 2
    assert "Crops of 80 × 80 pixels do not fit into photographs of 72 pixels; raise --side" in sentence
    assert not Path("other").exists()


def test_a_model_of_one_side_on_a_store_of_another_says_why_not(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "photographs")
    done("train", folder, *TRAIN, "--side", "72", "--input-size", "64", "-o", "run")
    done("prepare", folder, "store", "-j", "1", "-q")
    code, sentence = refusal("evaluate", "run/model", "store", "--split", "train")
    assert code == 3
    assert "holds photographs of 256 × 256 pixels, but the model takes 72 × 72; prepare" in sentence
    assert "the photographs with --side 72." in sentence
