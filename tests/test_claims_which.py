"""docs/which-alexnet.md: what it prints is computed here, or comes from the source that its row names."""

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
from printed import codes, long_numbers, missing, percent, percentages, table
from torch import Tensor, nn

import alexnet
from alexnet.cli.main import cli
from alexnet.model.account import account
from alexnet.model.geometry import around
from alexnet.model.lrn import Window, convert_norm, norm_window
from alexnet.model.net import AlexNet
from alexnet.model.spec import Conv, MaxPool, ResponseNorm
from alexnet.model.variants import PAPER, VARIANTS
from alexnet.training.recipes import RECIPES

TEXT = (Path(__file__).parents[1] / "docs" / "which-alexnet.md").read_text(encoding="utf-8")


def test_the_table_of_networks_is_their_account() -> None:
    rows = table(TEXT, "network | differs from `paper` in")
    assert [codes(row[0])[0] for row in rows] == list(VARIANTS)
    for name, _, *printed in rows:
        found = account(VARIANTS[codes(name)[0]])
        assert printed == [str(found.input[-1]), f"{found.total('parameters'):,}", f"{found.total('macs'):,}"], name


def test_the_groups_cost_and_spare_what_the_page_says() -> None:
    paper, ungrouped = account(VARIANTS["paper"]), account(VARIANTS["ungrouped"])
    more = ungrouped.total("macs") / paper.total("macs") - 1
    counts = [f"{found.total('parameters'):,}" for found in (ungrouped, paper)]
    assert not missing(TEXT, *counts, percent(more, 0))


ALIGNED = table(TEXT, "network | input | zeros before, behind")


@pytest.mark.parametrize("row", ALIGNED, ids=lambda row: f"{row[0]} {row[1]}")
def test_the_positions_follow_from_input_and_zeros(row: list[str]) -> None:
    name, size, zeros, *printed = row
    before, behind = map(int, zeros.split(","))
    padding = "same" if "SAME" in name else (before, behind)

    def change(layer: Any) -> Any:
        if layer.name == "conv1":
            return replace(layer, padding=padding)
        return replace(layer, padding="same") if padding == "same" and isinstance(layer, MaxPool) else layer

    spec = replace(PAPER.mapped(change), input_size=int(size))
    rows = {found.name: found for found in account(spec).rows}
    assert rows["conv1"].padding == (before, behind)
    positions = [str(rows[layer].output[-1]) for layer in ("conv1", "pool1", "pool2", "pool5")]
    assert printed == [*positions, f"{rows['fc6'].macs // rows['fc6'].neurons:,}"]
    for known in codes(name):
        ours = VARIANTS[known]
        assert ours.input_size == int(size)
        assert isinstance(first := ours.layer("conv1"), Conv) and around(first, ours.input_size) == (before, behind)


def test_the_orders_are_those_of_the_networks() -> None:
    words = {"norm": "LRN", "spatial norm": "normalisation within each map", "activation": "ReLU", "pool": "pool"}
    for names, *stages in table(TEXT, "| layer 1"):
        for name in codes(names):
            kinds = [layer.kind for layer in VARIANTS[name].layers]
            first, second, third, *_ = (index for index, kind in enumerate(kinds) if kind == "conv")
            for stage, (start, end) in zip(stages, ((first, second), (second, third)), strict=True):
                assert stage == " → ".join(words[kind] for kind in kinds[start + 1 : end]), name


def sees(norm: Callable[[Tensor], Tensor], n: int) -> tuple[str, str]:
    """What multiplies the squares, and the window, as the page writes them; α is 0.01, β and k are 1."""
    middle = 10
    alone = torch.zeros(1, 21, 1, 1, dtype=torch.float64)
    alone[0, middle] = 1.0
    factors = {}
    for offset in filter(None, range(-n, n + 1)):
        both = alone.clone()
        both[0, middle + offset] = 1.0
        factors[offset] = 1 / norm(both)[0, middle].item() - 1 / norm(alone)[0, middle].item()
    seen = {offset: factor for offset, factor in factors.items() if factor > 1e-5}
    factor = seen[min(seen)]
    assert list(seen.values()) == pytest.approx([factor] * len(seen), rel=1e-3)  # fp32 where the norm wants it
    words = {"α": 0.01, "α/n": 0.01 / n}
    (word,) = (word for word, value in words.items() if factor == pytest.approx(value, rel=1e-3))
    return word, f"i−{-min(seen)} … i+{max(seen)}"


