"""`alexnet layers`: a network as a table."""

from typing import TYPE_CHECKING

import click

from alexnet.cli.network import EPILOG, find_network, network_options
from alexnet.cli.options import json_option
from alexnet.cli.session import Session, common_options
from alexnet.cli.team import towers_option
from alexnet.cli.terminal import print_json, print_table, size
from alexnet.errors import ConfigError

if TYPE_CHECKING:
    from alexnet.model.account import LayerAccount

COLUMNS = (
    "layer", "kind", ">output", ">kernel", ">stride", ">padding", ">groups", ">receptive field",
    ">neurons", ">parameters", ">MACs", ">FLOPs", ">bytes",
)  # fmt: skip


@click.command(epilog=EPILOG)
@click.argument("model", default="paper")
@network_options
@towers_option("Show what passes between two towers beside the arithmetic.")
@click.option("--cross", metavar="LAYERS", help="With --towers: the convolutions that read both, e.g. conv3,conv4.")
@json_option
@common_options
@click.pass_obj
def layers(
    session: Session,
    model: str,
    settings: tuple[str, ...],
    input_size: str | None,
    classes: str | None,
    towers: int,
    cross: str | None,
    as_json: bool,
) -> None:
    """Print a network layer by layer.

    MODEL is a name (see: alexnet models) or a model directory. The receptive field is given by its side, in pixels of
    the input; padding "0, 3" is 0 at the left and top, 3 at the right and bottom; neurons, MACs (multiply-adds) and
    FLOPs (2 × MACs) are for one image; bytes are those of the parameters in fp32.
    """
    from alexnet.model.account import account

    spec = find_network(session, model, settings, input_size=input_size, classes=classes)
    if towers > 1:
        from alexnet.cli.towers import show_towers
        from alexnet.model.crossings import with_crossings

        names = tuple(filter(None, cross.split(","))) if cross is not None else None
        show_towers(spec if names is None else with_crossings(spec, names), as_json)
        return
    if cross is not None:
        raise ConfigError("--cross says where two towers meet; add --towers 2.")
    found = account(spec)
    if as_json:
        print_json(found.to_json())
        return
    click.echo(f"{found.model}, input {shape(found.input)}")
    click.echo()
    sums = [f"{found.total(name):,}" for name in ("neurons", "parameters", "macs", "flops", "parameter_bytes")]
    print_table(COLUMNS, [_cells(row) for row in found.rows], total=["total", *[""] * 7, *sums])
    click.echo()
    outputs = size(found.to_json()["total"]["output_bytes"])
    click.echo(f"Parameters {size(found.total('parameter_bytes'))}, all outputs for one image {outputs}, both in fp32.")


def _cells(row: "LayerAccount") -> list[str]:
    def text(number: int | None) -> str:
        return "" if number is None else str(number)

    def count(number: int) -> str:
        return f"{number:,}" if number else ""

    before, after = row.padding or (0, 0)
    padding = "" if row.padding is None else str(before) if before == after else f"{before}, {after}"
    field = "all" if row.receptive_field is None else text(row.receptive_field)
    where = [shape(row.output), text(row.kernel), text(row.stride), padding, text(row.groups), field]
    counts = (row.neurons, row.parameters, row.macs, row.flops, row.parameter_bytes)
    return [row.name, row.kind, *where, *map(count, counts)]


def shape(sizes: tuple[int, ...]) -> str:
    """The sides of a map as people write them."""
    return " × ".join(f"{each:,}" for each in sizes)
