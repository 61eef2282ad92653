"""A network in two towers as a table: what each holds, and what passes between them beside the arithmetic."""

from typing import TYPE_CHECKING, Any

import click

from alexnet.cli.terminal import percent, print_json, print_table

if TYPE_CHECKING:
    from alexnet.model.spec import Spec

COLUMNS = (
    "layer",
    "kind",
    "each holds",
    "reads",
    ">bytes",
    ">of all bytes",
    ">MACs",
    ">of all MACs",
    ">bytes per 1,000 MACs",
)
BYTES = 2  # of a number in bf16


def show_towers(spec: "Spec", as_json: bool) -> None:
    """Prints the table, or the same as JSON."""
    rows, total = _rows(spec)
    if as_json:
        print_json({"model": spec.name, "input": spec.input_size, "layers": rows, "total": total})
        return
    click.echo(f"{spec.name} in two towers, for one image, forward and backward")
    click.echo()
    sums = [f"{total['bytes']:,}", "100 %", f"{total['macs']:,}", "100 %", f"{total['bytes_per_1000_macs']:.3f}"]
    print_table(COLUMNS, [_cells(row, total) for row in rows], total=["total", "", "", "", *sums])
    click.echo()
    click.echo(
        f"Each tower gives the other {total['bytes'] / 1e3:.1f} KB for an image, in bf16. MACs are those of one tower:"
    )
    click.echo("of the outputs, of the gradients of weights and, but for the first layer, of the gradients of inputs.")


def _rows(spec: "Spec") -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from alexnet.model.account import account
    from alexnet.model.crossings import TOWERS, Crossing, crossings, shares
    from alexnet.model.spec import Conv, Linear

    crossed = crossings(spec)
    rows: list[dict[str, Any]] = []
    first = True
    for layer, row in zip(spec.layers, account(spec).rows, strict=True):
        crossing = crossed.get(row.name, Crossing())
        if not row.macs and not crossing.both:
            continue
        holds = reads = ""
        if isinstance(layer, Conv | Linear):
            units = row.output[0]
            halves = sorted(set(shares(units)), reverse=True)
            holds = " or ".join(f"{half:,}" for half in halves) + (" maps" if isinstance(layer, Conv) else " units")
            reads = "the image" if first else "both" if crossing.both else "its own"
        elif crossing.both:
            reads = "both, at the border"
        passes = 2 if first else 3
        rows.append(
            {
                "name": row.name,
                "kind": row.kind,
                "holds": holds,
                "reads": reads,
                "bytes": BYTES * crossing.both,
                "macs": passes * row.macs // TOWERS,
            }
        )
        first = first and not row.macs
    logits = {"name": "logits", "kind": "loss", "holds": "", "reads": "both"}
    rows.append({**logits, "bytes": BYTES * crossed["logits"].both, "macs": 0})
    total: dict[str, Any] = {key: sum(row[key] for row in rows) for key in ("bytes", "macs")}
    for sums in (*rows, total):
        sums["bytes_per_1000_macs"] = 1000 * sums["bytes"] / sums["macs"] if sums["macs"] else None
    return rows, total


def _cells(row: dict[str, Any], total: dict[str, Any]) -> list[str]:
    cells = [row["name"], row["kind"], row["holds"], row["reads"]]
    for key in ("bytes", "macs"):
        cells += [f"{row[key]:,}", percent(row[key] / total[key])] if row[key] else ["", ""]
    ratio = row["bytes_per_1000_macs"]
    return [*cells, f"{ratio:.3f}" if ratio else ""]
