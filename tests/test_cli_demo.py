import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from commanding import alexnet, refusal
from making import tiny_spec

from alexnet.data.sources import shapes
from alexnet.data.store import Store
from alexnet.evaluation.linear import linear_error
from alexnet.evaluation.predictor import Predictor
from alexnet.model.variants import VARIANTS
from alexnet.show import photographs
from alexnet.training.recipes import RECIPES
from alexnet.weights.model_dir import load_model


def test_the_whole_job_in_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIANTS, "paper", replace(tiny_spec(), name="paper"))
    recipe, text = RECIPES["demo"]
    monkeypatch.setitem(RECIPES, "demo", (replace(recipe, epochs=1), text))
    for split, count in {"train": 3, "val": 1, "test": 2}.items():
        monkeypatch.setitem(shapes.PER_CLASS, split, count)
    of_store, shown = photographs.of_store, set[str]()

    def noted(predictor: Predictor, store: Store, positions: Sequence[int]) -> Iterator[photographs.Photograph]:
        shown.update(store.class_names[store.labels[position]] for position in positions)
        return of_store(predictor, store, positions)

    monkeypatch.setattr(photographs, "of_store", noted)
    out = tmp_path / "demo"
    result = alexnet("demo", "--out", out)
    assert result.exit_code == 0, result.stderr

    report = json.loads((out / "report.json").read_text())
    assert report["images"] == 20
    assert report["chance"] == {"top1_error": 0.9, "top5_error": 0.5}
    store = Store.open(out / "shapes.store")
    assert report["linear"]["top1_error"] == linear_error(store)
    assert load_model(out / "run" / "model").categories == store.classes
    words = ("evaluate", out / "run", out / "shapes.store", "--split", "test", "--json", "--crops")
    for key, crops in (("centre_crop", 1), ("ten_crop", 10)):
        measured = json.loads(alexnet(*words, crops).stdout)
        assert report[key] == {name: measured[name] for name in ("top1_error", "top5_error")}
    pictures = sorted((out / "pictures").glob("*.png"))
    assert [entry["true"] for entry in report["predictions"]] == [path.stem for path in pictures]
    words = ("predict", out / "run", out / "pictures", "--json")
    assert json.loads(alexnet(*words).stdout) == [
        {"image": entry["image"], "predictions": entry["predictions"]} for entry in report["predictions"]
    ]

    for drawn in (out / "run" / "curves.png", out / "filters.png", out / "maps.png", out / "predictions.png"):
        assert drawn.read_bytes().startswith(b"\x89PNG")
        assert str(drawn) in result.stdout

    assert len(shown) == 8, "the pictures of predictions lie all over the split"

    lines = result.stdout.splitlines()
    assert "Errors on 20 pictures that the network has not seen" in lines
    assert any(line.split() == ["chance", "90.0", "%", "50.0", "%"] for line in lines)
    assert any(line.startswith("a linear classifier on the pixels") for line in lines)
    assert sum("right" in line or "wrong" in line for line in lines) == 5
    assert f"Run      {out / 'run'}  (settings, logs, checkpoints)" in lines
    assert [line[:4] for line in result.stderr.splitlines() if line[1:2] == "/"] == ["1/4 ", "2/4 ", "3/4 ", "4/4 "]

    again = alexnet("demo", "--out", out, "-q")
    assert again.exit_code == 0
    assert again.stderr == ""
    assert f"Run      {out / 'run-2'}" in again.stdout


def test_a_place_that_cannot_be_written_is_said_with_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "demo"
    said = f"alexnet: error: Cannot write {out}: Not a directory; give another --out."
    assert refusal("demo", "--out", out) == (1, said)
