"""A network from words: its name or a model directory, and what is to differ."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alexnet.cli.options import settings_given
from alexnet.cli.session import Session
from alexnet.errors import unknown
from alexnet.model.options import OPTIONS, with_options
from alexnet.training.recipe import parse_setting

if TYPE_CHECKING:
    from alexnet.model.spec import Spec

F = TypeVar("F", bound=Callable[..., Any])

_width = max(map(len, OPTIONS))
OPTION_LINES = "\n".join(f"  {name:{_width}}  {option.text}" for name, option in OPTIONS.items())
EPILOG = f"\b\nWhat --set can change:\n{OPTION_LINES}"


def network_options(verb: F) -> F:
    """Adds --set, --input-size and --classes."""
    text = "Change the network, e.g. norm=false; see below."
    verb = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=text)(verb)
    verb = click.option("--classes", metavar="N", help="Short for --set classes=N.")(verb)
    return click.option("--input-size", metavar="N", help="Short for --set input_size=N.")(verb)


def find_network(session: Session, name: str, settings: tuple[str, ...], **shorthands: str | None) -> "Spec":
    """The network called `name`, or of the model directory there, with options changed.

    Raises ConfigError for what is not known or does not fit.
    """
    texts = settings_given(settings, shorthands)
    for key in texts:
        if key not in OPTIONS:
            raise unknown("setting of a network", key, OPTIONS)
    given = {key: parse_setting(key, text, OPTIONS[key].kind) for key, text in texts.items()}
    return with_options(_named(session, name), **given)


def _named(session: Session, name: str) -> "Spec":
    from alexnet.model.spec import Spec
    from alexnet.model.variants import networks, variant

    if name not in networks() and Path(name).exists():
        from alexnet.cli.places import find_model
        from alexnet.weights.model_dir import read_description

        return Spec.from_json(read_description(find_model(session, Path(name)))["spec"])
    return variant(name)
