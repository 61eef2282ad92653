import json
from pathlib import Path

import numpy as np
import pytest
import torch
from commanding import alexnet
from layouts import check_layout, texts
from making import tiny_model
from naming import names

from alexnet.data.store import Store
from alexnet.evaluation.metrics import Tally
from alexnet.show.confusion import Confusion, confusion
from alexnet.show.figures.confusion import figure
from alexnet.weights.model_dir import save_model


def made(classes: int, most: int = 60) -> Confusion:
    counts = np.random.default_rng(0).integers(0, most, (classes, classes))
    counts[0] = 0
    return Confusion("paper", "some.store (test)", names(classes), counts)


@pytest.mark.parametrize("classes", [2, 10, 17, 40, 41, 101, 1000])
def test_nothing_overlaps_for_any_number_of_classes(classes: int) -> None:
    check_layout(figure(made(classes)))


def test_large_counts_get_large_squares() -> None:
    check_layout(figure(made(3, most=1_300_000)))


def test_what_is_shown_of_many_classes_is_said() -> None:
    said = " ".join(texts(figure(made(41))))
    assert "The 30 most frequent mistakes among 41 classes" in said
    assert "most frequent" not in " ".join(texts(figure(made(40))))


def test_pairs_are_the_most_frequent_mistakes() -> None:
    counts = np.array([[9, 3, 0], [5, 9, 0], [0, 3, 0]])
    assert Confusion("", "", ("a", "b", "c"), counts).pairs(2) == [(5, 1, 0), (3, 0, 1)]
    assert Confusion("", "", ("a", "b", "c"), counts).pairs(9) == [(5, 1, 0), (3, 0, 1), (3, 2, 1)]


def test_shares_are_of_rows_and_a_row_without_photographs_is_0() -> None:
    tally = Tally(2)
    tally.add(torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]), torch.tensor([0, 0, 0]))
    found = confusion("paper", "", ("a", "b"), tally)
    assert np.allclose(found.shares(), [[1 / 3, 2 / 3], [0, 0]])


def test_the_command_counts_as_evaluate_does(colours: Store, tmp_path: Path, one_thread: None) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    words = (tmp_path / "model", colours.path, "--split", "test", "--dtype", "fp32")
    told = json.loads(alexnet("show", "confusion", *words, "--json").stdout)
    assert told["counts"] == json.loads(alexnet("evaluate", *words, "--json").stdout)["confusion"]
    out = tmp_path / "c.svg"
    assert alexnet("show", "confusion", *words, "-o", out).stdout == f"Picture  {out}\n"
    assert "Amber" in out.read_text()
