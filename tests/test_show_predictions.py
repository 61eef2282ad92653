import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commanding import alexnet, refusal
from making import CLASSES, tiny_model

from alexnet.data.source import Category
from alexnet.data.store import Store
from alexnet.errors import DataError
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import place
from alexnet.show.photographs import of_store
from alexnet.show.predictions import errors, predictions
from alexnet.weights.model_dir import save_model


@pytest.fixture
def predictor(colours: Store, one_thread: None) -> Predictor:
    return Predictor(tiny_model(colours), placement=place("cpu", "fp32"))


def test_answers_are_the_predictors_and_classes_the_stores(colours: Store, predictor: Predictor) -> None:
    positions = colours.split("test").tolist()
    found = predictions(predictor, of_store(predictor, colours, positions), "test", n=4)
    assert len(found.entries) == 4
    for position, entry in zip(positions, found.entries, strict=False):
        shares = predictor.probabilities(colours.read(position))[0]
        told = [answer.probability for answer in entry.answers]
        assert told == pytest.approx(sorted(shares, reverse=True)[:5], abs=1e-6)
        assert entry.true is not None
        assert entry.true.name == colours.class_names[colours.labels[position]]
        assert entry.true.probability == pytest.approx(shares[entry.true.index], abs=1e-6)


def test_the_worst_mistakes_come_first_and_all_are_counted(colours: Store, predictor: Predictor) -> None:
    positions = colours.split("train").tolist()
    found = errors(predictor, of_store(predictor, colours, positions), "train", n=5)
    shares = predictor.probabilities([colours.read(position) for position in positions])
    true = shares[np.arange(len(positions)), colours.labels[positions]]
    excess = np.sort(shares.max(1) - true)[::-1]
    assert [entry.excess for entry in found.entries] == pytest.approx(excess[:5].tolist(), abs=1e-6)
    assert (found.images, found.wrong) == (42, int((shares.argmax(1) != colours.labels[positions]).sum()))


def test_only_errors_are_the_first_wrong_ones(colours: Store, predictor: Predictor) -> None:
    photographs = of_store(predictor, colours, colours.split("train").tolist())
    found = predictions(predictor, photographs, "train", n=6, only_errors=True)
    assert [entry.right for entry in found.entries] == [False] * 6


def test_nothing_to_show_is_said(predictor: Predictor) -> None:
    with pytest.raises(DataError, match="There is no photograph to show"):
        predictions(predictor, [], "none")


def test_a_store_of_classes_that_the_model_lacks_is_refused(colours: Store, three_colours: Store) -> None:
    with pytest.raises(DataError, match="The model does not know Drab, Emerald, Fuchsia"):
        list(of_store(Predictor(tiny_model(three_colours)), colours, [0]))


def test_the_commands_draw_and_print_and_list(colours: Store, tmp_path: Path, one_thread: None) -> None:
    model = tmp_path / "model"
    save_model(tiny_model(colours), model)
    words = (model, colours.path, "--split", "test", "--dtype", "fp32")
    told = json.loads(alexnet("show", "predictions", *words, "-n", 3, "--json").stdout)
    assert [len(image["predictions"]) for image in told["images"]] == [5, 5, 5]
    out = tmp_path / "p.png"
    assert alexnet("show", "predictions", *words, "-n", 3, "-o", out).stdout == f"Picture  {out}\n"
    out = tmp_path / "e.png"
    assert alexnet("show", "errors", *words, "-o", out).exit_code == 0
    listed = out.with_suffix(".csv").read_text().splitlines()
    told = json.loads(alexnet("show", "errors", *words, "--json").stdout)
    assert [line.split(",")[0] for line in listed[1:]] == [entry["image"] for entry in told["entries"]]
    assert (
        "--only-errors needs photographs whose classes are known"
        in refusal("show", "predictions", model, "a.jpg", "--only-errors")[1]
    )


def test_classes_that_share_a_name_are_told_apart(colours: Store, one_thread: None) -> None:
    model = replace(tiny_model(colours), categories=tuple(Category(key, "crane") for key in CLASSES))
    predictor = Predictor(model, placement=place("cpu", "fp32"))
    (entry,) = predictions(predictor, of_store(predictor, colours, [0]), "one").entries
    assert {each.name for each in (*entry.answers, entry.true)} <= {f"crane ({key})" for key in CLASSES}


def test_names_that_are_no_unicode_are_listed_as_the_disk_has_them(
    in_bytes: Store, tmp_path: Path, one_thread: None
) -> None:
    save_model(tiny_model(in_bytes), tmp_path / "model")
    out = tmp_path / "e.png"
    assert alexnet("show", "errors", tmp_path / "model", in_bytes.path, "-o", out).exit_code == 0
    rows = out.with_suffix(".csv").read_bytes().splitlines()[1:]
    assert rows and all(b"\xe9.jpg," in row and row.count(b"\xe9") == 3 for row in rows)
