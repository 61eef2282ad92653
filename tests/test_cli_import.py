"""`alexnet import` as a user calls it, to the answers of `alexnet predict`."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from caffe_files import blob, caffemodel, prototxt, random_weights, small
from commanding import alexnet, refusal
from numpy.typing import NDArray
from pictures import picture
from PIL import Image

from alexnet.data.imagenet_classes import imagenet_classes
from alexnet.weights.formats import FORMATS
from alexnet.weights.model_dir import load_model, read_description

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = [f"thing {number}" for number in range(10)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Caffe's files of both networks, a mean image, names, and photographs."""
    folder = tmp_path_factory.mktemp("files")
    for name in ("bvlc_alexnet", "caffenet"):
        spec = small(name)
        weights = random_weights(spec)
        # so small that the classes' probabilities differ, but none is 1
        weights["fc8"] = (weights["fc8"][0] / 100, weights["fc8"][1] / 100)
        (folder / f"{name}.caffemodel").write_bytes(caffemodel(spec, weights, "V1", legacy=True))
        (folder / f"{name}.prototxt").write_text(prototxt(spec))
    mean = np.random.default_rng(0).uniform(90, 140, (3, 16, 16)).repeat(16, axis=1).repeat(16, axis=2)
    np.save(folder / "mean.npy", mean)
    (folder / "mean.binaryproto").write_bytes(blob(mean, legacy=True))
    (folder / "names.txt").write_text("\n".join(NAMES))
    Image.fromarray(picture(256, 256)).save(folder / "square.png")
    Image.fromarray(picture(300, 420, seed=1)).save(folder / "wide.png")
    return folder


def opencv(files: Path, name: str, photograph: NDArray[np.uint8], mean: NDArray[np.float64]) -> NDArray[np.float32]:
    """Probabilities as Caffe's users get them: 256 × 256 BGR pixels less the mean image, the centre 227."""
    net = cv2.dnn.readNetFromCaffe(str(files / f"{name}.prototxt"), str(files / f"{name}.caffemodel"))
    centred = photograph[..., ::-1].astype(np.float32) - mean.transpose(1, 2, 0)
    net.setInput(cv2.dnn.blobFromImage(centred[14:241, 14:241].astype(np.float32)))
    found: NDArray[np.float32] = net.forward("prob")[0]
    return found


@pytest.mark.parametrize("name", ["bvlc_alexnet", "caffenet"])
@pytest.mark.parametrize("more", [(), ("--keep-bgr",)])
@pytest.mark.parametrize("suffix", ["binaryproto", "npy", None])
def test_an_imported_model_predicts_what_opencv_predicts(
    files: Path, tmp_path: Path, name: str, more: tuple[str, ...], suffix: str | None
) -> None:
    words = ["--mean", files / f"mean.{suffix}"] if suffix else []
    place = tmp_path / "model"
    result = alexnet(
        "import", "caffe", files / f"{name}.caffemodel", "--out", place, "--classes", files / "names.txt", *words, *more
    )
    assert result.exit_code == 0, result.stderr
    mean = np.load(files / "mean.npy") if suffix else np.full((3, 256, 256), [[[104]], [[117]], [[123]]])
    photographs = [files / "square.png", files / "wide.png"]
    answers = alexnet("predict", place, *photographs, "--json", "-k", "10", "--dtype", "fp32")
    for path, entry in zip(photographs, json.loads(answers.stdout), strict=True):
        # Caffe leaves it open how photographs get their 256 × 256 pixels; this is Pillow's antialiased bilinear
        pixels = np.array(Image.open(path).resize((256, 256), Image.Resampling.BILINEAR))
        expected = opencv(files, name, pixels, mean)
        found = {answer["index"]: answer["probability"] for answer in entry["predictions"]}
        assert [answer["class"] for answer in entry["predictions"]] == [NAMES[i] for i in np.argsort(-expected)]
        assert np.ptp(expected) > 0.05
        # logits of around 1 differ by 1e-5 of the largest activation, some hundreds, through fc8's hundredth
        assert np.allclose([found[index] for index in range(10)], expected, atol=1e-5, rtol=0)


