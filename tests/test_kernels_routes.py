from typing import Any

import pytest
import torch
from torch import Tensor

from alexnet.kernels import routes
from alexnet.kernels.linear import ROUTES
from alexnet.kernels.routes import Product, choose, fastest, products, routes_here


def test_another_route_has_to_be_well_ahead() -> None:
    assert fastest({"torch": [1.0, 1.0, 1.0], "onednn": [0.85, 0.85, 9.0]}) == "onednn"
    assert fastest({"torch": [1.0, 1.0, 1.0], "onednn": [0.95, 0.95, 0.1]}) == "torch"
    assert fastest({"torch": [1.0], "onednn": [0.8], "transposed": [0.7]}) == "transposed"


def test_all_products_of_some_layers_each_once() -> None:
    found = products([(9, 4), (4, 4), (4, 4)], [2, 3], torch.float32)
    assert len(found) == len(set(found)) == 2 * 2 * 3
    assert Product("weight", 3, 9, 4, torch.float32) in found


def test_only_large_products_with_a_choice_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "WORTH", 10 * 40 * 30)
    measured = []
    monkeypatch.setattr(routes, "fastest", lambda seconds: measured.append(list(seconds)) or "torch")
    chosen = choose(products([(40, 30), (40, 29)], [10], torch.float32))
    assert chosen == {"forward fp32 10x40x30": "torch", "input fp32 10x40x30": "torch"}
    assert measured == [list(ROUTES["forward"]), list(ROUTES["input"])]


def test_the_route_that_takes_least_time_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def taking(seconds: float, route: Any) -> Any:
        def work(*operands: Tensor) -> Tensor:
            clock[0] += seconds
            found: Tensor = route(*operands)
            return found

        return work

    monkeypatch.setattr(routes, "WORTH", 1)
    monkeypatch.setattr(routes, "perf_counter", lambda: clock[0])
    for name, seconds in {"torch": 3.0, "onednn": 1.0, "transposed": 2.0}.items():
        monkeypatch.setitem(ROUTES["input"], name, taking(seconds, ROUTES["input"][name]))
    assert choose([Product("input", 2, 5, 3, torch.float32)]) == {"input fp32 2x5x3": "onednn"}


def test_a_route_that_this_machine_has_not_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*operands: Tensor) -> Tensor:
        raise RuntimeError("no such primitive")

    monkeypatch.setitem(ROUTES["input"], "onednn", absent)
    product = Product("input", 2, 5, 3, torch.float32)
    assert list(routes_here(product)) == ["torch", "transposed"]
    monkeypatch.setitem(ROUTES["input"], "torch", absent)
    with pytest.raises(RuntimeError, match="no such primitive"):
        routes_here(product)