def test_the_windows_are_those_of_the_frameworks() -> None:
    rows = {row[0].split(" (")[0]: row[1:] for row in table(TEXT, "where | a")}
    ours = {"paper, in print": "printed", "2012 code": "original", "ONNX": "onnx"}
    for name, convention in ours.items():
        for n, printed in ((5, rows[name][1]), (4, rows[name][2])):
            window = norm_window(ResponseNorm("norm", n=n, alpha=1.0, convention=convention))
            assert printed == f"i−{window.below} … i+{window.above}", name
            assert rows[name][0] == ("α" if window.alpha == 1.0 else "α/n"), name
    for n in (5, 4):
        found = sees(nn.LocalResponseNorm(n, alpha=0.01, beta=1.0, k=1.0), n)
        assert found == (rows["PyTorch"][0], rows["PyTorch"][6 - n])


def test_the_window_of_onnx_is_that_of_its_runtime() -> None:
    onnx = pytest.importorskip("onnx", reason="needs the onnx package")
    runtime = pytest.importorskip("onnxruntime", reason="needs ONNX Runtime")
    node = onnx.helper.make_node("LRN", ["x"], ["y"], size=5, alpha=0.01, beta=1.0, bias=1.0)  # even sizes it refuses
    image = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 21, 1, 1]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "lrn", image[:1], image[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def norm(x: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"x": x.numpy().astype(np.float32)})[0])

    row = next(row for row in table(TEXT, "where | a") if row[0].startswith("ONNX"))
    assert sees(norm, 5) == (row[1], row[2])


# what each framework calls n and k, and whether it divides alpha by n
WORDS: dict[str, tuple[str, str, bool]] = {
    "PyTorch": ("size", "k", True),
    "Caffe": ("local_size", "k", True),
    "ONNX": ("size", "bias", True),
    "MXNet": ("nsize", "knorm", True),
    "TensorFlow": ("depth_radius", "bias", False),
    "MatConvNet": ("n", "kappa", False),
    "Chainer": ("n", "k", False),
}
WANTED = (ResponseNorm("norm"), ResponseNorm("norm", convention="printed"), ResponseNorm("norm", k=1.0))


def settings(cell: str) -> dict[str, Any]:
    pairs = (pair.split("=") for pair in codes(cell)[0].split(", "))
    return {key: value.strip('"') if value.startswith('"') else float(value) for key, value in pairs}


