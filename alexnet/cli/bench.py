"""`alexnet bench`: how fast the project is on this machine."""

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, run
from typing import Any

import click

from alexnet.cli.options import PATH, NumberRange, json_option, place_options, placed
from alexnet.cli.session import Session, common_options
from alexnet.cli.terminal import counted, percent, print_json, print_table, size
from alexnet.errors import AlexNetError, ConfigError
from alexnet.process import ALLOCATORS, describe_memory

# What can be measured, and on how many images at once.
BATCH_SIZES = {
    "step": 128,
    "train": 128,
    "loader": 128,
    "prepare": None,
    "predict": 128,
    "features": None,
    "show": None,
    "lrn": 32,
    "linear": 128,
}
TITLES = {
    "step": "the training step on noise: forward, loss, backward, update; its ceilings beside it",
    "train": "the loop of `alexnet train` from a store, in turns with the bare step",
    "loader": "training batches from a store: crop, mirror, colour noise, mean and space to depth",
    "prepare": "photographs of 500 × 375 pixels into a store",
    "predict": "answers: in batches, for one photograph, from a cold start",
    "features": "the last hidden layer of a store's photographs onto the disk, in turns with `alexnet evaluate`",
    "show": "pictures by `alexnet show`, from a cold start",
    "lrn": "response normalisation behind the first layer, alone and fused",
    "linear": "the products of the fully connected layers, by each of the routes that a run chooses from",
}
COLUMNS = ("", ">batch", "dtype", ">median", ">spread", ">peak memory", "")


_LINES = "\n".join(f"  {name:8} {text}" for name, text in TITLES.items())


