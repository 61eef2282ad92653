"""`alexnet show curves`: how runs learned."""

from pathlib import Path

import click

from alexnet.cli.options import PATH, Number
from alexnet.cli.pictures import Picture, picture_options
from alexnet.cli.session import Session


@click.command()
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="RUN...")
@click.option("--x", "axis", default="epoch", show_default=True, metavar="epoch|images|hours", help="What runs across.")
@click.option(
    "--what", default="error,loss", show_default=True, metavar="LIST", help="Panels, of error, loss, lr and rate."
)
@click.option(
    "--level", type=Number(), metavar="PERCENT", help="Mark an error by a line; figure 1 of the paper marks 25."
)
@picture_options
@click.pass_obj
def curves(
    session: Session, runs: tuple[Path, ...], axis: str, what: str, level: float | None, picture: Picture
) -> None:
    """Draw how runs learned, several on one scale.

    Error and loss, of training and validation, unless --what says otherwise.
    RUN is a run directory, of a run that is finished or still going on.
    """
    from alexnet.show.curves import curves

    picture.check()
    picture.deliver(session, "curves", curves(runs, axis, tuple(filter(None, what.split(","))), level))
