"""docs/errata.md: its equations are evaluated, its numbers counted anew."""

import ast
import math
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from printed import codes, long_numbers, missing, table

from alexnet.model.account import Account, LayerAccount, account
from alexnet.model.spec import Conv, Linear, MaxPool, Spec
from alexnet.model.variants import VARIANTS, variant

TEXT = (Path(__file__).parents[1] / "docs" / "errata.md").read_text(encoding="utf-8")
KINDS = ("arithmetic", "read", "reasoned", "second-hand")


class Erratum(NamedTuple):
    id: str
    where: str
    says: str
    true: str
    checked: str

    @property
    def kind(self) -> str:
        return self.checked.split(":")[0]


ERRATA = [
    Erratum(*(cell.strip() for cell in line.strip("|").split("|")))
    for line in TEXT.splitlines()
    if re.match(r"\| [a-z]{2,3}-\d+ \|", line)
]
ARITHMETIC = [row for row in ERRATA if row.kind == "arithmetic"]


def network(
    name: str, maps: tuple[int, ...], *, padding: int = 0, groups: tuple[int, ...] = (1,) * 5, size: int = 224
) -> Spec:
    """A network of the family without normalisation: what others have in their files."""
    conv1, conv2, conv3, conv4, conv5 = maps
    return Spec(
        name,
        (
            Conv("conv1", conv1, 11, stride=4, padding=padding),
            MaxPool("pool1"),
            Conv("conv2", conv2, 5, padding=2, groups=groups[1]),
            MaxPool("pool2"),
            Conv("conv3", conv3, 3, padding=1, groups=groups[2]),
            Conv("conv4", conv4, 3, padding=1, groups=groups[3]),
            Conv("conv5", conv5, 3, padding=1, groups=groups[4]),
            MaxPool("pool5"),
            Linear("fc6", 4096),
            Linear("fc7", 4096),
            Linear("fc8", None),
        ),
        input_size=size,
    )


WIDE = (96, 256, 384, 384, 256)
NARROW = (64, 192, 384, 384, 256)
NETWORKS = VARIANTS | {
    "tflearn_1000": variant("tflearn", classes=1000),
    "slim": network("slim", NARROW),
    "benchmarks": network("benchmarks", NARROW, size=227),
    "two_branches": network("two_branches", WIDE, padding=2, groups=(1, 2, 2, 2, 2)),
    "d2l": network("d2l", WIDE, padding=1),
}

OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}


def evaluate(expression: str) -> Any:
    """The value of `expression`: numbers, + − × / // **, ceil, and what `alexnet layers` counts; exact fractions."""
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", expression).replace("×", "*").replace("−", "-")
    return value_of(ast.parse(plain, mode="eval").body)


def value_of(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number):
            return Fraction(str(number))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -value_of(operand)
        case ast.BinOp(left=left, op=sign, right=right):
            return OPERATORS[type(sign)](value_of(left), value_of(right))
        case ast.Call(func=ast.Name(id="ceil"), args=[argument]):
            return math.ceil(value_of(argument))
        case ast.Attribute(value=ast.Name(id=name), attr=field):
            return account(NETWORKS[name]).total(field)
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id=name), attr=layer), attr=field):
            return counted(account(NETWORKS[name]), layer, field)
    raise SyntaxError(f"not arithmetic: {ast.unparse(node)}")


def counted(found: Account, layer: str, field: str) -> int:
    (row,) = (row for row in found.rows if row.name == layer)
    extra: dict[str, Callable[[LayerAccount], int]] = {
        "side": lambda row: row.output[-1],
        "inputs": lambda row: row.macs // row.neurons,
    }
    return extra[field](row) if field in extra else int(getattr(row, field))


def equations(row: Erratum) -> list[tuple[str, str, str]]:
    found = []
    for code in codes(row.checked):
        left, sign, right = re.fullmatch(r"(.+) ([=≈]) (.+)", code).groups()  # type: ignore[union-attr]
        found.append((left, sign, right))
    return found


