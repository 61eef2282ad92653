"""`alexnet layers` and `alexnet models`: networks as tables."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet.cli.options import json_option
from alexnet.cli.session import Session, common_options
from alexnet.cli.terminal import print_json, print_table, size

if TYPE_CHECKING:
    from alexnet.model.account import Row
    from alexnet.model.spec import Spec

COLUMNS = (
    "layer", "kind", ">output", ">kernel", ">stride", ">padding", ">groups", ">sees",
    ">neurons", ">parameters", ">MACs", ">FLOPs", ">bytes",
)  # fmt: skip


@click.command()
@click.argument("model", default="paper")
@click.option("--input-size", type=int, metavar="N", help="Pixels of the input.  [default: the network's]")
@click.option("--classes", type=int, metavar="N", help="Outputs.  [default: the network's]")
@json_option
@common_options
@click.pass_obj
def layers(session: Session, model: str, input_size: int | None, classes: int | None, as_json: bool) -> None:
    """Print a network layer by layer.

    MODEL is a name (see: alexnet models) or a model directory. "sees" is the side of the receptive field in pixels of
    the input; padding "0, 3" is 0 at the left and top, 3 at the right and bottom; neurons, MACs (multiply-adds) and
    FLOPs (2 × MACs) are for one image; bytes are those of the parameters in fp32.
    """
    from alexnet.model.account import account

    given = {"input_size": input_size, "classes": classes}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    found = account(replace(_spec(session, model), **changes))
    if as_json:
        print_json(found.to_json())
        return
    click.echo(f"{found.model}, input {_shape(found.input)}")
    click.echo()
    sums = [f"{found.total(name):,}" for name in ("neurons", "parameters", "macs", "flops", "parameter_bytes")]
    print_table(COLUMNS, [_cells(row) for row in found.rows], total=["total", *[""] * 7, *sums])
    click.echo()
    outputs = size(found.to_json()["total"]["output_bytes"])
    click.echo(f"Parameters {size(found.total('parameter_bytes'))}, all outputs for one image {outputs}, both in fp32.")


def _spec(session: Session, model: str) -> "Spec":
    from alexnet.model.spec import Spec
    from alexnet.model.variants import VARIANTS, variant

    if model not in VARIANTS and Path(model).exists():
        from alexnet.cli.places import find_model
        from alexnet.weights.model_dir import read_description

        return Spec.from_json(read_description(find_model(session, Path(model)))["spec"])
    return variant(model)


def _cells(row: "Row") -> list[str]:
    def text(number: int | None) -> str:
        return "" if number is None else str(number)

    def count(number: int) -> str:
        return f"{number:,}" if number else ""

    before, after = row.padding or (0, 0)
    padding = "" if row.padding is None else str(before) if before == after else f"{before}, {after}"
    field = "all" if row.receptive_field is None else text(row.receptive_field)
    shape = [_shape(row.output), text(row.kernel), text(row.stride), padding, text(row.groups), field]
    counts = (row.neurons, row.parameters, row.macs, row.flops, row.parameter_bytes)
    return [row.name, row.kind, *shape, *map(count, counts)]


def _shape(sizes: tuple[int, ...]) -> str:
    return " × ".join(f"{each:,}" for each in sizes)


@click.command()
@json_option
@common_options
def models(as_json: bool) -> None:
    """List the networks by name."""
    from alexnet.model.account import account
    from alexnet.model.variants import VARIANTS

    accounts = {name: account(spec) for name, spec in VARIANTS.items()}
    if as_json:
        rows = [
            {
                "name": name,
                "parameters": accounts[name].total("parameters"),
                "macs": accounts[name].total("macs"),
                "input": list(accounts[name].input),
                "summary": spec.summary,
                "source": spec.source,
            }
            for name, spec in VARIANTS.items()
        ]
        print_json(rows)
        return
    print_table(
        ["model", ">parameters", ">MACs", ">input"],
        [
            [name, f"{found.total('parameters'):,}", f"{found.total('macs'):,}", _shape(found.input)]
            for name, found in accounts.items()
        ],
    )
    for name, spec in VARIANTS.items():
        click.echo(f"\n{name}: {spec.summary}\n  Source: {spec.source}")
