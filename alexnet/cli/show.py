"""`alexnet show`: pictures of a network, of what it computes and of how it learned."""

import click

from alexnet.cli.session import common_options
from alexnet.cli.show_alike import neighbours, units
from alexnet.cli.show_answers import confusion, errors, predictions
from alexnet.cli.show_inside import maps, saliency
from alexnet.cli.show_network import architecture, filters
from alexnet.cli.show_training import curves


@click.group(epilog="Figures are those of the paper. docs/looking.md shows them all.")
@common_options
def show() -> None:
    """Draw pictures of a network, its answers and its training.

    Each picture says its scales and what its colours mean. With --json the numbers drawn are printed instead. All but
    the SVG of `architecture` need the extra `see`: pip install 'alexnet[see]'.
    """


for verb in (
    architecture,
    filters,
    maps,
    saliency,
    units,
    predictions,
    neighbours,
    errors,
    confusion,
    curves,
):
    show.add_command(verb)
