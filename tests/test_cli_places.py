"""What the words of a command stand for, where it is about weights."""

from pathlib import Path

import pytest
import torch
from caffe_files import caffemodel, random_weights, small
from commanding import alexnet, photographs, refusal
from making import tiny_model, tiny_recipe, tiny_spec
from PIL import Image

from alexnet.data.store import Store
from alexnet.training.recipes import RECIPES
from alexnet.training.train import Runtime, train
from alexnet.weights.model_dir import load_model, save_model

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setitem(RECIPES, "tiny", (tiny_recipe(), "for tests"))
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def caffe(tmp_path: Path) -> Path:
    spec = small("caffenet")
    path = tmp_path / "net.caffemodel"
    path.write_bytes(caffemodel(spec, random_weights(spec)))
    return path


def started(colours: Store, word: object) -> tuple[str, torch.Tensor]:
    """What `train` says of its start, and conv1, frozen, of the model that it makes."""
    command = ("train", colours.path, "--init-from", word, "--recipe", "tiny", "--epochs", "1", "--freeze", "conv1")
    result = alexnet(*command, "--dtype", "fp32", "--out", "run")
    assert result.exit_code == 0, result.stderr
    weight: torch.Tensor = load_model(Path("run/model")).net.conv1.weight
    return result.stderr, weight


def test_training_starts_from_another_programs_file(colours: Store, caffe: Path) -> None:
    told, weight = started(colours, caffe)
    assert f"Start    {caffe} (Caffe, V2 layers): caffenet" in told
    expected = torch.from_numpy(random_weights(small("caffenet"))["conv1"][0]).flip(1)
    assert torch.equal(weight, expected)


def test_training_starts_from_a_kept_file_by_its_name(colours: Store, caffe: Path, home: Path) -> None:
    assert alexnet("weights", "add", caffe).exit_code == 0
    caffe.unlink()
    told, _ = started(colours, "net.caffemodel")
    assert f"Taking the kept file {home / 'weights' / 'net.caffemodel'}." in told


def test_training_starts_from_an_imported_model_by_its_name(colours: Store, caffe: Path, home: Path) -> None:
    words = ("import", "caffe", caffe, "--unnamed-classes", "--out", home / "models" / "toy", "--keep-bgr")
    assert alexnet(*words).exit_code == 0
    told, weight = started(colours, "toy")
    assert f"Taking the imported model {home / 'models' / 'toy'}." in told
    expected = torch.from_numpy(random_weights(small("caffenet"))["conv1"][0]).flip(1)
    assert torch.equal(weight, expected), "kept in BGR, folded into RGB"


def test_what_is_no_start_is_a_sentence(colours: Store, tmp_path: Path) -> None:
    words = ("train", colours.path, "--init-from")
    assert refusal(*words, "nowhere")[1].endswith(
        "There is no model at nowhere; give the directory that `alexnet train` wrote (RUN/model)."
    )
    (tmp_path / "net.h5").write_bytes(b"x")
    assert "net.h5 ends in none of .pth, .pt, .safetensors, .caffemodel, .onnx, .npy" in refusal(*words, "net.h5")[1]
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "run" / "checkpoints" / "last.pt").write_bytes(b"x")
    sentence = refusal(*words, "run/checkpoints/last.pt")[1]
    assert sentence.endswith("is a checkpoint of the run run; start from the run's model: --init-from run.")


def test_a_directory_of_another_kind_is_called_what_it_is(colours: Store, tmp_path: Path, home: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    run, features, set_ = tmp_path / "run", tmp_path / "features", photographs(tmp_path / "set")
    train(colours, tiny_spec(), tiny_recipe(), run, runtime=Runtime(dtype="fp32"))
    assert alexnet("features", tmp_path / "model", colours.path, "-o", features, "--stages", "relu2").exit_code == 0
    (set_ / "manifest.json").write_text("{}")  # of somebody else's
    for words, said in (
        (("train", tmp_path / "model"), "model is not a folder of photographs, but a model directory."),
        (("prepare", colours.path, tmp_path / "s"), "store is not a folder of photographs, but a store."),
        (("train", run), "run is not a folder of photographs, but a run directory."),
        (("predict", colours.path, "a.png"), "store is not a model directory, but a store."),
        (("train", "--resume", tmp_path / "model"), "model is not a run directory, but a model directory; give the"),
        (("train", "--resume", set_), "set is not a run directory: it has no run.json; give the"),
        (("data", "info", features), "features is not a store, but a directory of features; `alexnet prepare` makes"),
        (("search", run, "a.png"), "run is not a directory of features, but a run directory."),
        (("show", "curves", colours.path), "store is not a run directory, but a store; give the"),
    ):
        assert said in refusal(*words)[1], words
    assert alexnet("prepare", set_, tmp_path / "s", "-j", "1").exit_code == 0


def test_every_verb_that_reads_a_photograph_takes_the_limit_of_pixels(colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    assert alexnet("features", tmp_path / "model", colours.path, "-o", "f", "--stages", "relu2").exit_code == 0
    Image.fromarray(colours.read(0)).save(tmp_path / "a.png")
    pixels = colours.read(0)[..., 0].size
    for words in (
        ("predict", "model", "a.png"),
        ("search", "f", "a.png"),
        ("show", "maps", "model", "a.png", "--stage", "conv1"),
        ("show", "neighbours", "f", "a.png"),
        ("show", "saliency", "model", "a.png", "--method", "gradient"),
        ("show", "predictions", "model", "a.png"),
    ):
        refused = alexnet(*words, "--max-pixels", pixels - 1)
        assert f"more than {pixels - 1:,}; --max-pixels raises the limit" in refused.stdout + refused.stderr, words
        assert alexnet(*words, "--max-pixels", pixels).exit_code == 0, words
    for words in (("predictions",), ("errors",), ("confusion",), ("units", "--stage", "conv1")):
        told = refusal("show", words[0], "model", colours.path, *words[1:], "--max-pixels", pixels)[1]
        assert "--max-pixels is for photographs, not for the store" in told, words


def test_a_cache_that_cannot_be_used_is_named_with_its_variable(caffe: Path, home: Path, tmp_path: Path) -> None:
    home.write_text("")
    said = (
        f"alexnet: error: Cannot make the folder {home}/FOLDER: Not a directory; set ALEXNET_HOME to a folder of yours."
    )
    assert refusal("train", "shapes", "--recipe", "tiny") == (1, said.replace("FOLDER", "stores"))
    assert refusal("weights", "add", caffe) == (1, said.replace("FOLDER", "weights"))
    assert refusal("data", "download", "flowers17") == (1, said.replace("FOLDER", "downloads"))
    words = ("import", "caffe", caffe, "--unnamed-classes", "--out", home / "models" / "net")
    assert refusal(*words) == (1, said.replace("FOLDER", "models"))
