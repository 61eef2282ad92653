import pytest
import torch
from making import tiny_spec

from alexnet.errors import ConfigError
from alexnet.experiments.bench.connecting import NEW_MEMORY, PACKED, bench_linear, compared
from alexnet.experiments.bench.timing import Rounds
from alexnet.kernels.linear import ROUTES
from alexnet.kernels.routes import Product
from alexnet.model.device import Placement, place
from alexnet.model.modules import full_connections
from alexnet.model.net import AlexNet


@pytest.mark.parametrize("kind", ROUTES)
def test_what_is_compared_computes_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight, bias, gy = (torch.randn(*size, generator=generator) for size in ((6, 40), (9, 40), (9,), (6, 9)))
    operands = {"forward": (x, weight, bias), "input": (gy, weight), "weight": (gy, x, weight)}[kind]
    monkeypatch.setattr(Product, "operands", lambda self: operands)
    works = compared(Product(kind, 6, 40, 9, torch.float32))
    beside = {"forward": [PACKED], "weight": [NEW_MEMORY]}.get(kind, [])
    assert list(works) == [*ROUTES[kind], *beside]
    expected = {"forward": x @ weight.t() + bias, "input": gy @ weight, "weight": gy.t() @ x}[kind]
    for work in works.values():
        torch.testing.assert_close(work(), expected, rtol=1e-5, atol=1e-4)


def test_every_layer_has_a_row_for_each_of_its_products(one_thread: None) -> None:
    spec = tiny_spec()
    rows = bench_linear(spec=spec, batch_size=3, placement=place("cpu", "fp32"), rounds=Rounds(2, 0.0), data=None)
    names = [row.what.split(", ", 2) for row in rows]
    assert {(name, kind) for name, kind, _ in names} == {
        (name, kind) for name in full_connections(AlexNet(spec)) for kind in ROUTES
    }
    assert {(row.unit, row.batch_size, row.dtype, len(row.samples)) for row in rows} == {("FLOP/s", 3, "fp32", 2)}
    assert all(row.median > 0 for row in rows)


def test_another_device_is_refused() -> None:
    elsewhere = Placement(torch.device("meta"), torch.float32)
    with pytest.raises(ConfigError, match="meta"):
        bench_linear(spec=tiny_spec(), batch_size=1, placement=elsewhere, rounds=Rounds(1, 0.0))