def test_the_evaluator_knows_right_from_wrong() -> None:
    assert evaluate("(224 − 11) // 4 + 1") == 54
    assert evaluate("227 − 11 / 4 + 1") == Fraction("225.25")
    assert evaluate("ceil(213 / 4)") == 54
    assert evaluate("1,000 × 2 ** 3") == 8000
    with pytest.raises(SyntaxError, match="not arithmetic"):
        evaluate("open('file')")


def test_every_row_has_an_id_of_its_own_a_place_and_a_way_it_was_checked() -> None:
    assert len(ERRATA) > 100
    ids = [row.id for row in ERRATA]
    assert len(set(ids)) == len(ids)
    for row in ERRATA:
        assert all(row), row.id
        assert row.kind in KINDS, row.id
        number = int(row.id.split("-")[1])
        assert number == 1 or f"{row.id.split('-')[0]}-{number - 1}" in ids, f"{row.id} leaves a gap"


@pytest.mark.parametrize("row", ARITHMETIC, ids=lambda row: row.id)
def test_the_equations_of_a_row_hold(row: Erratum) -> None:
    assert equations(row), "a row that says arithmetic has equations"
    for left, sign, right in equations(row):
        value, printed = evaluate(left), evaluate(right)
        decimals = len(right.partition(".")[2])
        assert (value if sign == "=" else round(value, decimals)) == pytest.approx(printed, rel=1e-12), left


@pytest.mark.parametrize("row", ARITHMETIC, ids=lambda row: row.id)
def test_the_numbers_that_a_row_calls_true_are_in_its_equations(row: Erratum) -> None:
    used = {number for code in codes(row.checked) for number in long_numbers(code)}
    assert set(long_numbers(row.true)) <= used


TUTORIALS = [row[0] for row in table(TEXT, "name | title, and what it is")]


def test_rows_about_the_tutorials_alone_are_in_the_appendix() -> None:
    page, appendix = TEXT.split("\n## Appendix", 1)
    assert len(TUTORIALS) == 5
    for row in ERRATA:
        said_there = f"\n| {row.id} |" in appendix
        assert said_there == row.where.startswith(tuple(TUTORIALS)), row.id
        assert said_there != (f"\n| {row.id} |" in page), row.id


def test_a_row_about_a_tutorial_names_a_line_of_it() -> None:
    for row in ERRATA:
        for name in TUTORIALS:
            assert row.where.count(name) == len(re.findall(rf"{name} \d+(?:–\d+)?", row.where)), row.id


def test_the_layer_table_is_the_account_of_paper() -> None:
    found = account(VARIANTS["paper"])
    rows = {row.name: row for row in found.rows if row.parameters}
    *printed, total = table(TEXT, "layer | output")
    assert [cell[0] for cell in printed] == list(rows)
    for name, output, neurons, parameters, macs in printed:
        row = rows[name]
        assert output == " × ".join(f"{side:,}" for side in row.output)
        assert (neurons, parameters, macs) == (f"{row.neurons:,}", f"{row.parameters:,}", f"{row.macs:,}")
    assert total[2:] == [f"{found.total(field):,}" for field in ("neurons", "parameters", "macs")]
    size = found.total("parameter_bytes")
    assert not missing(TEXT, f"{size:,} bytes", f"{size / 2**20:.2f} MiB")


def test_the_table_of_networks_is_their_account() -> None:
    printed = table(TEXT, "network | input")
    names = [re.sub(r"`([^`]+)`.*", r"\1", row[0]) for row in printed]
    assert names == list(VARIANTS)
    for name, row in zip(names, printed, strict=True):
        found = account(VARIANTS[name])
        sums = [f"{found.total(field):,}" for field in ("neurons", "parameters", "macs")]
        assert row[1:] == [str(found.input[-1]), *sums], name


def test_the_networks_of_others_are_built_as_they_describe_them() -> None:
    # published totals: torchvision's page, and what Torch's two branches add up to
    assert account(NETWORKS["owt"]).total("parameters") == 61_100_840
    assert account(NETWORKS["two_branches"]).total("parameters") == 60_522_856
