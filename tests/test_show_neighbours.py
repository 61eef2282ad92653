import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from commanding import alexnet, refusal
from layouts import check_layout, texts
from making import tiny_model
from naming import ODD
from PIL import Image

from alexnet.data.store import Store
from alexnet.evaluation.extraction import Plan, write_features
from alexnet.evaluation.features import Features
from alexnet.evaluation.photographs import of_files, of_split
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import place
from alexnet.show.figures.neighbours import figure
from alexnet.show.neighbours import Neighbour, Neighbours, neighbours, photographs_of
from alexnet.weights.model_dir import save_model


@pytest.fixture
def predictor(colours: Store, tmp_path: Path, one_thread: None) -> Predictor:
    save_model(tiny_model(colours), tmp_path / "model")
    return Predictor(tmp_path / "model", placement=place("cpu", "fp32"))


def test_a_photograph_of_the_store_is_its_own_nearest(colours: Store, predictor: Predictor, tmp_path: Path) -> None:
    made = write_features(tmp_path / "model", predictor, of_split(colours, "all"), tmp_path / "f", Plan(("relu2",)))
    found = neighbours(
        predictor,
        made,
        [("seven", colours.read(7)), ("nine", colours.read(9))],
        k=3,
        pixels=photographs_of(made, predictor),
    )
    for (_, square, near), row in zip(found.queries, (7, 9), strict=True):
        assert near[0].row == row
        assert np.array_equal(near[0].pixels, square)
        assert [each.distance for each in near] == sorted(each.distance for each in near)
        assert near[1].label == colours.class_names[colours.labels[near[1].row]]
    check_layout(figure(found))


def made_of_files(predictor: Predictor, folder: Path, names: list[str], out: Path) -> Features:
    """Features of three files, written into the folder first."""
    for number, name in enumerate(names):
        Image.fromarray(np.full((40, 40, 3), 80 * number, np.uint8)).save(folder / Path(name).name)
    photographs = of_files(map(Path, names), predictor)
    return write_features(out.parent / "model", predictor, photographs, out, Plan(("relu2",)))


def test_a_file_that_has_gone_or_changed_is_said(predictor: Predictor, tmp_path: Path) -> None:
    names = [str(tmp_path / f"{number}.png") for number in range(3)]
    made = made_of_files(predictor, tmp_path, names, tmp_path / "f")
    (tmp_path / "1.png").unlink()
    Image.fromarray(np.full((40, 40, 3), 7, np.uint8)).save(tmp_path / "2.png")
    pixels = photographs_of(made, predictor)
    found = neighbours(predictor, made, [("0.png", tmp_path / "0.png")], pixels=pixels)
    assert {each.name: each.pixels is None for each in found.queries[0][2]} == dict(
        zip(names, (False, True, True), strict=True)
    )
    assert texts(figure(found)).count("gone or changed") == 2


def test_relative_names_are_found_from_elsewhere(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = made_of_files(predictor, tmp_path, ["0.png", "1.png", "2.png"], tmp_path / "f")
    assert made.images[0]["image"] == "0.png"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    Image.fromarray(np.full((40, 40, 3), 7, np.uint8)).save("0.png")
    pixels = photographs_of(Features.open(made.path), predictor)
    assert [int(pixels(row)[0, 0, 0]) for row in range(3)] == [0, 80, 160]
    before = dict(made.description, data={**made.description["data"]})
    del before["data"]["folder"]
    (made.path / "features.json").write_text(json.dumps(before))
    former = photographs_of(Features.open(made.path), predictor)
    assert [former(row) for row in range(3)] == [None] * 3  # the other 0.png is not shown


def test_numbers_need_no_photographs(colours: Store, predictor: Predictor, tmp_path: Path) -> None:
    shutil.copytree(colours.path, store := tmp_path / "store")
    split = of_split(Store.open(store), "val")
    write_features(tmp_path / "model", predictor, split, tmp_path / "f", Plan(("relu2",)))
    Image.fromarray(colours.read(5)).save(tmp_path / "a.png")
    words = ("show", "neighbours", tmp_path / "f", tmp_path / "a.png")
    before = alexnet(*words, "--json").stdout
    shutil.rmtree(store)
    assert alexnet(*words, "--json").stdout == before != ""
    assert f"There is no store at {store}" in refusal(*words)[1]


@pytest.mark.parametrize("count", [1, 6, 12])
def test_nothing_overlaps_whatever_the_names(count: int) -> None:
    square = np.zeros((8, 8, 3), np.uint8)
    near = tuple(Neighbour(row, ODD[row % 10] * 9, ODD[row % 10], 12345.678 * row, square) for row in range(count))
    queries = tuple((ODD[number] * 5, square, near) for number in range(4))
    check_layout(figure(Neighbours("relu7", "cosine", "水仙" * 40, 1_281_167, queries)))


def test_the_command_draws_and_prints(colours: Store, predictor: Predictor, tmp_path: Path) -> None:
    write_features(tmp_path / "model", predictor, of_split(colours, "all"), tmp_path / "f", Plan(("relu2",)))
    Image.fromarray(colours.read(5)).save(tmp_path / "a.png")
    words = ("show", "neighbours", tmp_path / "f", tmp_path / "a.png", "-k", 4)
    told = json.loads(alexnet(*words, "--json").stdout)
    assert told["queries"][0]["neighbours"][0]["row"] == 5
    assert len(told["queries"][0]["neighbours"]) == 4
    assert alexnet(*words, "-o", tmp_path / "n.png").stdout == f"Picture  {tmp_path / 'n.png'}\n"
