"""`alexnet train`: a network from a store or from photographs, or the rest of a run that stopped."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from alexnet.cli.options import (
    PATH,
    NumberRange,
    from_option,
    max_pixels_option,
    place_options,
    settings_given,
    workers_option,
)
from alexnet.cli.pictures import draw_curves
from alexnet.cli.session import Session, progress_options
from alexnet.cli.team import device_of, run_before, towers_option, wait_option, working_together
from alexnet.cli.terminal import counted, percent, print_json
from alexnet.errors import ConfigError
from alexnet.training.recipe import Recipe, load_recipe, parse_setting
from alexnet.training.recipes import RECIPES, recipe, usual

if TYPE_CHECKING:
    from alexnet.data.store import Store
    from alexnet.model.spec import Spec
    from alexnet.training.run import Run
    from alexnet.training.team import Team
    from alexnet.training.train import Runtime
    from alexnet.weights.model_dir import Model

FEW = 20_000  # photographs, with which the recipe of the paper's million seldom begins to learn
SHORTHANDS = ("model", "epochs", "batch_size", "lr", "seed")
# What a resumed run may be told anew; all else is what it started with.
RESUMABLE = {
    "data", "moved", "resumed", "epochs", "minutes", "device", "dtype", "threads", "workers", "save_every", "compile",
    "wait", "towers",
}  # fmt: skip

_width = max(map(len, RECIPES))
RECIPE_LINES = "\n".join(f"  {name:{_width}}  {text}" for name, (_, text) in RECIPES.items())


@click.command(
    epilog=f"\b\nRecipes (alexnet recipes tells more):\n{RECIPE_LINES}\n\n"
    "DATA is a store, a folder of class folders, or the name of a source; photographs are prepared once, into "
    "ALEXNET_HOME. Ctrl-C finishes the step, saves, and says how to go on."
)
@click.argument("data", required=False)
@click.option(
    "-m", "--model", "-a", "--arch", metavar="NAME", help="The network (see: alexnet models).  [default: the recipe's]"
)
@click.option(
    "--recipe",
    "recipe_name",
    metavar="NAME|FILE.json",
    help="How to train.  [default: paper; with --init-from: finetune]",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting; see: alexnet recipes.",
)
@click.option("--epochs", metavar="N", help="Short for --set epochs=N; with --resume, a new end of the run.")
@click.option("--minutes", type=NumberRange(min=0), metavar="M", help="Stop after so long, saved, to be resumed.")
@click.option("-b", "--batch-size", metavar="N", help="Short for --set batch_size=N.")
@click.option("--lr", metavar="RATE", help="Short for --set lr=RATE.")
@click.option("--seed", metavar="N", help="Short for --set seed=N.")
@click.option("-o", "--out", "--output", type=PATH, help="The run directory.  [default: runs/MODEL-RECIPE]")
@from_option
@click.option("--side", type=int, metavar="N", help="Pixels of a photograph.  [default: 256, or --init-from's]")
@click.option("--input-size", type=int, metavar="N", help="Pixels of the crops.  [default: the network's]")
@max_pixels_option
@click.option("--classes", type=int, metavar="N", help="Outputs, which must be the data's.  [default: the data's]")
@click.option("--init-from", type=PATH, metavar="MODEL|FILE", help="Start with trained weights: fine-tuning.")
@click.option("--freeze", default="", metavar="LAYERS", help="Leave layers as they are, e.g. conv1,conv2.")
@click.option("--overfit", type=click.IntRange(min=1), metavar="N", help="Self-test: learn N photographs by heart.")
@click.option(
    "--save-every",
    type=NumberRange(min=0),
    default=120,
    show_default=True,
    metavar="SECONDS",
    help="Between two checkpoints.",
)
@click.option("--resume", "resumed", type=PATH, metavar="RUN", help="Go on with a run that stopped.")
@click.option("--data", "moved", type=PATH, metavar="STORE", help="With --resume: the store, if it has moved.")
@click.option("--print-recipe", is_flag=True, help="Print the settings as JSON and stop; --recipe reads such a file.")
@click.option("--compile", is_flag=True, help="On a GPU: join small operations by torch.compile.")
@towers_option("Under torchrun: 2 makes every two processes hold one network, half each, as on the two GPUs of 2012.")
@wait_option
@place_options
@workers_option("Threads that assemble batches; 0: one, four on a GPU.")
@progress_options
@click.pass_context
def train(ctx: click.Context, /, data: str | None, resumed: Path | None, print_recipe: bool, **options: Any) -> None:
    """Train a network on DATA.

    The run directory gets the settings, logs, checkpoints and, at the end, the model of the lowest validation error.
    """
    session: Session = ctx.obj
    if resumed is not None:
        if data is not None and options["moved"] is not None:
            raise ConfigError("With --resume the store is given once, as DATA or with --data; leave one out.")
        with working_together(session, options["wait"], options["towers"]) as team:
            _resume(ctx, session, resumed, options["moved"] or (Path(data) if data else None), team)
        return
    if options["moved"] is not None:
        raise ConfigError("--data goes with --resume; to start a run, give DATA without it.")
    name = options["recipe_name"] or usual(options["init_from"] is not None)
    chosen = resolve(name, options["settings"], {name: options[name] for name in SHORTHANDS})
    freeze = tuple(filter(None, options["freeze"].split(",")))
    if print_recipe:
        from alexnet.training.plan import frozen

        print_json(frozen(chosen, freeze).to_json())
        return
    if data is None:
        raise click.UsageError("Missing argument 'DATA': a store, a folder of class folders, or a source.", ctx)
    with working_together(session, options["wait"], options["towers"]) as team:
        before = run_before(team, options["out"])
        if before is None:
            _start(session, data, chosen, freeze, options, team)
        else:
            _take_up(session, before, None, _runtime(options, team))


def resolve(name: str, assignments: tuple[str, ...], shorthands: dict[str, str | None]) -> Recipe:
    """The recipe of that name or in that file, with settings changed by --set and by options of their own."""
    path = Path(name)
    if path.suffix == ".json":
        try:
            chosen = load_recipe(path)
        except FileNotFoundError:
            raise ConfigError(
                f"There is no recipe file {name}; a name without .json is one of: {', '.join(RECIPES)}."
            ) from None
    else:
        chosen = recipe(name)
    return chosen.updated(settings_given(assignments, shorthands))


def _start(
    session: Session, data: str, chosen: Recipe, freeze: tuple[str, ...], options: dict[str, Any], team: "Team"
) -> None:
    from alexnet.cli.places import find_start
    from alexnet.training.named import check_network
    from alexnet.training.train import placement_for

    runtime = _runtime(options, team)
    placement_for(runtime)  # what is not to be had should not wait for the data
    start = find_start(session, options["init_from"]) if options["init_from"] else None
    if start is not None:
        asked = settings_given(options["settings"], {"model": options["model"]}).get("model")
        check_network(asked, start, chosen)
        chosen = replace(chosen, model=start.net.spec.name)
    spec = _spec(chosen, start, options["input_size"])
    reading = partial(_store, session, data, options["location"], options["max_pixels"])
    store = team.leader_first("prepare", lambda: reading(options["side"], spec.input_size, start))
    classes = options["classes"]
    spec = replace(spec, classes=len(store.classes) if classes is None else classes)
    out = options["out"] or Path("runs") / f"{spec.name}-{chosen.name}"
    how = {"init_from": start, "freeze": freeze, "overfit": options["overfit"] or 0}
    said = _remarks(chosen, len(store.split("train")), options["recipe_name"] is not None)
    run = run_training(session, store, spec, chosen, out, runtime, said, **how)
    if session.speaks:
        _finish(session, run, store)


def _remarks(chosen: Recipe, images: int, asked: bool) -> list[str]:
    """What a person should know of the recipe, which was `asked` for or is the default, on so many photographs."""
    said = []
    if not asked and chosen.name == "finetune":
        said.append("Recipe   finetune, for there are trained weights to start from; --recipe takes another.")
    if not asked and chosen.name == "paper" and images < FEW:
        said.append(
            f"Hint     {counted(images, 'photograph')} are few for the paper's recipe; try --recipe small, or start "
            "from trained weights (--init-from)."
        )
    if chosen.warmup > chosen.epochs / 4:
        warmup, rate = chosen.warmup, f"{chosen.lr:g}"
        rises = f"rises to {rate} over {counted(int(warmup) if warmup.is_integer() else warmup, 'epoch')}"
        if warmup == chosen.epochs:
            told = f"reaches {rate} only at the end of the run"
        elif warmup < chosen.epochs:
            told = f"{rises}, and the run has {counted(chosen.epochs, 'epoch')}"
        else:
            told = f"{rises}, and the run ends before, so it never gets beyond {chosen.epochs / warmup * chosen.lr:g}"
        said.append(f"Hint     the rate {told}; --set warmup={chosen.epochs / 10:g} lets it rise sooner.")
    return said


def _store(
    session: Session,
    data: str,
    location: Path | None,
    max_pixels: int | None,
    side: int | None,
    crop: int,
    start: "Model | None",
) -> "Store":
    """The store of DATA; photographs are prepared to `side`, and as the model to start from takes them.

    Without a side it is the model's or the usual one; where crops would not fit into that, one that leaves crops of
    `crop` pixels as much room. Raises ConfigError before any work for a side that they do not fit into.
    """
    from alexnet.cli.places import find_store, is_store
    from alexnet.data.preparation import DEFAULT, SIDES
    from alexnet.weights.sizes import at_any_side

    wanted = DEFAULT if start is None else start.preparation
    own = wanted.side
    if not is_store(data):
        room = -(-crop * DEFAULT.side // 224)
        fitting = side is None and crop > own and room <= SIDES[1]
        side = room if fitting else own if side is None else side
        if crop > side:
            larger = "raise --side or " if crop <= SIDES[1] else ""
            raise ConfigError(
                f"Crops of {crop} × {crop} pixels do not fit into photographs of {side} pixels; {larger}lower "
                "--input-size."
            )
        if start is not None and side != own and not at_any_side(start):
            raise ConfigError(
                f"The model to start from has a mean image of {own} × {own} pixels, and photographs of {side} × "
                f"{side} do not fit it; leave --side out, and keep --input-size to {own} at most."
            )
        if fitting:
            session.note(
                f"Photographs are prepared to {side} × {side} pixels, for crops of {crop}; --side takes others."
            )
    wanted = wanted if side is None else replace(wanted, side=side)
    store = find_store(session, data, location, wanted, max_pixels)
    found = store.preparation.side
    if side not in (None, found):
        raise ConfigError(
            f"{data} is a store already, of photographs of {found} × {found} pixels, not {side} × {side}; leave --side "
            "out, or give the photographs in place of the store."
        )
    return store


def run_training(
    session: Session,
    store: "Store",
    spec: "Spec",
    chosen: Recipe,
    out: Path,
    runtime: "Runtime",
    remarks: Sequence[str] = (),
    **how: Any,
) -> "Run":
    """The finished run, its progress shown, and `remarks` when it starts."""
    from alexnet.cli.progress import Meter
    from alexnet.training.events import Event, Started
    from alexnet.training.train import train

    with Meter(session) as meter:

        def listen(event: Event) -> None:
            meter.training(event)
            for remark in remarks if isinstance(event, Started) else ():
                meter.line(remark)

        return train(store, spec, chosen, out, runtime=runtime, listener=listen, **how)


def _spec(chosen: Recipe, start: "Model | None", input_size: int | None) -> "Spec":
    """The recipe's network; with a model to start from, that model's."""
    from alexnet.model.options import with_options
    from alexnet.model.variants import variant

    spec = variant(chosen.model) if start is None else start.net.spec
    return with_options(spec, input_size=input_size, **chosen.network_options)


def _resume(ctx: click.Context, session: Session, path: Path, moved: Path | None, team: "Team") -> None:
    from alexnet.training.run import open_run
    from alexnet.training.train import Runtime

    given = {name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    if surplus := given - RESUMABLE:
        names = ", ".join(max(param.opts, key=len) for param in ctx.command.params if param.name in surplus)
        raise ConfigError(
            f"{names} cannot change in a run that has begun; leave it out, or train anew without --resume."
        )
    told = team.by_leader(lambda: open_run(path).read("run.json"))
    own = Runtime(team=team).of_run(told)
    kept = {name: getattr(own, name) for name in ("device", "dtype", "threads") if name not in given}
    asked = ctx.params["epochs"]
    epochs = None if asked is None else parse_setting("epochs", asked, int)
    _take_up(session, path, moved, _runtime({**ctx.params, **kept}, team), epochs)


def _take_up(session: Session, path: Path, moved: Path | None, runtime: "Runtime", epochs: int | None = None) -> None:
    from alexnet.cli.progress import Meter
    from alexnet.data.store import Store
    from alexnet.training.train import resume

    with Meter(session) as meter:
        run = resume(path, runtime=runtime, data=moved, epochs=epochs, listener=meter.training)
    if session.speaks:
        _finish(session, run, Store.open(moved or run.read("run.json")["data"]))


def _runtime(options: dict[str, Any], team: "Team") -> "Runtime":
    from alexnet.training.train import Runtime

    return Runtime(
        device=device_of(options["device"]),
        dtype=options["dtype"],
        threads=options["threads"],
        workers=options["workers"],
        save_every=options["save_every"],
        minutes=options["minutes"],
        compile=options["compile"],
        team=team,
    )


def _finish(session: Session, run: "Run", store: "Store") -> None:
    """Says where everything lies, how good it is, and what to type next."""
    from alexnet.weights.model_dir import read_description

    if not run.model.exists():  # the minutes were over before an epoch was
        click.echo(f"Run      {run.path}, without a model yet: no epoch is finished")
        return
    provenance = read_description(run.model)["provenance"]
    errors = provenance["errors"]
    click.echo(f"Run      {run.path}")
    click.echo(f"Model    {run.model}, weights of {provenance['weights_of']}")
    if "val_top1_error" in errors:
        told = errors.get("val_top5_error")
        top5 = "" if told is None else f", {percent(told)} top-5"
        click.echo(f"Error    {percent(errors['val_top1_error'])} top-1{top5}, on the validation photographs")
    draw_curves(session, run.path)
    unseen = next((f" --split {split}" for split in ("test", "val") if split in store.splits), " --split train")
    model = quote(str(run.model))
    session.note(f"Next     alexnet evaluate {model} {quote(str(store.path))}{unseen}")
    session.note(f"         alexnet predict {model} PHOTOGRAPH")
