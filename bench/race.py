"""A race on one set: test error against minutes, of this project and of torchvision's alexnet, from a folder on.

    .venv/bin/python bench/race.py search FOLDER --epochs 4       # three rates each, on held-out photographs
    .venv/bin/python bench/race.py run FOLDER --minutes 60        # at the best rates; let nothing else run
    .venv/bin/python bench/race.py draw docs/race.svg             # the curves of the record

FOLDER has train/ and test/ (or val/), each with a folder for each class. Both programs get the same photographs and
threads; weights are kept on the way and measured when the race is over, all at once, so that no time goes to measuring
and nothing is chosen by it. A pilot of some minutes tells how many epochs fit. The search measures no speed, so there
torchvision's network has its maps channels-last, which changes no sum and is faster. The record is
results/race/imagenette.json.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from alexnet.cli import pictures
from alexnet.model.device import place
from alexnet.show.bundles import Bundle, Bundles
from alexnet.show.figures.sheet import save
from alexnet.training.run import environment

ROOT = Path(__file__).parents[1]
PYTHON = {"ours": ROOT / ".venv/bin/python", "torchvision": ROOT / "bench/.venv/bin/python"}
RATES = {"ours": (0.003, 0.006, 0.012), "torchvision": (0.003, 0.01, 0.03)}  # around those of recipe and reference
NAMES = {"ours": "this project", "torchvision": "torchvision's alexnet"}
SEARCH_SEED = 100
EVERY = 10  # of the training photographs of a class, the first of so many is held out in the search
POINTS = 12  # of a curve, as many as the weights kept
PILOT, PILOT_POINTS = 1 / 20, 4  # of the minutes of the race
RECORD = ROOT / "results" / "race" / "imagenette.json"


def main() -> None:
    """Runs what is asked for; the record is read and written by each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("search", "run", "draw"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "race")
    parser.add_argument("--epochs", type=int, help="in the search; in the race, those that fit are found out")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--record", type=Path, default=RECORD)
    arguments = parser.parse_args()
    record: dict[str, Any] = json.loads(arguments.record.read_text()) if arguments.record.exists() else {}
    if arguments.what == "draw":
        draw(record["race"], arguments.path)
    elif arguments.what == "search":
        search(arguments, record)
    else:
        record["race"] = race(arguments, record["search"])
        write(record, arguments.record)


def write(record: dict[str, Any], file: Path) -> None:
    """The record, indented."""
    file.write_text(json.dumps(record, indent=1) + "\n")


def search(arguments: argparse.Namespace, record: dict[str, Any]) -> None:
    """The error on held-out photographs after some epochs, for each rate of each program; those on record stay."""
    folder, unlimited = arguments.work / "search", 1e6
    held_out(arguments.path, folder)
    found = record.setdefault("search", {"epochs": arguments.epochs})
    if found["epochs"] != arguments.epochs:
        raise SystemExit(
            f"The search on record is of {found['epochs']} epochs, not {arguments.epochs}; name another --record."
        )
    found |= {"seed": SEARCH_SEED, **circumstances(arguments)}
    for name in PYTHON:
        tried = found.setdefault(name, {})
        for rate in RATES[name]:
            if f"{rate:g}" in tried:
                continue
            kept = arguments.work / f"search-{name}-{rate:g}"
            settings = {"rate": rate, "epochs": arguments.epochs, "seed": SEARCH_SEED, "channels_last": True}
            heard = contest(name, folder, kept, arguments, minutes=unlimited, save_every=unlimited, **settings)
            (*_, last) = measured(name, folder, kept, arguments, "val")
            tried[f"{rate:g}"] = {"error": last["wrong"] / last["images"], "minutes": heard[-1]["minutes"]}
            print(name, rate, tried[f"{rate:g}"], flush=True)
            write(record, arguments.record)
            shutil.rmtree(kept)


