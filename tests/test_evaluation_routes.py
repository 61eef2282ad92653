from collections.abc import Iterable
from contextlib import ExitStack
from json import dumps, loads
from pathlib import Path

import pytest
import torch
from making import tiny_model, tiny_spec

from alexnet.data.store import Store
from alexnet.errors import AlexNetError
from alexnet.evaluation.networks import ROWS, InPyTorch
from alexnet.evaluation.routes import FILE, machine, measured, take_fastest
from alexnet.kernels import routes
from alexnet.kernels.linear import ROUTES
from alexnet.kernels.routes import Product, products
from alexnet.locking import held
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


def test_processes_that_find_routes_at_once_do_not_disturb_each_other(
    tmp_path: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / f".{FILE}.lock"
    theirs = {"forward fp32 3x1x1": "onednn"}
    with ExitStack() as other:
        other.enter_context(held(lock, "writing routes"))

        def meanwhile(seconds: float) -> None:  # the other process has written its own, and lets go
            (tmp_path / FILE).write_text(dumps({machine(): theirs}))
            other.close()

        monkeypatch.setattr("alexnet.evaluation.routes.time.sleep", meanwhile)
        take_fastest(AlexNet(tiny_spec()), [3], FP32, tmp_path)
    kept = loads((tmp_path / FILE).read_text())[machine()]
    assert len(kept) > 1 and kept.items() >= theirs.items()


def test_a_route_that_another_process_kept_first_is_taken(
    tmp_path: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    net, theirs = AlexNet(tiny_spec()), "transposed"

    def slow(wanted: Iterable[Product]) -> dict[str, str]:
        found = {product.name: "onednn" for product in wanted}
        (tmp_path / FILE).write_text(dumps({machine(): dict.fromkeys(found, theirs)}))
        return found

    monkeypatch.setattr("alexnet.evaluation.routes.choose", slow)
    take_fastest(net, [3], FP32, tmp_path)
    taken = [module.routes for module in net.modules() if isinstance(module, FullConnection)]
    assert taken and all(set(each.values()) == {theirs} for each in taken)


@pytest.mark.parametrize("why", ["held for long", "no place"])
def test_what_cannot_be_kept_is_used_and_told(
    tmp_path: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    monkeypatch.setattr("alexnet.evaluation.routes.MOMENT", 0.001)
    wanted = list(products(full_connections(AlexNet(tiny_spec())).values(), [3], torch.float32))

    def full(path: Path, text: str) -> None:
        raise AlexNetError(f"Cannot write {path}") from OSError(28, "No space left on device")

    with ExitStack() as other:
        if why == "no place":
            monkeypatch.setattr("alexnet.evaluation.routes.write_text", full)
        else:
            other.enter_context(held(tmp_path / f".{FILE}.lock", "writing routes"))
        found, remark = measured(wanted, tmp_path)
    assert found and set(found.values()) == {"onednn"}
    assert ("No space left on device" if why == "no place" else "another process holds it") in remark
    assert "ALEXNET_HOME" in remark