@click.command(
    epilog=f"\b\nMeasurements:\n{_LINES}\n\n"
    "One measurement runs in this process; several run one after the other, each in a process of its own, so that peak "
    "memory is that of one."
)
@click.argument("what", nargs=-1, type=click.Choice(list(BATCH_SIZES)), metavar="[WHAT]...")
@click.option("-m", "--model", default="paper", show_default=True, metavar="LIST", help="Networks, like paper,owt.")
@click.option("--input-size", type=int, metavar="N", help="Pixels of the input.  [default: the network's]")
@click.option(
    "-b", "--batch-sizes", metavar="LIST", help="Images at once, like 1,8,32,128,512.  [default: 128; lrn: 32]"
)
@click.option(
    "--rounds", type=click.IntRange(min=1), default=3, show_default=True, metavar="N", help="Samples of each."
)
@click.option(
    "--seconds",
    type=NumberRange(min=0),
    default=1,
    show_default=True,
    metavar="SECONDS",
    help="Length of a round at least; one call at least.",
)
@click.option("--data", type=PATH, help="A store (train, loader) or a folder (prepare).  [default: made for it]")
@place_options
@json_option
@common_options
@click.pass_obj
def bench(session: Session, /, what: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Measure speed and memory on this machine.

    Without a name, everything is measured; that takes several minutes. Figures are medians over the rounds; the spread
    is from the lowest to the highest. Run nothing else meanwhile.
    """
    if options["data"] is not None and not (len(what) == 1 and what[0] in ("train", "loader", "prepare")):
        raise ConfigError("--data goes with one of train, loader and prepare; name it, or leave --data out.")
    models = options.pop("model").split(",")
    jobs = [
        (name, model, count)
        for name in what or BATCH_SIZES
        for model in models
        for count in _batch_sizes(name, options["batch_sizes"])
    ]
    if len(jobs) == 1:
        found = _measure(*jobs[0], **options)
    else:
        found = {"machine": None, "results": []}
        for name, model, count in jobs:
            told = [f"bench {name}", *([model] if len(models) > 1 else []), *([f"batch size {count}"] if count else [])]
            session.note(", ".join(told))
            part = _measure_apart(name, model, count, options)
            found["machine"] = part["machine"] or found["machine"]
            found["results"] += part["results"]
    if as_json:
        print_json({"command": shlex.join(["alexnet", *sys.argv[1:]]), **found})
    else:
        _print(found)


def _batch_sizes(name: str, text: str | None) -> list[int | None]:
    default = BATCH_SIZES[name]
    if text is None or default is None:
        return [default]
    try:
        counts = [int(count) for count in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise ConfigError(f"--batch-sizes takes numbers of images like 1,8,32, not {text!r}.")
    return [*counts]


def _measure(
    name: str,
    model: str,
    batch_size: int | None,
    *,
    input_size: int | None,
    rounds: int,
    seconds: float,
    data: Path | None,
    device: str,
    dtype: str,
    threads: int,
    **_: Any,
) -> dict[str, Any]:
    """Machine and rows, measured in this process."""
    from alexnet.experiments.bench.machine import machine
    from alexnet.experiments.bench.table import BENCHES
    from alexnet.experiments.bench.timing import Rounds
    from alexnet.model.variants import variant

    placement = placed(device, dtype, threads)
    spec = variant(model, input_size=input_size)
    rows = BENCHES[name](
        spec=spec, batch_size=batch_size, placement=placement, rounds=Rounds(rounds, seconds), data=data
    )
    plain = [row.to_json() for row in rows]
    subject = {"bench": name, "model": spec.name, "input_size": spec.input_size, "batch_size": batch_size}
    return {"machine": machine(placement), "results": [{**subject, "rows": plain}]}


def _measure_apart(name: str, model: str, batch_size: int | None, options: dict[str, Any]) -> dict[str, Any]:
    """The same, measured in a process of its own; without rows and with the reason if that process died."""
    allocator = "system" if describe_memory().startswith(ALLOCATORS["system"]) else "keep"
    command = [sys.executable, "-m", "alexnet", "bench", name, "--json", "--allocator", allocator]
    for key, value in {**options, "model": model, "batch_sizes": batch_size}.items():
        if value is not None:
            command += [f"--{key.replace('_', '-')}", str(value)]
    ended = run(command, stdout=PIPE, text=True, check=False)
    if ended.returncode > 0:
        raise AlexNetError(f"Measuring {name} failed, as said above.")
    if ended.returncode:
        error = f"ended by signal {-ended.returncode}, most often for want of memory"
        failed: dict[str, Any] = {"bench": name, "model": model, "batch_size": batch_size, "rows": [], "error": error}
        return {"machine": None, "results": [failed]}
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def _print(found: dict[str, Any]) -> None:
    for line in described(found["machine"]):
        click.echo(line)
    models = {result["model"] for result in found["results"]}
    for name, model in dict.fromkeys((result["bench"], result["model"]) for result in found["results"]):
        results = [result for result in found["results"] if (result["bench"], result["model"]) == (name, model)]
        click.echo()
        click.echo(f"{name}: {TITLES[name]}" + (f"; {model}" if len(models) > 1 else ""))
        print_table(COLUMNS, [cells(row) for result in results for row in result["rows"]])
        for result in results:
            if "error" in result:
                click.echo(f"batch size {result['batch_size']}: {result['error']}")


def described(machine: dict[str, Any] | None) -> list[str]:
    """The machine in lines; none where no measurement came back."""
    if machine is None:
        return []
    commit = f"commit {machine['commit'][:12]}" if machine["commit"] else "no commit"
    commit += " and changes" if machine["changed"] else ""
    cores, threads = counted(machine["cores"], "core"), counted(machine["threads"], "thread")
    found = {"kernels": "kernels", "memory": "memory", "waiting": "threads wait", "convolutions": "answers"}
    return [
        f"{machine['processor']}, {cores}, {threads}; {machine['device']}, {machine['dtype']}",
        "; ".join(f"{title}: {machine[key]}" for key, title in found.items() if key in machine),
        f"alexnet {machine['alexnet']} ({commit}), torch {machine['torch']}, numpy {machine['numpy']}, "
        f"Pillow {machine['pillow']}, simplejpeg {machine['simplejpeg'] or 'none'}, Python {machine['python']}",
    ]


def cells(row: dict[str, Any]) -> list[str]:
    """A row of JSON in words, under `COLUMNS`."""
    facts = ", ".join(FACTS[name](value) for name, value in row["facts"].items() if name in FACTS)
    memory = size(row["peak_memory"]) if row["peak_memory"] else ""
    median, spread = quantity(row["median"], row["unit"]), percent(row["spread"], 0)
    return [row["what"], str(row["batch_size"] or ""), row["dtype"] or "", median, spread, memory, facts]


def quantity(value: float, unit: str) -> str:
    """A median in words: three digits and the unit."""
    if unit == "s":
        return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.2f} s"
    if unit == "FLOP/s":
        return f"{value / 1e9:,.0f} GFLOP/s"
    return f"{value:,.1f} {unit}" if value < 100 else f"{value:,.0f} {unit}"


def share_of_ceiling(value: float) -> str:
    """What a step reaches of the highest rate measured beside it, in words; nothing exceeds a true ceiling."""
    return f"{percent(value)} of the ceiling" if value <= 1 else "faster than what was measured as its ceiling"


FACTS: dict[str, Callable[[float], str]] = {
    "flops_per_second": lambda value: f"{value / 1e9:,.0f} GFLOP/s",
    "multiplied": lambda value: f"{percent(value, 0)} of it multiplied" if value < 1 else "all of it multiplied",
    "share_of_ceiling": share_of_ceiling,
    "page_faults": lambda value: f"{value:,.0f} page faults a step",
    "of_plain": lambda value: f"{value:.3f} × that with F.linear",
    "routes": lambda value: f"{value:.0f} products by other routes than F.linear's",
    "of_bare_step": lambda value: f"{value:.3f} × the bare step",
    "of_its_parts": lambda value: f"{value:.2f} × decoding and forward pass",
    "of_evaluate": lambda value: f"{value:.3f} × evaluate",
    "drawing": lambda value: f"{percent(value)} of it drawing",
    "waiting": lambda value: f"{percent(value)} waiting for data",
    "read": lambda value: f"reading {value:,.0f}/s",
    "measure": lambda value: f"measuring {value:,.0f}/s",
}