def test_ten_crops_are_caffes_oversampling(files: Path, tmp_path: Path) -> None:
    """Corners, centre and their mirror images, all cut from what is left when the mean image is subtracted."""
    words = ("--out", tmp_path / "m", "--unnamed-classes", "--mean", files / "mean.npy")
    assert alexnet("import", "caffe", files / "caffenet.caffemodel", *words).exit_code == 0
    answers = alexnet(
        "predict", tmp_path / "m", files / "square.png", "--json", "-k", "10", "--crops", "10", "--dtype", "fp32"
    )
    found = {answer["index"]: answer["probability"] for answer in json.loads(answers.stdout)[0]["predictions"]}
    pixels = np.array(Image.open(files / "square.png"))[..., ::-1]
    centred = (pixels - np.load(files / "mean.npy").transpose(1, 2, 0)).astype(np.float32)
    crops = [centred[y : y + 227, x : x + 227] for y, x in ((0, 0), (0, 29), (29, 0), (29, 29), (14, 14))]
    net = cv2.dnn.readNetFromCaffe(str(files / "caffenet.prototxt"), str(files / "caffenet.caffemodel"))
    net.setInput(cv2.dnn.blobFromImages([*crops, *(crop[:, ::-1] for crop in crops)]))
    assert np.allclose([found[index] for index in range(10)], net.forward("prob").mean(0), atol=1e-5, rtol=0)


def test_what_was_recognised_is_said_and_how_to_go_on(files: Path, tmp_path: Path) -> None:
    place = tmp_path / "a model"
    result = alexnet("import", "caffe", files / "caffenet.caffemodel", "--out", place, "--classes", files / "names.txt")
    assert result.stdout.splitlines() == [
        f"Source   {files}/caffenet.caffemodel (Caffe, V1 layers)",
        "Network  caffenet, 227 pixels, 17,668 parameters",
        "Classes  10: thing 0; thing 1; thing 2; …",
        *(f"{name.capitalize():8} {text}" for name, text in load_model(place).preparation.in_words.items()),
        "Done     conv1 turned from BGR to RGB",
        "Done     mean pixel 123, 117, 104 (RGB) for want of a mean image",
        f"Model    {place}",
    ]
    assert result.stderr == f"Next     alexnet predict '{place}' PHOTOGRAPH\n"
    assert read_description(place)["provenance"]["imported_from"] == "caffenet.caffemodel"
    assert "caffenet.caffemodel" in (place / "README.md").read_text(encoding="utf-8")


