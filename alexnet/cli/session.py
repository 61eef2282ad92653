"""What holds for one call of the command, whichever verb: how much it says, and where the environment points."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from alexnet.cli.terminal import shown
from alexnet.home import home as home

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Session:
    """The switches that every verb has; `click.pass_obj` hands it to the verb."""

    quiet: bool = False
    progress: bool = True
    debug: bool = False
    shared: bool = False  # whether this process is one of several that work together
    verb: str = ""
    speaks: bool = True  # whether it is the one of them that says what came out

    def note(self, text: str) -> None:
        """Says something in passing, on standard error."""
        if not self.quiet:
            click.echo(shown(text), err=True)

    def warn(self, text: str) -> None:
        """Says what makes a result doubtful, on standard error, quiet or not."""
        if self.speaks:
            click.echo(shown(f"warning: {text}"), err=True)


def _switch(field: str, value: bool, *names: str, text: str) -> Callable[[F], F]:
    """An option without a value that sets a field of the session."""

    def switch(ctx: click.Context, param: click.Parameter, given: bool) -> None:
        if given:
            setattr(ctx.obj, field, value)

    return click.option(*names, is_flag=True, expose_value=False, callback=switch, help=text)


def common_options(verb: F) -> F:
    """Adds -q and --debug, which every verb has."""
    verb = _switch("debug", True, "--debug", text="Show where an error came from.")(verb)
    return _switch("quiet", True, "-q", "--quiet", text="No progress, no remarks.")(verb)


def progress_options(verb: F) -> F:
    """Adds --no-progress, and what every verb has."""
    return _switch("progress", False, "--no-progress", text="Plain lines instead of moving bars.")(common_options(verb))


def offline() -> bool:
    """Whether ALEXNET_OFFLINE forbids the network."""
    return os.environ.get("ALEXNET_OFFLINE", "0") not in ("", "0")
