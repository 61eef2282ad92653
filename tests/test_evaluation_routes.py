from pathlib import Path

import pytest
import torch
from making import tiny_model, tiny_spec

from alexnet.data.store import Store
from alexnet.evaluation.networks import ROWS, InPyTorch
from alexnet.evaluation.routes import FILE, take_fastest
from alexnet.kernels import routes
from alexnet.kernels.linear import ROUTES
from alexnet.model.device import Placement, place
from alexnet.model.modules import FullConnection, full_connections
from alexnet.model.net import AlexNet

pytestmark = pytest.mark.usefixtures("one_thread")
FP32 = place("cpu", "fp32")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of the products that went through oneDNN, which is the fastest for all."""
    monkeypatch.setattr(routes, "WORTH", 1)
    monkeypatch.setattr(routes, "fastest", lambda seconds: "onednn")
    made: list[int] = []
    monkeypatch.setitem(ROUTES["forward"], "onednn", lambda x, *given: made.append(len(x)) or torch.mm(x, given[0].t()))
    return made


def test_a_network_that_answers_takes_the_fastest_for_its_rows(tmp_path: Path, calls: list[int]) -> None:
    net = AlexNet(tiny_spec()).requires_grad_(False).eval()
    take_fastest(net, [3], FP32, tmp_path)
    assert (tmp_path / FILE).is_file()
    other, layers = AlexNet(tiny_spec()), len(full_connections(net))
    side = net.spec.input_size
    calls.clear()
    for each in (net, other):
        for rows in (3, 2):
            each(torch.ones(rows, 3, side, side))
    assert calls == [3] * layers


def test_a_predictors_network_is_fast_for_one_photograph(
    colours: Store, tmp_path: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path))
    network = InPyTorch(tiny_model(colours), FP32, share=False)
    (last,) = [module for module in network.net.modules() if isinstance(module, FullConnection)][-1:]
    rows = {int(name.split()[2].split("x")[0]) for name in last.routes or ()}
    assert rows == set(ROWS)


def test_on_other_devices_nothing_is_measured(tmp_path: Path, calls: list[int]) -> None:
    net = AlexNet(tiny_spec())
    take_fastest(net, [3], Placement(torch.device("meta"), torch.float32), tmp_path)
    assert not calls and not list(tmp_path.iterdir())
