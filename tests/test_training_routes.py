import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from making import tiny_recipe, tiny_spec
from running import RECIPE, begin, difference, events, stop_at
from torch import Tensor

from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.evaluation import routes
from alexnet.evaluation.routes import FILE, machine
from alexnet.kernels import routes as measuring
from alexnet.kernels.linear import ROUTES
from alexnet.model.device import Placement, place
from alexnet.model.net import AlexNet
from alexnet.training.interrupt import Interrupted
from alexnet.training.plan import TrainingPlan
from alexnet.training.routes import new_routes, resumed_routes
from alexnet.training.run import Run
from alexnet.training.train import resume

pytestmark = pytest.mark.usefixtures("one_thread")
FP32 = place("cpu", "fp32")
PLAN = TrainingPlan(tiny_spec(), tiny_recipe(batch_size=7, accumulate=2), np.arange(42), np.arange(0))


@pytest.fixture
def fastest(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every product is worth measuring, and what is found is in this list; it grows by what is measured."""
    found = ["onednn"]
    monkeypatch.setattr(measuring, "WORTH", 1)
    monkeypatch.setattr(measuring, "fastest", lambda seconds: found.append("measured") or found[0])
    return found


def test_small_networks_have_no_routes_and_no_file(tmp_path: Path) -> None:
    found = new_routes(AlexNet(PLAN.spec), PLAN, FP32, tmp_path)
    assert (found.routes, found.machine, found.describe(), list(tmp_path.iterdir())) == ({}, machine(), "", [])


def test_runs_on_one_machine_have_the_same_routes(tmp_path: Path, fastest: list[str]) -> None:
    net = AlexNet(PLAN.spec)
    first = new_routes(net, PLAN, FP32, tmp_path / "new")
    assert set(first.routes.values()) == {"onednn"}
    assert {name.split()[2].split("x")[0] for name in first.routes} == {"4", "3"}  # the parts of a batch of 7
    assert "not by PyTorch's own" in first.describe()
    measured, fastest[0] = len(fastest), "torch"
    assert new_routes(net, PLAN, FP32, tmp_path / "new") == first
    assert len(fastest) == measured


def test_another_machine_has_its_own(tmp_path: Path, fastest: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    net = AlexNet(PLAN.spec)
    here = new_routes(net, PLAN, FP32, tmp_path)
    fastest[0] = "transposed"
    monkeypatch.setattr(routes, "processor", lambda: "another processor")
    assert set(new_routes(net, PLAN, FP32, tmp_path).routes.values()) == {"transposed"}
    monkeypatch.undo()
    assert new_routes(net, PLAN, FP32, tmp_path) == here


@pytest.mark.parametrize("content", ["{", '{"MACHINE": {"NAME": "teleport"}}', "[]"])
def test_a_damaged_file_is_made_anew(content: str, tmp_path: Path, fastest: list[str]) -> None:
    net = AlexNet(PLAN.spec)
    first = new_routes(net, PLAN, FP32, tmp_path)
    whole = (tmp_path / FILE).read_text()
    written = content.replace("MACHINE", machine()).replace("NAME", next(iter(first.routes)))
    (tmp_path / FILE).write_text(written)
    assert new_routes(net, PLAN, FP32, tmp_path) == first
    assert (tmp_path / FILE).read_text() == whole


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, fastest: list[str]) -> None:
    (tmp_path / "file").touch()
    found = new_routes(AlexNet(PLAN.spec), PLAN, FP32, tmp_path / "file")
    assert found.routes and "routes.json cannot be written" in found.remark


def test_other_devices_have_no_routes(tmp_path: Path, fastest: list[str]) -> None:
    elsewhere = Placement(torch.device("meta"), torch.float32)
    assert not new_routes(AlexNet(PLAN.spec), PLAN, elsewhere, tmp_path).routes


def test_a_run_from_before_goes_on_as_it_was(tmp_path: Path, fastest: list[str]) -> None:
    found = resumed_routes({}, AlexNet(PLAN.spec), PLAN, FP32, tmp_path)
    assert (found.routes, found.remark) == ({}, "")


def doubled(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return 2 * F.linear(x, weight, bias)


def stopped(store: Store, out: Path) -> Run:
    with pytest.raises(Interrupted):
        begin(store=store, out=out, listener=stop_at(signal.SIGTERM, epoch=2, step=3))
    return Run(out)


def test_a_resumed_run_keeps_its_routes_bit_for_bit(
    colours: Store, tmp_path: Path, fastest: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(ROUTES["forward"], "onednn", doubled)
    whole = begin(store=colours, out=tmp_path / "whole")
    run = stopped(colours, tmp_path / "run")
    told = run.read("run.json")
    assert set(told["routes"].values()) == {"onednn"} and told["machine"] == machine()
    assert "by PyTorch's own" in events(run)[0]["kernels"]
    fastest[0] = "torch"
    (tmp_path / "home" / FILE).unlink()
    resume(run.path)
    assert difference(whole, run) == set()
    assert run.read("run.json") == told
    assert difference(whole, begin(store=colours, out=tmp_path / "other")) >= {"weights", "velocity"}


def test_a_run_resumed_on_another_machine_says_what_changed(
    colours: Store, tmp_path: Path, fastest: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    run = stopped(colours, tmp_path / "run")
    fastest[0] = "torch"
    monkeypatch.setattr(routes, "processor", lambda: "another processor")
    resume(run.path)
    (said,) = [event["text"] for event in events(run) if "another machine" in event.get("text", "")]
    name = f"forward fp32 {RECIPE.batch_size}x"
    assert "goes on here (another processor" in said and name in said
    told = run.read("run.json")
    assert set(told["routes"].values()) == {"torch"} and told["machine"] == machine()


def test_routes_that_there_are_not_are_refused(colours: Store, tmp_path: Path) -> None:
    run = stopped(colours, tmp_path / "run")
    run.write("run.json", run.read("run.json") | {"routes": {"forward fp32 8x9x9": "teleport"}})
    with pytest.raises(ConfigError, match=r"forward fp32 8x9x9.*teleport"):
        resume(run.path)
