import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from commanding import alexnet, python, refusal
from making import tiny_model
from PIL import Image

from alexnet.data.source import Category
from alexnet.data.store import Store
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import place
from alexnet.weights.model_dir import load_model, save_model


@pytest.fixture(scope="module")
def model(colours: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "model"
    save_model(tiny_model(colours), path)
    return path


@pytest.fixture
def pictures(colours: Store, tmp_path: Path) -> Path:
    """A folder with three images, one of them deeper and one broken, and a file that is none."""
    folder = tmp_path / "pictures"
    (folder / "deeper").mkdir(parents=True)
    for position, name in enumerate(("b.png", "deeper/a.JPG")):
        Image.fromarray(colours.read(position)).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"no image")
    (folder / "notes.txt").write_text("not asked about")
    return folder


def test_json_is_a_list_in_input_order(model: Path, pictures: Path) -> None:
    files = [pictures / "deeper" / "a.JPG", pictures / "b.png"]
    result = alexnet("predict", model, *files, "--json", "-k", "2", "--dtype", "fp32")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    expected = Predictor(load_model(model), placement=place("auto", "fp32")).predict(files, top=2)
    assert found == [prediction.to_json() for prediction in expected]
    assert [list(entry) for entry in found] == [["image", "predictions"]] * 2
    assert {"class", "index", "probability"} <= set(found[0]["predictions"][0])


def test_a_folder_stands_for_its_images_sorted(model: Path, pictures: Path) -> None:
    result = alexnet("predict", model, pictures, "--json")
    assert [entry["image"] for entry in json.loads(result.stdout)] == [
        str(pictures / name) for name in ("b.png", "broken.jpg", "deeper/a.JPG")
    ]


