"""`alexnet models`: the networks by name, one in full, two side by side."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from alexnet.cli.layers import shape
from alexnet.cli.network import EPILOG, find_network, network_options
from alexnet.cli.options import json_option
from alexnet.cli.session import Session, common_options
from alexnet.cli.terminal import print_json, print_table

if TYPE_CHECKING:
    from alexnet.model.compare import Difference, Facts
    from alexnet.model.spec import Spec

CHM = "CHM: the code of 2012 as the Computer History Museum released it, computerhistory/AlexNet-Source-Code."
SMALL = (
    "Not for photographs: small networks of the same authors for CIFAR-10, pictures of 32 × 32 pixels in ten classes,\n"
    "to try ideas on (figure 1 and section 3.3 of the paper)."
)
WORDS = ("name", "summary", "source", "photographs", "errors")  # facts that are printed below a table


@click.command(epilog=EPILOG)
@click.argument("models", nargs=-1, metavar="[MODEL [OTHER]]")
@network_options
@json_option
@common_options
@click.pass_context
def models(
    ctx: click.Context,
    models: tuple[str, ...],
    settings: tuple[str, ...],
    input_size: str | None,
    classes: str | None,
    as_json: bool,
) -> None:
    """List the networks. With MODEL, show one in full; with OTHER, show how the two differ.

    Nine are for photographs. Those of the last table are for CIFAR-10's pictures of 32 × 32 pixels.

    MODEL and OTHER are names or model directories. A setting holds for all networks shown.
    """
    from alexnet.model.cifar import CIFAR
    from alexnet.model.compare import differences
    from alexnet.model.variants import networks

    if len(models) > 2:
        raise click.UsageError("Two networks can be compared, not more.", ctx)
    session: Session = ctx.obj
    shorthands = {"input_size": input_size, "classes": classes}
    specs = [find_network(session, name, settings, **shorthands) for name in models or networks()]
    told = [facts(spec) for spec in specs]
    if len(models) == 2:
        found = differences(*specs)
        if as_json:
            print_json({"models": told, "differences": [vars(each) for each in found]})
        else:
            _print_differences(told, found)
    elif as_json:
        print_json(told)
    elif models:
        _print_table(told)
        _print_words(told)
    else:
        count = len(told) - len(CIFAR)
        _print_table(told[:count])
        _print_summaries(told[:count])
        click.echo(f"\n{SMALL}\n")
        _print_table(told[count:])
        _print_summaries(told[count:])
        click.echo("\nSources, preparation of photographs and published errors of one: alexnet models NAME")


def facts(spec: "Spec") -> dict[str, Any]:
    """What there is to know of a network as a whole, as plain JSON types."""
    from alexnet.model.account import account, smallest_input
    from alexnet.model.variants import VARIANTS
    from alexnet.weights.foreign.published import PUBLISHED

    found = account(spec)
    # what is published holds for the row as it stands
    known = PUBLISHED.get(spec.name) if spec == VARIANTS.get(spec.name) else None
    return {
        "name": spec.name,
        "parameters": found.total("parameters"),
        "macs": found.total("macs"),
        "input": list(found.input),
        "smallest_input": smallest_input(spec),
        "classes": spec.classes,
        "norm": _norm(spec),
        "summary": spec.summary,
        "source": spec.source,
        "photographs": known.in_words if known else {},
        "errors": [asdict(each) for each in known.errors] if known else [],
    }


def _norm(spec: "Spec") -> str:
    """The response normalisation of a network, in letters of the paper."""
    from alexnet.model.spec import ResponseNorm

    norms = [layer for layer in spec.layers if isinstance(layer, ResponseNorm)]
    words = []
    for norm in norms:
        divided = "/n" if norm.convention in ("original", "onnx") else ""
        towers = f", in {norm.towers} towers" if norm.towers > 1 else ""
        words.append(f"n {norm.n}, k {norm.k:g}, α {norm.alpha:g}{divided}, β {norm.beta:g}{towers}")
    return "; ".join(dict.fromkeys(words)) or "none"


def _print_table(told: list[dict[str, Any]]) -> None:
    keys = ("name", "parameters", "macs", "input", "smallest_input", "classes", "norm")
    columns = ["model", ">parameters", ">MACs", ">input", ">at least", ">classes", "LRN"]
    print_table(columns, [[_text(each[key]) for key in keys] for each in told])


def _print_summaries(told: list[dict[str, Any]]) -> None:
    click.echo()
    for each in told:
        click.echo(f"{each['name']}: {each['summary']}")


def _print_differences(told: list[dict[str, Any]], found: "list[Difference]") -> None:
    one, other = told
    rows = [[key, "", _text(one[key]), _text(other[key])] for key in one if key not in WORDS]
    for each in found:
        if each.one is None or each.other is None:
            rows.append([each.layer, "", _whole(each.one), _whole(each.other)])
            continue
        for number, key in enumerate({**each.one, **each.other}):
            rows.append([each.layer if number == 0 else "", key, _text(each.one.get(key)), _text(each.other.get(key))])
    print_table(["", "", one["name"], other["name"]], rows)
    _print_words(told)


def _print_words(told: list[dict[str, Any]]) -> None:
    for each in told:
        click.echo(f"\n{each['name']}: {each['summary']}\n  Source: {each['source']}.")
        for what, how in each["photographs"].items():
            click.echo(f"  {what.capitalize()}: {how}.")
        for error in each["errors"]:
            top = f"{error['top1']:g} % top-1, {error['top5']:g} % top-5"
            views = "centre crop" if error["views"] == 1 else f"{error['views']} crops"
            click.echo(f"  Errors: {top}, {error['data']}, {views} ({error['source']}).")
    if "CHM " in str(told):
        click.echo(f"\n{CHM}")


def _whole(facts: "Facts | None") -> str:
    if facts is None:
        return "–"
    return ", ".join(str(value) if key == "kind" else f"{key} {_text(value)}" for key, value in facts.items())


def _text(value: Any) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
        case (before, after):
            return f"{before}, {after}"
        case list() | tuple():
            return shape(tuple(value))
    return str(value)
