from dataclasses import replace
from statistics import median

import pytest
import torch
from making import tiny_spec
from torch.utils.flop_counter import FlopCounterMode

from alexnet import kernels
from alexnet.evaluation.evaluate import input_layout
from alexnet.experiments.bench import step
from alexnet.experiments.bench.counting import multiplied_flops, training_flops
from alexnet.experiments.bench.step import BareStep, bench_step, loop, random_images, squares
from alexnet.experiments.bench.timing import Rounds
from alexnet.kernels import ceiling, routes, use_twin
from alexnet.kernels.linear import ROUTES
from alexnet.kernels.winograd import winograd
from alexnet.model.account import account
from alexnet.model.device import place
from alexnet.model.net import AlexNet
from alexnet.model.spec import Conv
from alexnet.model.variants import PAPER

FP32 = place("cpu", "fp32")
BF16 = place("cpu", "bf16")


@pytest.fixture(autouse=True)
def small_matrices(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.setattr(step, "SIDES", (8, 16))
    monkeypatch.setattr(step, "SLOW_SIDES", (4,))
    monkeypatch.setattr(step, "LOOP_ROUNDS", 10)


def test_flops_of_a_step_are_those_that_pytorch_counts() -> None:
    # no block, whose zeros PyTorch would count as well
    unfolded = tiny_spec().mapped(lambda layer: replace(layer, stride=1) if isinstance(layer, Conv) else layer)
    bare = BareStep(unfolded, 3, FP32)
    with kernels.use_twin(), FlopCounterMode(display=False) as counter:
        bare()
    assert counter.get_total_flops() == 3 * training_flops(unfolded)


def test_flops_of_the_papers_network() -> None:
    assert training_flops(PAPER) == 2 * (3 * 724_406_816 - 105_415_200)


@pytest.mark.parametrize("placement", [FP32, BF16], ids=["fp32", "bf16"])
def test_the_step_learns_and_returns_its_images(placement: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "RATE", step.Rate(0.001, 0.001))
    bare = BareStep(tiny_spec(dropout=0.0), 4, placement)  # type: ignore[arg-type]

    @torch.no_grad()
    def loss() -> float:
        logits = bare._working(bare._images).float()
        return float(torch.nn.functional.cross_entropy(logits, bare._labels))

    before = loss()
    assert [bare() for _ in range(20)] == [4] * 20
    assert loss() < before


def test_noise_comes_in_the_form_of_the_loader() -> None:
    net = AlexNet(PAPER)
    for placement in (FP32, BF16):
        images = random_images(net, 2, placement)
        layout = input_layout(net, placement)
        assert images.shape == (2, 48, 57, 57)
        assert images.dtype is layout.dtype
        assert images.is_contiguous(memory_format=torch.channels_last)


def test_a_product_counts_its_flops() -> None:
    works = squares(torch.float32, FP32.device)
    assert {name: work() for name, work in works.items()} == {"8": 2 * 8**3, "16": 2 * 16**3}


@pytest.mark.parametrize(("fast", "sides"), [(True, ["8", "16"]), (False, ["4"])])
def test_bf16_without_instructions_multiplies_small_matrices(
    fast: bool, sides: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "bf16_is_fast", lambda device: fast)
    assert list(squares(torch.bfloat16, BF16.device)) == sides


def test_a_loop_counts_its_flops_on_a_processor_alone() -> None:
    for name in ceiling.LOOPS:
        work, flops = loop(name, FP32.device), ceiling.run(name, 10)[0]
        assert work() == flops if work else not flops
    assert loop("fp32", torch.device("meta")) is None


def test_the_share_of_the_ceiling_is_that_of_the_medians() -> None:
    spec = tiny_spec()
    bare, *ceilings, plain = bench_step(spec=spec, batch_size=2, placement=FP32, rounds=Rounds(3, 0.0), data=None)
    assert (bare.what, bare.batch_size, bare.dtype, len(bare.samples)) == ("training step", 2, "fp32", 3)
    assert bare.peak_memory
    assert [row.dtype for row in ceilings[:2]] == ["fp32", "bf16"]
    assert [row.dtype for row in ceilings[2:]] == [name for name in ceiling.LOOPS if ceiling.run(name, 1)[0]]
    assert bare.facts["flops_per_second"] == bare.median * training_flops(spec)
    highest = max(row.median for row in ceilings if row.dtype == "fp32")
    done = bare.facts["flops_per_second"] * bare.facts["multiplied"]
    assert bare.facts["share_of_ceiling"] == pytest.approx(done / highest)
    assert bare.facts["page_faults"] >= 0
    assert (plain.what, len(plain.samples)) == ("the same with F.linear", 3)
    rounds = zip(bare.samples, plain.samples, strict=True)
    assert bare.facts["of_plain"] == median(ours / theirs for ours, theirs in rounds)


def test_the_step_takes_the_fastest_routes_and_the_plain_one_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "WORTH", 1)
    monkeypatch.setattr(routes, "fastest", lambda seconds: "onednn")
    bare = BareStep(tiny_spec(), 3, FP32)
    assert set(bare.routes.values()) == {"onednn"}
    calls = []
    for kind in ("forward", "input"):
        route = ROUTES[kind]["onednn"]
        monkeypatch.setitem(ROUTES[kind], "onednn", lambda *given, route=route: calls.append(0) or route(*given))
    bare.plain()
    assert not calls
    bare()
    assert len(calls) == len(bare.routes)


def test_products_are_counted_as_they_are_made() -> None:
    spec = replace(PAPER, input_size=67)
    bare = BareStep(spec, 2, FP32)
    with use_twin():
        direct = multiplied_flops(bare) / 2
    filled = 2 * 2 * account(spec).rows[0].macs * (144 - 121) / 121  # conv1's 11 × 11 in blocks are 12 × 12
    assert direct == training_flops(spec) + filled
    assert multiplied_flops(BareStep(spec, 2, BF16)) / 2 == direct


def test_products_in_tiles_are_36_for_a_pair_of_channels() -> None:
    x, weight = torch.zeros(2, 32, 13, 13, requires_grad=True), torch.zeros(64, 16, 3, 3, requires_grad=True)
    bias = torch.zeros(64, requires_grad=True)
    made = multiplied_flops(lambda: winograd(x, weight, bias, (1, 1), 2).sum().backward())
    assert made == 3 * 2 * (2 * 16 * 36) * (64 * 16)  # 16 tiles an image, three passes
