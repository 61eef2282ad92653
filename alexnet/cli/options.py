"""Options that several verbs share, so that they mean the same everywhere."""

import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alexnet.errors import ConfigError
from alexnet.process import ALLOCATORS, set_up, thread_count
from alexnet.training.recipe import parse_assignments

if TYPE_CHECKING:
    from alexnet.model.device import Placement

F = TypeVar("F", bound=Callable[..., Any])


class UserPath(click.Path):
    """A path in which "~" is the user's folder, also where the shell leaves it (--from=~/photographs)."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        return super().convert(os.path.expanduser(value) if isinstance(value, str) else value, param, ctx)


class Number(click.types.FloatParamType):
    """A finite number: click's own takes "nan", which is in every range, and "inf"."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return found


class NumberRange(Number, click.FloatRange):
    """A finite number in a range."""


PATH = UserPath(path_type=Path)


def allocator_option(verb: F) -> F:
    """Adds --allocator, which takes effect before the verb imports torch."""

    def settle(ctx: click.Context, param: click.Parameter, allocator: str) -> None:
        set_up(os.environ, allocator)

    return click.option(
        "--allocator",
        type=click.Choice([*ALLOCATORS]),
        default="keep",
        envvar="ALEXNET_ALLOCATOR",
        show_envvar=True,
        expose_value=False,
        is_eager=True,
        callback=settle,
        help="Freed memory: keep it for the next step, or do as the C library does.",
    )(verb)


def place_options(verb: F) -> F:
    """Adds --device, --dtype, --threads and --allocator: where the network runs, in which numbers, and with what."""

    def threads(ctx: click.Context, param: click.Parameter, given: int) -> int:
        return given or thread_count(os.environ)

    verb = allocator_option(verb)
    verb = click.option(
        "--threads",
        type=click.IntRange(min=0),
        default=0,
        metavar="N",
        callback=threads,
        envvar="ALEXNET_THREADS",
        show_envvar=True,
        help="Processor threads; 0: OMP_NUM_THREADS, or one for each core.",
    )(verb)
    text = "Type of the numbers; auto: bf16 where it is fast."
    verb = click.option("--dtype", default="auto", metavar="auto|fp32|bf16", help=text)(verb)
    return click.option("--device", default="auto", metavar="auto|cpu|cuda|mps", help="Where the network runs.")(verb)


def placed(device: str, dtype: str, threads: int) -> "Placement":
    """What the three options ask for; the threads are set."""
    import torch

    from alexnet.model.device import place

    if threads:
        torch.set_num_threads(threads)
    return place(device, dtype)


def from_option(verb: F) -> F:
    """Adds --from."""
    return click.option("--from", "location", type=PATH, help="The archive or folder of a named source.")(verb)


def reading_options(verb: F) -> F:
    """Adds --splits, --classes, --list and --label-from, which say how a folder's photographs have their classes."""
    texts = {
        "splits": "The upper folders of SOURCE are splits; needed where they could be classes.",
        "classes": "The upper folders of SOURCE are classes; needed where they could be splits.",
        "list": "A list of photographs in SOURCE: path,label[,split[,group]]; path label; or paths alone.",
        "label": "Find the class in each photograph's path: a regular expression, its first parenthesis.",
    }
    verb = click.option("--label-from", metavar="PATTERN", help=texts["label"])(verb)
    verb = click.option("--list", "lists", multiple=True, metavar="[SPLIT=]FILE", help=texts["list"])(verb)
    verb = click.option("--classes", "tops", flag_value="classes", help=texts["classes"])(verb)
    return click.option("--splits", "tops", flag_value="splits", help=texts["splits"])(verb)


def max_pixels_option(verb: F) -> F:
    """Adds --max-pixels, None where it is not given."""
    text = "Larger images are read at reduced scale (JPEG) or refused.  [default: 150000000]"
    return click.option("--max-pixels", type=click.IntRange(min=1), metavar="N", help=text)(verb)


def json_option(verb: F) -> F:
    """Adds --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(verb)


def crops_option(verb: F) -> F:
    """Adds --crops."""
    return click.option(
        "--crops",
        type=click.Choice(["1", "10"]),
        default="1",
        show_default=True,
        help="Views of each photograph: the centre; or centre and corners, mirrored too, averaged as in the paper.",
    )(verb)


def workers_option(text: str) -> Callable[[F], F]:
    """Adds -j, whose meaning is `text`."""
    kind = click.IntRange(min=0)
    return click.option("-j", "--workers", type=kind, default=0, metavar="N", show_default=True, help=text)


def settings_given(assignments: Iterable[str], shorthands: Mapping[str, str | None]) -> dict[str, str]:
    """What --set and the options that are short for it say, as text. Raises ConfigError where they disagree."""
    settings = parse_assignments(assignments)
    for key, value in shorthands.items():
        if value is not None and settings.setdefault(key, value) != value:
            raise ConfigError(
                f"The setting {key} is given twice, as {settings[key]!r} and as {value!r}; leave one out."
            )
    return settings


def pairs(option: str, text: str, kind: Callable[[str], Any]) -> dict[str, Any]:
    """`"val=0.1,test=0.2"` → `{"val": 0.1, "test": 0.2}`. Raises ConfigError, naming the option, for other text."""
    found = {}
    for pair in filter(None, text.split(",")):
        key, _, value = pair.partition("=")
        try:
            found[key.strip()] = kind(value)
        except ValueError:
            raise ConfigError(f"{option} takes name=number pairs like val=0.1,test=0.2, not {pair!r}.") from None
    return found