def test_the_model_goes_where_the_file_is_called_unless_something_is_there(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("import", "caffe", files / "caffenet.caffemodel", "--unnamed-classes")
    assert alexnet(*words).exit_code == 0
    assert [category.name for category in load_model(tmp_path / "caffenet").categories][:2] == ["class 0", "class 1"]
    code, sentence = refusal(*words)
    assert code == 2
    assert sentence.endswith("caffenet exists already; say with --out where the model is to go.")


def test_classes_without_names_are_not_made_up(files: Path, tmp_path: Path) -> None:
    code, sentence = refusal("import", "caffe", files / "caffenet.caffemodel", "--out", tmp_path / "m")
    assert code == 2
    assert "has 10 outputs without names: give the file of their names with --classes, or --unnamed-classes" in sentence
    assert not (tmp_path / "m").exists()
    words = ("--classes", files / "names.txt", "--unnamed-classes")
    assert "exclude each other" in refusal("import", "caffe", files / "caffenet.caffemodel", *words)[1]


def test_a_thousand_outputs_are_imagenets_classes_unless_it_is_said_otherwise(tmp_path: Path) -> None:
    spec = small("caffenet", classes=1000)
    file = tmp_path / "net.caffemodel"
    file.write_bytes(caffemodel(spec, random_weights(spec)))
    result = alexnet("import", "caffe", file, "--out", tmp_path / "a")
    assert "Classes  1,000: tench; goldfish; great white shark; …" in result.stdout
    assert "1,000 outputs taken for the classes of ImageNet 2012, in the order of their wnids" in result.stdout
    assert load_model(tmp_path / "a").categories == imagenet_classes()
    others = [f"thing {number}" for number in range(1000)]
    (tmp_path / "names.txt").write_text("\n".join(others))
    result = alexnet("import", "caffe", file, "--out", tmp_path / "b", "--classes", tmp_path / "names.txt")
    assert "ImageNet" not in result.stdout
    assert [category.name for category in load_model(tmp_path / "b").categories] == others
    assert alexnet("import", "caffe", file, "--out", tmp_path / "c", "--unnamed-classes").exit_code == 0
    assert load_model(tmp_path / "c").categories[3].name == "class 3"


def test_a_kept_file_is_imported_by_its_name_and_found_by_it(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert alexnet("weights", "add", files / "caffenet.caffemodel").exit_code == 0
    result = alexnet("import", "caffe", "caffenet.caffemodel", "--unnamed-classes")
    kept = tmp_path / "home" / "weights" / "caffenet.caffemodel"
    assert result.exit_code == 0, result.stderr
    assert f"Taking the kept file {kept}." in result.stderr
    assert f"Model    {tmp_path / 'home' / 'models' / 'caffenet'}" in result.stdout
    assert result.stderr.endswith("Next     alexnet predict caffenet PHOTOGRAPH\n")
    assert alexnet("predict", "caffenet", files / "wide.png").exit_code == 0


def test_options_that_mean_nothing_for_a_format_are_refused(files: Path) -> None:
    path = files / "caffenet.caffemodel"
    assert refusal("import", "torchvision", path, "--mean", path)[1].endswith(
        "--mean has no meaning for torchvision; leave it out."
    )
    assert "--fc-rows has no meaning for caffe" in refusal("import", "caffe", path, "--fc-rows", "chw")[1]
    assert refusal("import", "cafe", path)[1].startswith("alexnet: error: Unknown format 'cafe'; did you mean 'caffe'?")
    code, sentence = refusal("import", "torchvision", path, "--unnamed-classes")
    assert code == 3
    assert "is damaged, or holds more than tensors and plain values" in sentence


def test_every_format_in_the_help_is_one(files: Path, tmp_path: Path) -> None:
    text = alexnet("import", "--help").stdout
    for name, row in FORMATS.items():
        assert f"{name:12} {row.text}" in text
        code, sentence = refusal("import", name, tmp_path / "nowhere", "--unnamed-classes")
        assert (code, sentence) == (
            3,
            f"alexnet: error: There is no file {tmp_path}/nowhere; give the file of weights.",
        )


def test_torchvision_and_npy_go_the_same_way(files: Path, tmp_path: Path) -> None:
    weights = random_weights(small("bvlc_alexnet"))
    layers = {
        name: [weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T, bias]
        for name, (weight, bias) in weights.items()
    }
    np.save(tmp_path / "net.npy", layers)  # type: ignore[arg-type]
    words = ("import", "npy", tmp_path / "net.npy", "--out", tmp_path / "a", "--unnamed-classes")
    result = alexnet(*words, "--fc-rows", "chw", "--keep-bgr", "--mean", files / "mean.npy")
    assert result.exit_code == 0, result.stderr
    assert "Done     fc6's rows taken in C, H, W order" in result.stdout
    spec = small("owt")
    state = {
        f"{'classifier' if name.startswith('fc') else 'features'}.{place}.{part}": torch.from_numpy(array)
        for (name, arrays), place in zip(random_weights(spec).items(), (0, 3, 6, 8, 10, 1, 4, 6), strict=True)
        for part, array in zip(("weight", "bias"), arrays, strict=True)
    }
    torch.save(state, tmp_path / "net.pth")
    words = ("import", "torchvision", tmp_path / "net.pth", "--out", tmp_path / "b", "--unnamed-classes")
    assert alexnet(*words).exit_code == 0
    assert load_model(tmp_path / "b").net.spec == spec
    assert alexnet("predict", tmp_path / "b", files / "wide.png").exit_code == 0
