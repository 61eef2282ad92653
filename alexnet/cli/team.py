"""Options and switches of the verbs that several processes, started by `torchrun`, work on together."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alexnet.cli.options import NumberRange
from alexnet.cli.session import Session
from alexnet.errors import ConfigError
from alexnet.process import seat

if TYPE_CHECKING:
    from alexnet.training.team import Team

F = TypeVar("F", bound=Callable[..., Any])
SHARED = {"train", "evaluate", "eval", "val"}  # verbs that share out their work


def check_shared(verb: str | None) -> None:
    """Raises ConfigError where `torchrun` has started several processes of a verb that is for one."""
    if verb and verb not in SHARED and (size := seat(os.environ).size) > 1:
        raise ConfigError(
            f"alexnet {verb} does not share out its work, and here are {size} processes of it; run it once, without "
            "torchrun."
        )


def wait_option(verb: F) -> F:
    """Adds --wait."""
    return click.option(
        "--wait",
        type=NumberRange(min=1),
        default=60,
        show_default=True,
        metavar="SECONDS",
        help="Under torchrun: how long a process waits for another; longer than a checkpoint takes to write.",
    )(verb)


def towers_option(text: str) -> Callable[[F], F]:
    """Adds --towers, whose meaning is `text`."""
    return click.option("--towers", type=click.IntRange(1, 2), default=1, metavar="1|2", help=text)


@contextmanager
def working_together(session: Session, wait: float, towers: int = 1) -> Iterator["Team"]:
    """The team of this process for the block; all but the leader are quiet."""
    from alexnet.training.team import open_team

    here = seat(os.environ)
    session.shared = here.size > 1
    session.quiet |= here.rank > 0
    session.speaks = here.rank == 0
    with open_team(here, wait=wait, towers=towers) as team:
        yield team


def device_of(asked: str) -> str:
    """The device for this process: each process on a machine takes a GPU of its own."""
    import torch

    here = seat(os.environ)
    shared = here.size > 1 and asked in ("auto", "cuda") and torch.cuda.is_available()
    return f"cuda:{here.local_rank}" if shared else asked


def run_before(team: "Team", out: Path | None) -> Path | None:
    """The run that the processes before a restart have left a checkpoint of, to be taken up; the same for all."""
    from alexnet.training.run import Run

    def find() -> Path | None:
        told = team.recall("run")
        found = Path(told) if told else out
        return found if found is not None and Run(found).last.is_file() else None

    return team.by_leader(find) if seat(os.environ).attempt else None
