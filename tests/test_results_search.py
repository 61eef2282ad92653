import json
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet.training.recipe import Recipe
from alexnet.training.recipes import recipe

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "results" / "search.py"
COLUMNS = "epoch,train_loss,train_error,val_top1_error,val_top5_error"


def run(folder: Path, name: str, errors: list[float], fingerprint: str = "f", **settings: str) -> Path:
    path = folder / name
    path.mkdir()
    files = {
        "run": {"fingerprint": fingerprint},
        "recipe": recipe("small").updated(settings).to_json(),
        "environment": {"command": ["alexnet"], "dtype": "bf16"},
    }
    for key, content in files.items():
        (path / f"{key}.json").write_text(json.dumps(content))
    rows = [f"{epoch},1.5,0.5,{error},0.1" for epoch, error in enumerate(errors, 1)]
    (path / "metrics.csv").write_text("\n".join([COLUMNS, *rows]) + "\n")
    return path


def search(*runs: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--question", "Which?", *map(str, runs)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_runs_are_listed_with_what_is_their_own(tmp_path: Path) -> None:
    runs = [run(tmp_path, "a", [0.9, 0.4, 0.5]), run(tmp_path, "b", [0.8], mixup="0.2", epochs="7")]
    found = json.loads(search(*runs).stdout)
    first, second = found["runs"]
    network = {"model": recipe("small").model}  # always told: a recipe may take another one later
    assert (first["settings"], first["epochs"]) == (network, [3, recipe("small").epochs])
    assert (first["last"]["val_top1_error"], first["lowest_val_top1_error"]) == (0.5, 0.4)
    assert (second["settings"], second["epochs"]) == ({**network, "mixup": 0.2, "epochs": 7}, [1, 7])
    assert found["environment"] == {"dtype": "bf16"}, "without the command, which names folders"


def test_runs_on_different_stores_are_refused(tmp_path: Path) -> None:
    ended = search(run(tmp_path, "a", [0.5]), run(tmp_path, "b", [0.5], fingerprint="g"))
    assert ended.returncode and "different stores" in ended.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "results" / "search").glob("*.json")), ids=lambda path: path.stem)
def test_a_search_says_what_was_asked_and_names_no_machine_s_paths(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = json.loads(text)
    assert found["question"] and len(found["commit"]) == 40 and len(found["runs"]) > 1
    assert "/tmp/" not in text and "/home/" not in text and "/root/" not in text
    for tried in found["runs"]:
        Recipe.from_json({**recipe(tried["recipe"]).to_json(), **tried["settings"]})  # this version reads its settings
        assert tried["lowest_val_top1_error"] <= tried["last"]["val_top1_error"] <= 1
