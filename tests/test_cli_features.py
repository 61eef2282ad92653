import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from commanding import alexnet, refusal
from making import damaged, tiny_model
from PIL import Image

from alexnet import locking
from alexnet.data.store import Store
from alexnet.evaluation.features import Features
from alexnet.evaluation.search import distances
from alexnet.weights.model_dir import save_model


@pytest.fixture
def folder(colours: Store, tmp_path: Path, one_thread: None) -> Path:
    save_model(tiny_model(colours), tmp_path / "model")
    for position in range(4):
        Image.fromarray(colours.read(position)).save(tmp_path / f"{position}.png")
    return tmp_path


def extracted(folder: Path, colours: Store, *words: object) -> Features:
    called = alexnet("features", folder / "model", colours.path, "-o", folder / "f", "--stages", "relu2", *words)
    assert called.exit_code == 0, called.stderr
    return Features.open(folder / "f")


def test_size_and_duration_are_said_before_it_starts(folder: Path, colours: Store) -> None:
    words = ("features", folder / "model", colours.path, "-o", folder / "f", "--stages", "conv1,fc2", "--dry-run")
    said = alexnet(*words).stderr
    assert "65 photographs × conv1 8 × 14 × 14 × fp32 = 407.7 kB" in said
    assert "fc2 is before its ReLU here" in said
    assert "for the network." in said
    assert not (folder / "f").exists()


def test_a_damaged_network_is_told_before_anything_is_written(folder: Path, colours: Store) -> None:
    save_model(damaged(tiny_model(colours)), folder / "model")
    code, sentence = refusal("features", folder / "model", colours.path, "-o", folder / "f", "--stages", "conv1", "-q")
    assert code == 3 and "has NaN or infinity in conv1: its weights are damaged" in sentence
    assert not [path for path in folder.iterdir() if path.name.startswith("f")]


def test_numbers_are_fp32_unless_asked_otherwise(folder: Path, colours: Store) -> None:
    assert extracted(folder, colours).description["dtype"] == "fp32"


def test_a_list_of_paths_keeps_its_order(folder: Path) -> None:
    (folder / "list.txt").write_text("3.png\n1.png\n\n2.png\n")
    alexnet("features", folder / "model", folder / "list.txt", "-o", folder / "f", "--stages", "relu2")
    assert [Path(row["image"]).name for row in Features.open(folder / "f").images] == ["3.png", "1.png", "2.png"]


def test_larger_photographs_are_refused_and_the_limit_can_be_raised(folder: Path, colours: Store) -> None:
    (folder / "list.txt").write_text("0.png\n1.png\n")
    words = ("features", folder / "model", folder / "list.txt", "--stages", "relu2", "-o")
    assert "refused: 2 photographs" in alexnet(*words, folder / "none", "--max-pixels", "65535").stderr
    rows = map(json.loads, (folder / "none" / "refused.jsonl").read_text().splitlines())
    assert {row["reason"] for row in rows} == {
        "it claims 256×256 pixels, more than 65,535; --max-pixels raises the limit"
    }
    alexnet(*words, folder / "all", "--max-pixels", "65536")
    assert len(Features.open(folder / "all").images) == 2
    said = refusal("features", folder / "model", colours.path, "-o", folder / "s", "--max-pixels", "9")[1]
    assert "--max-pixels is for photographs, not for the store" in said


def test_a_folder_comes_in_the_order_of_its_names(folder: Path) -> None:
    alexnet("features", folder / "model", folder, "-o", folder / "f", "--stages", "relu2")
    assert [Path(row["image"]).name for row in Features.open(folder / "f").images] == [
        "0.png",
        "1.png",
        "2.png",
        "3.png",
    ]


