"""All formulations of a pass are the same sums."""

import pytest
import torch
from convolutions import LAYERS, PASSES, Case, Layer, main, works_of

from alexnet.model.account import account
from alexnet.model.variants import variant

SMALL = [
    Layer("dense", 16, 32, 9, 3, 0, 1),
    Layer("padded", 16, 32, 7, 5, 2, 1),
    Layer("grouped", 32, 64, 7, 3, 1, 2),
]


@pytest.mark.parametrize("layer", SMALL, ids=lambda layer: layer.name)
@pytest.mark.parametrize("name", PASSES)
def test_every_formulation_gives_what_autograd_gives_in_float64(layer: Layer, name: str) -> None:
    case = Case.random(layer, 10, torch.float32)
    x, w = case.x.double().requires_grad_(), case.w.double().requires_grad_()
    y = torch.nn.functional.conv2d(x, w, padding=layer.padding, groups=layer.groups)
    of_x, of_w = torch.autograd.grad(y, (x, w), case.g.double())
    expected = {"forward": y, "input": of_x, "both": of_x, "weight": of_w}
    for title, formulation in PASSES[name].items():
        found = formulation(case).double()
        # float32 sums of up to 490 products
        torch.testing.assert_close(found, expected[name].detach(), rtol=1e-4, atol=1e-4, msg=title)


def test_the_layers_are_those_of_the_paper() -> None:
    rows = {row.name: row for row in account(variant("paper")).rows if row.name.startswith("conv")}
    assert list(rows) == [layer.name for layer in LAYERS]
    for layer in LAYERS:
        row = rows[layer.name]
        assert (layer.maps_out, layer.side_out, layer.side_out) == row.output
        assert layer.groups == row.groups
        if layer is LAYERS[0]:
            assert layer.flops(1) / 2 == row.macs / 11**2 * 12**2  # blocks add a row and a column of zeros
        else:
            assert layer.flops(1) / 2 == row.macs


def test_a_work_returns_its_flops_and_groups_alone_have_towers() -> None:
    dense, grouped = (Case.random(layer, 2, torch.float32) for layer in (SMALL[0], SMALL[2]))
    assert {work() for work in works_of(dense, "weight").values()} == {dense.layer.flops(2)}
    assert not any("towers" in title for title in works_of(dense, "weight"))
    assert any("towers" in title for title in works_of(grouped, "weight"))


def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--batch 1 --rounds 1 --seconds 0 --layers conv5 --passes weight --dtype fp32 --threads 1"
    before = torch.get_num_threads()
    main(words.split())
    torch.set_num_threads(before)
    printed = capsys.readouterr().out
    assert "batch 1, fp32, threads 1" in printed
    assert all(title in printed for title in PASSES["weight"])
