"""The `alexnet` command: its verbs, loaded when they are called, and what becomes of an error."""

import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from keyword import iskeyword
from types import FrameType
from typing import Any, NamedTuple

import click

from alexnet.cli.session import Session, common_options
from alexnet.cli.team import check_shared
from alexnet.cli.terminal import Shown, shown
from alexnet.errors import AlexNetError, unknown, wants_memory
from alexnet.version import VERSION


class Entry(NamedTuple):
    """A verb in the table: the file in this room that defines it, and its line in the help.

    There it has its own name, with an underscore where Python wants the name for itself.
    """

    file: str
    text: str


VERBS: dict[str, dict[str, Entry]] = {
    "First steps": {
        "demo": Entry("demo", "Train, measure and use the network on the built-in pictures, in a few minutes."),
        "doctor": Entry("doctor", "Show what this machine has: versions, processor, kernels, space."),
        "bench": Entry("bench", "Measure speed and memory: training, loading, preparing, predicting."),
        "experiment": Entry("experiment", "Try a claim of the paper again, with several seeds."),
    },
    "Data": {
        "prepare": Entry("prepare", "Turn photographs into a store: resized, packed, measured, split."),
        "data": Entry("data", "Check data, describe a store, download a published set."),
    },
    "Network": {
        "train": Entry("train", "Train a network on a store or on photographs; resume a run."),
        "recipes": Entry("recipes", "List the recipes for training, and what each setting means."),
        "evaluate": Entry("evaluate", "Measure top-1 and top-5 error, with one crop or ten."),
        "predict": Entry("predict", "Name what photographs show."),
        "features": Entry("features", "Write the stages of a network for many photographs, as .npy files."),
        "search": Entry("search", "Find the photographs most like others, by their features."),
        "show": Entry("show", "Draw pictures of a network, its answers and its training."),
        "serve": Entry("serve", "Answer over HTTP, with a page to look inside a network, offline."),
        "import": Entry("import_", "Make a model of another program's weights: torchvision, Caffe, ONNX, npy."),
        "export": Entry("export", "Write a model for other programs: ONNX, torch.export, safetensors, torchvision."),
        "weights": Entry("weights", "Keep published weights: fetch or add a file, check it, list them."),
        "layers": Entry("layers", "Print a network layer by layer: shapes, parameters, multiply-adds."),
        "models": Entry("models", "List the networks; show one, or the differences between two."),
    },
}
ALIASES = {"eval": "evaluate", "val": "evaluate"}
_FILES = {name: entry.file for verbs in VERBS.values() for name, entry in verbs.items()}


class Verbs(click.Group):
    """The group of all verbs, and the boundary at which every error becomes one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the verbs in the order of the table."""
        return list(_FILES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, imported now."""
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in _FILES:
            return None
        verb: click.Command = getattr(import_module(f"alexnet.cli.{_FILES[name]}"), name + "_" * iskeyword(name))
        return verb

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, but an unknown verb is our error, which names the nearest."""
        if not args[0].startswith("-") and args[0] not in {*_FILES, *ALIASES}:
            raise unknown("command", args[0], _FILES)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs by section, without importing any."""
        for section, verbs in VERBS.items():
            with formatter.section(section):
                formatter.write_dl([(name, entry.text) for name, entry in verbs.items()])

    def main(self, *args: Any, **extra: Any) -> Any:
        """Runs the verb and exits: with what it returns as status, or 0."""
        session = Session()
        extra |= {"prog_name": "alexnet", "standalone_mode": False, "obj": session}
        try:
            with _terminable():
                status = super().main(*args, **extra)
        except Exception as error:
            if session.debug:
                traceback.print_exc()
            sentence, status = _verdict(error, session.verb)
            if str(error) or not isinstance(error, AlexNetError):  # else another process says it
                click.echo(f"alexnet: {shown(sentence)}", err=True)
        if session.shared:
            # PyTorch's clean-up would wait for processes that are gone; and a thread of its transfers that is not done
            # when the interpreter ends aborts the process, of a finished run too
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status or 0)
        sys.exit(status or 0)


WANT_OF_MEMORY = "The memory does not suffice. "
LESS_MEMORY = {  # what a verb can do with less
    "train": "Train in parts with --set accumulate=4, or with a smaller --batch-size; ",
    "prepare": "Prepare with fewer workers (-j 1); ",
    "predict": "Ask with a smaller --batch-size; ",
}

NO_THREAD = (
    "The system starts no further thread, for want of memory or because of a limit; end other programs, or raise the "
    "limits (ulimit -v, ulimit -u)."
)


class Terminated(AlexNetError):
    """SIGTERM came where nothing answers it otherwise."""

    exit_code = 128 + signal.SIGTERM


@contextmanager
def _terminable() -> Iterator[None]:
    """Makes SIGTERM, unless it is ignored, an error of the block, so that workers and temporary files go with it."""
    ignored = signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    if ignored or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise _Stop

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except _Stop:
        raise Terminated("stopped by SIGTERM; what can be continued is kept: give the same command again") from None
    finally:
        signal.signal(signal.SIGTERM, before)


class _Stop(BaseException):
    """Passes by all that only means to handle errors."""


def _verdict(error: Exception, verb: str = "") -> tuple[str, int]:
    """The sentence shown for an error of a verb, and the exit status."""
    if wants_memory(error):
        less = LESS_MEMORY.get(ALIASES.get(verb, verb), "")
        return f"error: {WANT_OF_MEMORY}{less + 'end' if less else 'End'} other programs.", 1
    match error:
        case AlexNetError(exit_code=code) if code > 128:  # a signal stopped it, as was asked for
            return str(error), code
        case AlexNetError(exit_code=code):
            return f"error: {error}", code
        case click.exceptions.Abort():
            return "interrupted", 130
        case click.UsageError(ctx=click.Context() as ctx):
            return f"error: {error.format_message()} (See {ctx.command_path} --help.)", error.exit_code
        case click.ClickException():
            return f"error: {error.format_message()}", error.exit_code
        case RuntimeError() if "can't start new thread" in str(error):
            return f"error: {NO_THREAD}", 1
        case OSError(filename=str() as name):
            return f"error: {name}: {error.strerror}.", 1
    return f"error: unexpectedly, {type(error).__name__}: {error}. Run again with --debug to see where.", 1


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every verb has its own --help. Start with: alexnet demo",
)
@click.version_option(VERSION, prog_name="alexnet", message="%(prog)s %(version)s")
@common_options
@click.pass_context
def cli(ctx: click.Context) -> None:
    """The network of Krizhevsky, Sutskever and Hinton (2012): prepare photographs, train it, measure it, use it."""
    ctx.obj.verb = ctx.invoked_subcommand or ""
    check_shared(ctx.invoked_subcommand)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> None:
    """The entry point of the command."""
    # torch makes 250,000 objects that stay: looking for garbage among them is a quarter of a short command's time
    gc.set_threshold(50_000)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (for as long as the process lasts)
    if sys.stdout is None:
        sys.exit("alexnet: error: Standard output is closed; for no output at all, send it to /dev/null.")
    for stream in (sys.stdout, sys.stderr):
        # the name of a file may hold what the terminal's encoding does not
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stdout = Shown(sys.stdout)
    try:
        cli()
    finally:
        gc.freeze()  # nor is there a reason to look when the process ends