def race(arguments: argparse.Namespace, searched: dict[str, Any]) -> dict[str, Any]:
    """The curves of both programs, at the best rate of each, one after the other; as long as the minutes last."""
    folder = arguments.work / "race"
    halves = {"train": arguments.path / "train", "test": tested(arguments.path)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, half in halves.items():
        if not (folder / name).exists():
            (folder / name).symlink_to(half.resolve())
    found: dict[str, Any] = {"minutes": arguments.minutes, "seed": 0, **circumstances(arguments)}
    for name in PYTHON:
        rate = min(searched[name], key=lambda text, name=name: searched[name][text]["error"])
        settings = {"rate": float(rate), "seed": 0}
        minutes = PILOT * arguments.minutes
        often = {"minutes": minutes, "save_every": 60 * minutes / PILOT_POINTS}
        pilot = contest(name, folder, arguments.work / f"pilot-{name}", arguments, epochs=90, **often, **settings)
        epochs = fitting(pilot, arguments.minutes)
        seldom = {"minutes": arguments.minutes, "save_every": 60 * arguments.minutes / POINTS}
        heard = contest(name, folder, arguments.work / f"race-{name}", arguments, epochs=epochs, **seldom, **settings)
        found[name] = {"rate": float(rate), "epochs": epochs, "pilot": pilot, "told": heard}
        print(name, rate, epochs, heard[-1], flush=True)
    for name in PYTHON:
        found[name]["points"] = measured(name, folder, arguments.work / f"race-{name}", arguments, "test")
        print(name, found[name]["points"][-1], flush=True)
    return found


def fitting(pilot: list[dict[str, Any]], minutes: float) -> int:
    """How many epochs fit into some minutes, the last begun one counted, by the speed of a pilot.

    What the pilot needed to begin counts once. The clock ends the race, and the schedule within an epoch of it.
    """
    if len(pilot) < 2:
        raise SystemExit("The pilot was too short to tell a pace; give the race more --minutes.")
    first, last = pilot[0], pilot[-1]
    speed = (last["epochs"] - first["epochs"]) / (last["minutes"] - first["minutes"])
    return math.ceil(last["epochs"] + speed * (minutes - last["minutes"]))


def contest(
    name: str, folder: Path, kept: Path, arguments: argparse.Namespace, *, rate: float, **settings: float
) -> list[dict[str, Any]]:
    """One program's training from a standing start: what it tells whenever it keeps weights."""
    if kept.exists():
        raise SystemExit(f"{kept} is there from an earlier race; take it away, or name another --work.")
    kept.mkdir(parents=True)
    return told(name, {"lr": rate, **settings, **places(folder, kept, arguments), "began": time.time()})


def measured(name: str, folder: Path, kept: Path, arguments: argparse.Namespace, split: str) -> list[dict[str, Any]]:
    """How many photographs of a split each of the weights kept gets wrong, in the order of their minutes."""
    return told(name, {"measure": split, **places(folder, kept, arguments)})


def places(folder: Path, kept: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """What a program needs to know of where it is."""
    return {"photographs": str(folder), "kept": str(kept), "threads": arguments.threads}


def told(name: str, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines of JSON that a program prints."""
    script = ROOT / "bench" / "contenders" / f"racing_{name}.py"
    done = subprocess.run(
        [PYTHON[name], script, json.dumps(settings)], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def held_out(path: Path, folder: Path) -> None:
    """Links to the training photographs, in train/ and val/: the first of every ten of a class is held out."""
    for group in sorted((path / "train").iterdir()):
        for number, photograph in enumerate(sorted(group.iterdir())):
            link = folder / ("val" if number % EVERY == 0 else "train") / group.name / photograph.name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                os.link(photograph.resolve(), link)


def tested(path: Path) -> Path:
    """The folder of test photographs."""
    return path / "test" if (path / "test").exists() else path / "val"


def circumstances(arguments: argparse.Namespace) -> dict[str, Any]:
    """Machine, versions, commit, and what was typed."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, cwd=ROOT)
    here = environment(device="cpu", dtype=place("cpu").dtype_name, threads=arguments.threads)
    for settled in ("memory", "waiting"):  # in each program, not here: ours does as the command line
        del here[settled]
    peers = [PYTHON["torchvision"], "-m", "pip", "freeze", "--disable-pip-version-check"]
    frozen = subprocess.run(peers, capture_output=True, text=True, check=True).stdout.split()
    beside = sorted(line for line in frozen if line.startswith(("torch==", "torchvision==", "pillow==")))
    command = ["bench/race.py", arguments.what, arguments.path.name, f"--minutes={arguments.minutes:g}"]
    return {"commit": commit.stdout.strip(), "environment": {**here, "command": command}, "beside": beside}


def draw(record: dict[str, Any], file: Path) -> None:
    """Test error by minutes, of both programs."""
    curves = [
        Bundle(told, [[(point["minutes"], 100 * point["wrong"] / point["images"]) for point in record[name]["points"]]])
        for name, told in NAMES.items()
    ]
    panel = ("test error, %", curves)
    figure = pictures.draw("bundles", Bundles("A race on Imagenette2", caption(record), [panel], x="minutes"), None)
    save(figure, file)


def caption(record: dict[str, Any]) -> str:
    """What was raced on, and by which settings."""
    here = record["environment"]
    dtypes = {"ours": here["dtype"], "torchvision": "fp32"}
    each = (
        f"{told}: {dtypes[name]}, rate {record[name]['rate']:g}, {record[name]['epochs']} epochs"
        for name, told in NAMES.items()
    )
    return "; ".join((f"{here['threads']} threads of {here['processor']}", *each))


if __name__ == "__main__":
    main()