def test_photographs_in_a_folder_are_those_that_prepare_takes(model: Path, colours: Store, tmp_path: Path) -> None:
    names = ("one.JPG", "three.jpe", "two.jfif", "without an ending")
    for name in (*names, "@eaDir/one.JPG/thumb.jpg", ".hidden.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(colours.read(0)).save(tmp_path / name, "JPEG")
    (tmp_path / "notes.txt").touch()
    result = alexnet("predict", model, tmp_path, "--json")
    assert [entry["image"] for entry in json.loads(result.stdout)] == [str(tmp_path / name) for name in names]
    said = "Passed over 3 things that are no photographs: 1 .txt, 1 @eaDir, 1 hidden."
    assert result.stderr.splitlines() == [f"{tmp_path}: {said}"]


def test_what_cannot_be_read_is_an_entry_and_exit_1(model: Path, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    words = [tmp_path / "nowhere.jpg", tmp_path / "empty", pictures]
    result = alexnet("predict", model, *words, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found[0] == {"image": str(tmp_path / "nowhere.jpg"), "error": "cannot be read: No such file or directory"}
    assert found[1] == {"image": str(tmp_path / "empty"), "error": "cannot be read: there is no image in this folder"}
    assert ["error" in entry for entry in found] == [True, True, False, True, False]


def test_standard_input_is_an_image(model: Path, pictures: Path) -> None:
    file = pictures / "b.png"
    words = ("predict", model, "--json", "-k", "3", "-", file)
    by_stream, by_name = json.loads(alexnet(*words, stdin=file.read_bytes()).stdout)
    assert by_stream["image"] == "-"
    assert by_stream["predictions"] == by_name["predictions"]
    assert refusal("predict", model, "-", "-")[1].endswith("'-' was given more than once.")


def test_csv_has_a_line_a_class(model: Path, pictures: Path) -> None:
    result = alexnet("predict", model.parent, pictures, "--csv", "-k", "2")
    assert result.exit_code == 1
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["rank"] for row in rows] == ["1", "2", "", "1", "2"]
    plain = json.loads(alexnet("predict", model, pictures, "--json", "-k", "2").stdout)
    assert float(rows[1]["probability"]) == plain[0]["predictions"][1]["probability"]
    assert rows[2]["error"] == plain[1]["error"]
    assert refusal("predict", model, pictures, "--csv", "--json")[0] == 2


def test_the_text_ranks_with_percentages_and_bars(model: Path, pictures: Path) -> None:
    (entry,) = json.loads(alexnet("predict", model, pictures / "b.png", "--json", "--crops", "10").stdout)
    lines = alexnet("predict", model, pictures / "b.png", "--crops", "10").stdout.splitlines()
    assert lines[0] == str(pictures / "b.png")
    assert len(lines) == 7  # the name, five classes, a blank line
    for line, answer in zip(lines[1:], entry["predictions"], strict=False):
        name, number, sign, *_ = line.split()
        assert name == answer["class"]
        assert (number, sign) == (f"{answer['probability']:.1%}"[:-1], "%")


def test_crops_differ(model: Path, pictures: Path) -> None:
    one, ten = (alexnet("predict", model, pictures / "b.png", "--json", "--crops", n).stdout for n in (1, 10))
    assert one != ten


def test_a_model_that_is_none_is_an_error(pictures: Path, tmp_path: Path) -> None:
    assert refusal("predict", tmp_path / "none", pictures)[0] == 3
    code, sentence = refusal("predict", pictures, pictures)
    assert code == 3
    assert f"{pictures} is not a model directory: it has no model.json" in sentence


def test_classes_that_share_a_name_are_told_apart(model: Path, pictures: Path, tmp_path: Path) -> None:
    loaded = load_model(model)
    cranes = tuple(Category(each.key, "crane") for each in loaded.categories)
    save_model(replace(loaded, categories=cranes), tmp_path / "m")
    lines = alexnet("predict", tmp_path / "m", pictures / "b.png", "-k", 2).stdout.splitlines()
    keys = {each.key for each in loaded.categories}
    assert all(line.split()[0] == "crane" and line.split()[1].strip("()") in keys for line in lines[1:3])


def test_a_name_that_is_not_unicode_is_printed(model: Path, pictures: Path) -> None:
    strange = pictures / "caf\udce9.png"
    (pictures / "b.png").rename(strange)
    images = [entry["image"] for entry in json.loads(alexnet("predict", model, pictures, "--json").stdout)]
    assert str(strange) in images


START = """
import sys
from alexnet.cli.main import cli
try:
    cli(["predict", *sys.argv[1:], "-q", "--csv"])
finally:
    print(sorted({"torch._dynamo", "sympy", "rich.console", "torchvision", "onnx"} & set(sys.modules)))
"""


def test_a_start_imports_nothing_that_a_prediction_does_without(model: Path, pictures: Path) -> None:
    out, error = python(START, model, pictures / "b.png", "--dtype", "bf16").communicate()
    assert out.splitlines()[0].startswith("image,rank,class"), error
    assert out.splitlines()[-1] == "[]"


def test_a_limit_of_pixels_can_be_lowered_and_raised(model: Path, pictures: Path) -> None:
    words = ("predict", model, pictures / "b.png", "--json", "--max-pixels")
    (entry,) = json.loads(alexnet(*words, "65535").stdout)
    assert entry["error"] == "it claims 256×256 pixels, more than 65,535; --max-pixels raises the limit"
    assert "predictions" in json.loads(alexnet(*words, "65536").stdout)[0]


def test_the_size_of_a_batch_is_asked_for_and_changes_no_answer(
    model: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    answer = Predictor.answer

    def watched(self: Predictor, squares: list[object], crops: int = 1) -> object:
        sizes.append(len(squares))
        return answer(self, squares, crops)  # type: ignore[arg-type]

    monkeypatch.setattr(Predictor, "answer", watched)
    files = [pictures / "b.png", pictures / "deeper" / "a.JPG", pictures / "b.png"]
    whole = alexnet("predict", model, *files, "--csv", "--dtype", "fp32")
    assert sizes == [3]
    parts = alexnet("predict", model, *files, "--csv", "--dtype", "fp32", "--batch-size", "2")
    assert sizes == [3, 2, 1]
    rows = [list(csv.DictReader(io.StringIO(result.stdout))) for result in (whole, parts)]
    assert [(row["image"], row["class"]) for row in rows[0]] == [(row["image"], row["class"]) for row in rows[1]]


def test_progress_is_told_where_answers_do_not_show_it(
    model: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alexnet.cli.predict.SECONDS_BETWEEN_LINES", 0.0)
    result = alexnet("predict", model, pictures, "--json")
    assert len(json.loads(result.stdout)) == 3
    assert result.stderr.splitlines()[1:] == [f"predicting: {text}" for text in ("1 image", "2 images", "3 images")]
    assert alexnet("predict", model, pictures, "--json", "-q").stderr == ""
