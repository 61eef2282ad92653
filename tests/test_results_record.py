import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from making import CLASSES, Colours, tiny_store
from running import RECIPE, begin, metrics

from alexnet.model.net import AlexNet
from alexnet.model.variants import variant

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


def test_a_record_of_several_processes_says_how_they_were_started(script: ModuleType, tmp_path: Path) -> None:
    words = ["-m", "train", "/somewhere/flowers.store", "--towers", "2"]
    assert script.command(words, 1) == "alexnet train flowers.store --towers 2"
    assert script.command(words, 4).startswith("torchrun --standalone --nproc-per-node=4 -m alexnet train flowers.st")
    log = [{"event": "Started", "processes": "2 processes, 1 MB a step"}, {"event": "Started", "processes": "later"}]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, log)))
    found = script.shared(tmp_path, {"processes": 2, "towers": 1}, 0)
    assert found == {"processes": "2 processes, 1 MB a step"}
    assert script.shared(tmp_path, {}, 0) == {}, "of a run in one process nothing is added"


@pytest.mark.parametrize(("grey", "shares"), [(48, [0.0, 0.667]), (0, [0.667, 0.667])])
def test_a_colour_blind_tower_is_told_from_a_coloured_one(script: ModuleType, grey: int, shares: list[float]) -> None:
    net = AlexNet(variant("original2012", input_size=67, classes=3), generator=torch.Generator().manual_seed(3))
    kernels = net.get_parameter("conv1.weight").detach()
    kernels[:grey] = kernels[:grey].mean(1, keepdim=True)
    found = script.colours(net, seed=3)
    assert found["kernels"]["shares"] == pytest.approx(shares, abs=0.02)
    assert (found["kernels"]["p"] < 0.001) == bool(grey)
    assert found["moved"] == [0, 0], "noise, grey or not, is not smooth"
    kernels[48:] += 0.1
    assert script.colours(net, seed=3)["change"]["shares"][1] == pytest.approx(0, abs=1e-3), "only grey was added"