def test_search_finds_the_photograph_itself_first(folder: Path, colours: Store) -> None:
    features = extracted(folder, colours)
    words = ("search", folder / "f", folder / "2.png", "-k", 3)
    (told,) = json.loads(alexnet(*words, "--json").stdout)
    assert told["neighbours"][0]["row"] == 2
    assert told["neighbours"][0]["distance"] < 1e-3  # a batch of one rounds otherwise than one of 32
    rows = features.array("relu2")
    true = np.sort(distances(rows, rows[2]))
    assert [each["distance"] for each in told["neighbours"]] == pytest.approx(true[:3], abs=1e-3)
    rows_told = list(csv.DictReader(io.StringIO(alexnet(*words, "--csv").stdout)))
    assert [row["row"] for row in rows_told] == [str(each["row"]) for each in told["neighbours"]]
    assert len(alexnet(*words).stdout.splitlines()) == 4


def test_near_copies_inside_a_set_are_pairs(folder: Path, colours: Store) -> None:
    Image.fromarray(colours.read(1)).save(folder / "same as 1.png")
    alexnet("features", folder / "model", folder, "-o", folder / "f", "--stages", "relu2")
    told = json.loads(alexnet("search", folder / "f", "--near-copies", "--below", "1e-9", "--json").stdout)
    assert [(Path(pair["image"]).name, Path(pair["other"]).name) for pair in told] == [("1.png", "same as 1.png")]


def test_of_many_photographs_the_time_of_all_pairs_is_said_first(
    folder: Path, colours: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    extracted(folder, colours)
    words = ("search", folder / "f", "--near-copies")
    assert "to compare all pairs" not in alexnet(*words).stderr
    monkeypatch.setattr("alexnet.cli.search.MANY", 3)
    assert "to compare all pairs of 65 photographs." in alexnet(*words).stderr


def test_features_of_another_model_are_not_searched(folder: Path, colours: Store) -> None:
    extracted(folder, colours)
    save_model(tiny_model(colours, seed=1), folder / "other")
    words = ("search", folder / "f", folder / "0.png")
    assert "holds features of another model" in refusal(*words, "--model", folder / "other")[1]
    (folder / "model").rename(folder / "moved")
    assert "where there is nothing now; say --model MODEL" in refusal(*words)[1]
    assert alexnet(*words, "--model", folder / "moved").exit_code == 0


def test_a_list_that_is_too_long_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "list.txt").write_text("0.png\n1.png\n")
    monkeypatch.setattr("alexnet.cli.features.MAX_LIST", 11)
    words = ("features", folder / "model", folder / "list.txt", "-o", folder / "f", "--stages", "relu2")
    assert "list.txt cannot be read (it has 12 bytes, more than the 11 that are read)" in refusal(*words)[1]


def test_what_does_not_go_together_is_refused(folder: Path, colours: Store) -> None:
    extracted(folder, colours)
    assert "Give photographs to look for, or --near-copies" in refusal("search", folder / "f")[1]
    assert "Unknown stage of the features" in refusal("search", folder / "f", folder / "0.png", "--stage", "fc2")[1]
    assert "Unknown metric 'l2'" in refusal("search", folder / "f", folder / "0.png", "--metric", "l2")[1]
    words = ("features", folder / "model", folder, "-o", folder / "g", "--stages", "relu2")
    assert "--split goes with a store" in refusal(*words, "--split", "val")[1]
    assert "--crops takes 1 or 10-mean" in refusal(*words, "--crops", "10")[1]
    assert "There is nothing at" in refusal(*words[:2], folder / "none", *words[3:])[1]


def test_a_place_that_cannot_be_written_is_said_with_the_option(folder: Path, colours: Store) -> None:
    (folder / "file").write_text("")
    for out, reason in ((folder / "file" / "f", "File exists"), (folder / "file" / "a" / "f", "Not a directory")):
        words = ("features", folder / "model", colours.path, "-o", out, "--stages", "relu2", "-q")
        assert refusal(*words) == (1, f"alexnet: error: Cannot write to {out}: {reason}; give another --out.")


def test_a_folder_that_may_not_be_written_is_said_with_the_option(
    folder: Path, colours: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, *_: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(locking, "_claim", refused)
    words = ("features", folder / "model", colours.path, "-o", folder / "f", "--stages", "relu2", "-q")
    assert refusal(*words) == (
        1,
        f"alexnet: error: Cannot write to {folder}/f: Permission denied; give another --out.",
    )