@pytest.mark.parametrize("row", table(TEXT, "in | the 2012 code"), ids=lambda row: row[0])
def test_the_conversions_are_the_same_function(row: list[str]) -> None:
    framework, *columns = row
    for cell, wanted in zip(columns, WANTED, strict=True):
        given = settings(cell)
        if framework == "here":
            given["n"] = int(given["n"])
            assert norm_window(ResponseNorm("norm", **given)) == norm_window(wanted)
            continue
        n_word, k_word, divides = WORDS[framework]
        n = int(given.pop(n_word))
        n = 2 * n + 1 if framework == "TensorFlow" else n
        alpha = given.pop("alpha") / (n if divides else 1)
        found = Window(n // 2, n // 2, given.pop(k_word), alpha, 0.75)
        assert found == pytest.approx(norm_window(wanted)), framework
        assert not given, "nothing is left unread"


def test_the_rules_of_conversion_hold() -> None:
    for convention in ("printed", "onnx", "tensorflow"):
        assert norm_window(convert_norm(WANTED[0], convention)) == pytest.approx(norm_window(WANTED[0]))
    x = torch.randn(2, 7, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 60
    one, two = nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0)(x), nn.LocalResponseNorm(5, 2e-4, 0.75, 2.0)(x)
    torch.testing.assert_close(one, two * 2**0.75)
    assert f"2^0.75 = {2**0.75:.3f}" in TEXT and f"2^−0.75 = {2**-0.75:.3f}" in TEXT


def test_errors_are_accuracies_taken_from_a_hundred() -> None:
    rows = table(TEXT, "weights | top-1 / top-5 error")
    assert all(source for *_, source in rows), "every figure names its source"
    converted = [row for row in rows if "accuracy" in row[2]]
    assert len(converted) == 5
    for _, errors, how, _ in converted:
        accuracies = how.split("accuracy ")[1].split(" / ")
        for error, accuracy in zip(errors.split(" / "), accuracies, strict=True):
            decimals = len(accuracy.partition(".")[2])
            assert error == f"{100 - float(accuracy):.{decimals}f}"


def test_conv1_starts_where_the_page_says() -> None:
    weights = 3 * 11 * 11
    assert not missing(TEXT, f"{weights} products", f"√{weights}")
    for _, sigma, printed in table(TEXT, "input | σ"):
        assert float(printed) == pytest.approx(float(sigma) * 0.01 * weights**0.5, rel=0.01)  # two or three digits


LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")


def shares(net: AlexNet, x: Tensor) -> dict[str, float]:
    """For each layer, the deviation between the pictures as a share of the root mean square of the output."""
    with torch.no_grad():
        found = net.stages(x, LAYERS)
    return {name: (y.var(0, unbiased=False).mean() / y.square().mean()).sqrt().item() for name, y in found.items()}


@pytest.fixture(scope="module")
def measured() -> list[dict[str, float]]:
    """The four columns of the page's table, from one network whose start is changed in place."""
    source = alexnet.open_source("shapes")
    first = {example.label: example for example in reversed(source.examples) if example.split == "train"}
    pixels = np.stack([source.load(first[label]).pixels[16:240, 16:240] for label in sorted(first)])
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    x -= x.mean((0, 2, 3), keepdim=True)
    net = AlexNet(PAPER, generator=torch.Generator().manual_seed(0)).eval()
    columns = [shares(net, x), shares(net, x / x.std())]
    with torch.no_grad():
        for name in ("conv3", "conv4", "conv5"):
            net.get_parameter(f"{name}.weight").mul_(3)
        columns.append(shares(net, x))
        for name in ("conv3", "conv4", "conv5"):
            net.get_parameter(f"{name}.weight").div_(3)
        for name, parameter in net.named_parameters():
            if name.endswith("bias"):
                parameter.mul_(0.1)
        columns.append(shares(net, x))
    return columns


def test_what_depends_on_the_picture_is_as_measured(measured: list[dict[str, float]]) -> None:
    rows = table(TEXT, "layer | as printed")
    assert [row[0] for row in rows] == list(LAYERS)
    for name, *cells in rows:
        for cell, column in zip(cells, measured, strict=True):
            printed = float(cell.removesuffix(" %"))
            digit = 10.0 ** -len(cell.removesuffix(" %").partition(".")[2])
            # half of the last digit, and what other processors make of the same draw
            assert 100 * column[name] == pytest.approx(printed, abs=0.5 * digit, rel=0.02), name


def test_the_start_that_won_lets_more_of_the_picture_through(measured: list[dict[str, float]]) -> None:
    printed, divided, won, small_biases = (column["fc8"] for column in measured)
    assert won > 5 * printed > 100 * divided
    assert small_biases > 5 * printed


def commands() -> list[str]:
    """Whole commands; a verb alone, as prose names it, is none."""
    return [code for code in codes(TEXT) if code.startswith("alexnet ") and len(code.split()) > 2]


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_the_commands_are_ones_that_the_program_takes(line: str) -> None:
    _, name, *words = shlex.split(line)
    # a verb keeps the help option of the first context it meets, so this one must be as the program's
    context = click.Context(cli, **cli.context_settings)
    assert isinstance(cli, click.Group)
    verb = cli.get_command(context, name)
    assert verb, name
    verb.make_context(name, words, parent=context)  # raises for an unknown option and for a missing argument
    given = dict(pairwise(words))
    assert given.get("--model", "paper") in VARIANTS
    assert given.get("--recipe", "paper") in RECIPES
    if name in ("layers", "models"):
        assert set(words) <= set(VARIANTS)


def test_every_long_number_and_percentage_is_computed_or_sourced() -> None:
    prose = re.sub(r"`[^`]+`", "", TEXT)
    known = {"50000"}  # ILSVRC-2012's validation photographs; docs/errata.md, res-5
    for spec in VARIANTS.values():
        known |= {str(account(spec).total(field)) for field in ("parameters", "macs")}
    known |= {number for row in ALIGNED for number in long_numbers(row[-1])}
    assert set(long_numbers(prose)) <= known
    shares_printed = {cell for row in table(TEXT, "layer | as printed") for cell in row[1:]}
    elsewhere = {"57 %", "42.5 %", "40.7 %"}  # of groups, tested above; of the sourced table of errors
    assert percentages(prose) <= shares_printed | elsewhere
