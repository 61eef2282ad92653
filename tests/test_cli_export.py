import json
from pathlib import Path

import onnx
import pytest
from commanding import alexnet, refusal
from making import tiny_model
from onnx_making import zoo_model
from PIL import Image

from alexnet.cli.export import FORMATS
from alexnet.data.store import Store
from alexnet.weights.export import SUFFIXES
from alexnet.weights.model_dir import load_model, save_model
from alexnet.weights.onnx.graph import FORMS

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(colours: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "model"
    save_model(tiny_model(colours), path)
    return path


@pytest.fixture
def picture(colours: Store, tmp_path: Path) -> Path:
    Image.fromarray(colours.read(0)).resize((300, 400)).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def test_the_help_has_every_format_and_input() -> None:
    text = alexnet("export", "--help").stdout
    assert list(FORMATS) == list(SUFFIXES)
    for name in (*SUFFIXES, *FORMS):
        assert name in text


@pytest.mark.parametrize("kind", ["onnx", "torch-export", "safetensors"])
def test_a_file_is_written_where_asked_or_named_after_the_network(
    model: Path, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = alexnet("export", model.parent, "--format", kind)
    assert result.exit_code == 0, result.stderr
    assert Path(f"tiny{SUFFIXES[kind]}").stat().st_size > 10_000
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert lines["File"].startswith(f"File      tiny{SUFFIXES[kind]}, ")
    assert lines["Compared"].startswith("Compared  5 pictures: logits differ by ")
    assert alexnet("export", model, "--format", kind, "-o", "other").exit_code == 0
    assert Path("other").is_file()


def test_the_words_say_what_the_file_takes(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    words = ("export", model, "--format", "onnx", "--out", file)
    photographs = alexnet(*words).stdout
    assert "Takes     uint8 RGB photographs (N, 256, 256, 3)" in photographs
    assert "Scale" not in photographs
    views = alexnet(*words, "--input", "views", "--decompose-lrn").stdout
    assert "Takes     float32 (N, 3, 32, 32)" in views
    assert "Scale     0-255" in views
    assert "Gives     fc3 (logits), probabilities" in views
    assert "LRN" not in {node.op_type for node in onnx.load(file).graph.node}


def test_predict_runs_the_file_and_answers_as_the_model(model: Path, picture: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    assert alexnet("export", model, "--format", "onnx", "--out", file).exit_code == 0
    (expected,) = json.loads(alexnet("predict", model, picture, "--json", "--dtype", "fp32").stdout)
    (found,) = json.loads(alexnet("predict", file, picture, "--json").stdout)
    assert found["image"] == expected["image"]
    for mine, theirs in zip(found["predictions"], expected["predictions"], strict=True):
        assert (mine["class"], mine["index"]) == (theirs["class"], theirs["index"])
        assert mine["probability"] == pytest.approx(theirs["probability"], abs=1e-5)
    code, sentence = refusal("predict", file, picture, "--device", "cuda")
    assert "ONNX files run on the CPU in fp32" in sentence or "'cuda' is not here" in sentence
    assert code == 2
    assert "export the model with --input views" in refusal("predict", file, picture, "--crops", "10")[1]


def test_import_gives_the_model_back(model: Path, tmp_path: Path) -> None:
    file, place = tmp_path / "net.onnx", tmp_path / "again"
    assert alexnet("export", model, "--format", "onnx", "--out", file).exit_code == 0
    result = alexnet("import", "onnx", file, "--out", place)
    assert result.exit_code == 0, result.stderr
    found, expected = load_model(place), load_model(model)
    assert found.categories == expected.categories
    assert found.net.spec == expected.net.spec


def test_import_of_the_zoos_file_says_what_was_done(tmp_path: Path) -> None:
    onnx.save(zoo_model(), tmp_path / "bvlcalexnet.onnx")
    result = alexnet("import", "onnx", tmp_path / "bvlcalexnet.onnx", "--unnamed-classes", "--out", tmp_path / "made")
    assert result.exit_code == 0, result.stderr
    assert "Network  bvlc_alexnet, 224 pixels" in result.stdout
    assert "Done     padding of pool1, pool2 as in the file" in result.stdout
    assert "Done     conv1 turned from BGR to RGB" in result.stdout


def test_what_has_no_meaning_is_told(model: Path, tmp_path: Path) -> None:
    words = ("export", model, "--format")
    assert "Unknown format 'onxx'; did you mean 'onnx'" in refusal(*words, "onxx")[1]
    assert refusal(*words, "safetensors", "--input", "views")[1].endswith(
        "--input has no meaning for safetensors; leave it out."
    )
    assert "Unknown input of an ONNX file 'view'; did you mean 'views'" in refusal(*words, "onnx", "--input", "view")[1]
    assert "give a file, in a folder that is there" in refusal(*words, "onnx", "--out", tmp_path / "no" / "x")[1]
    assert "give a file, in a folder that is there" in refusal(*words, "onnx", "--out", tmp_path)[1]
    assert "'owt' and no other: 'tiny' has other layers" in refusal(*words, "torchvision")[1]
