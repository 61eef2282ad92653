import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from making import CLASSES, Colours, tiny_store
from running import RECIPE, begin, metrics

SCRIPT = Path(__file__).parents[1] / "results" / "record.py"
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_record_has_what_was_done_and_measured(script: ModuleType, tmp_path: Path) -> None:
    counts = {"train": 84, "test": 17 * len(CLASSES)}  # odd, so that rounding the errors would show
    store = tiny_store(tmp_path / "store", Colours(counts))
    run = begin(replace(RECIPE, holdout=0.25), store=store, out=tmp_path / "run")
    found = json.loads(json.dumps(script.record(run.path, store.path, "test", "Does it learn colours?")))
    assert found["question"] == "Does it learn colours?"
    assert (found["seed"], found["epochs"], found["recipe"]["holdout"]) == (0, 3, 0.25)
    assert found["photographs"]["train"] + found["photographs"]["val"] == counts["train"]
    assert found["centre_crop"]["images"] == found["ten_crop"]["images"] == counts["test"]
    assert [point["epoch"] for point in found["curve"]] == [1, 2, 3]
    assert [point["val_top1_error"] for point in found["curve"]] == pytest.approx(
        [float(row["val_top1_error"]) for row in metrics(run)], abs=1e-4
    )


def test_a_curve_is_thinned_and_keeps_its_ends(script: ModuleType, tmp_path: Path) -> None:
    rows = [f"{epoch},1.5,0.5," for epoch in range(1, 1001)]
    (tmp_path / "metrics.csv").write_text("\n".join(["epoch,train_loss,train_error,val_top1_error", *rows]))
    found = script.curve(tmp_path / "metrics.csv")
    assert [point["epoch"] for point in found] == [1, *range(20, 1001, 20)]
    assert found[0] == {"epoch": 1, "train_loss": 1.5, "train_error": 0.5}, "nothing for what was not validated"
