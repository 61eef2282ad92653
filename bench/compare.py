"""Measures this project beside other programs on this machine, and writes a record. `make bench` calls it.

Contenders each run in a process of their own and take turns: a round of each, then the next round. The record goes to
results/speed/MACHINE.json and, as tables, to results/speed/MACHINE.md.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from contenders.protocol import Contender, Unable
from entrants import OURS, SECTIONS, THEIRS, Entrant
from report import markdown

import alexnet
from alexnet.data.prepare import prepare
from alexnet.data.sources.folder import Folder
from alexnet.errors import AlexNetError
from alexnet.experiments.bench.machine import machine
from alexnet.experiments.bench.photographs import write_photographs
from alexnet.experiments.bench.predicting import untrained_model
from alexnet.hardware import cores
from alexnet.model.device import bf16_is_fast
from alexnet.model.variants import variant
from alexnet.weights.export import export
from alexnet.weights.onnx.graph import GraphOptions

HERE = Path(__file__).parent
PYTHON = {OURS: sys.executable, THEIRS: str(HERE / ".venv" / "bin" / "python")}
RESULTS = HERE.parent / "results" / "speed"
PHOTOGRAPHS = 1024
ROWS, UNITS, QUERIES, NEIGHBOURS = 100_000, 4096, 64, 10
PATIENCE = 600.0  # seconds that a contender may be silent
BETWEEN = 0.3  # seconds: threads of the last contender go on looking for work for a while
NO_ENVIRONMENT = "bench/.venv is not there; `make bench` makes it"
NO_BF16 = "no bf16 instructions here, without which it takes minutes; --bf16 runs it all the same"


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = [*SECTIONS, "train"]
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"{', '.join(known)}; default: all")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a round, at least one call long")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--bf16", action="store_true", help="bf16 also where the processor has no instructions for it")
    parser.add_argument("--rows", type=int, default=ROWS, help="that are searched")
    parser.add_argument("--only", default="", metavar="REGEX", help="only contenders whose names match")
    parser.add_argument("--quick", action="store_true", help="tiny settings, to see that everything runs")
    parser.add_argument("--out", type=Path, help="the record; default: results/speed/MACHINE.json")
    options = parser.parse_args()
    if unknown := set(options.sections) - set(known):
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(known)}")
    if options.quick:
        options.batch_size, options.rounds, options.seconds, options.rows = 4, 2, 0.0, 1000
    record = run(options)
    path = options.out or RESULTS / f"{slug(record['machine'])}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(markdown(record), encoding="utf-8")
    print(markdown(record))
    print(f"Written: {path} and {path.with_suffix('.md')}")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The record of the sections asked for."""
    began = time.time()
    placement = alexnet.place("cpu")
    settings = {"batch_size": options.batch_size, "threads": options.threads, "seconds": options.seconds}
    bf16 = options.bf16 or bf16_is_fast(placement.device)
    names = options.sections or [*SECTIONS, "train"]
    here = machine(placement) | {"threads": options.threads}
    del here["memory"], here["waiting"]  # of this process, and it measures nothing
    record: dict[str, Any] = {
        "question": "How fast is this project beside other programs on the same machine?",
        "command": shlex.join(["python", "bench/compare.py", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d", time.gmtime(began)),
        "machine": here,
        "settings": {**settings, "rounds": options.rounds},
        "sections": {},
    }
    with TemporaryDirectory(prefix="alexnet-bench-") as folder:
        for name in names:
            if name == "train":
                record["train"] = training_loop(options)
                continue
            made = materials(name, Path(folder), options.rows)
            rows: dict[str, dict[str, Any]] = {}
            for together in SECTIONS[name].turns():
                wanted = {key: each for key, each in together.items() if re.search(options.only, key)}
                rows |= take_turns(wanted, settings | made, rounds=options.rounds, bf16=bf16)
            record["sections"][name] = {key: rows[key] for key in SECTIONS[name].entrants if key in rows}
    return record | {"minutes": round((time.time() - began) / 60, 1)}


def materials(section: str, folder: Path, rows: int = ROWS) -> dict[str, Any]:
    """The files that a section works on, made in `folder`; `rows` of them are searched."""
    if section == "search":
        return rows_like_relu7(folder, rows, UNITS)
    if section == "load":
        photographs = write_photographs(folder / "photographs", PHOTOGRAPHS)
        stores = {
            encoding: str(prepare(Folder(photographs), folder / encoding, encoding=encoding, workers=0, split={}).path)
            for encoding in ("raw", "jpeg")
        }
        return {"photographs": str(photographs), "stores": stores}
    if section == "forward":
        try:
            export(
                untrained_model(variant("paper", input_size=227)), folder / "paper.onnx", "onnx", GraphOptions("views")
            )
            return {"onnx": str(folder / "paper.onnx")}
        except AlexNetError as error:
            return {"onnx": None, "why_no_onnx": str(error)}
    return {}


def rows_like_relu7(folder: Path, rows: int, units: int) -> dict[str, Any]:
    """Files of rows, a third of each above 0, of their lengths and of queries near some of them; who is nearest.

    The neighbours are worked out in float64, by |x|² - 2x·q: no two rows are alike here.
    """
    random = np.random.default_rng(0)
    made = np.lib.format.open_memmap(folder / "rows.npy", "w+", np.float32, (rows, units))
    steps = [slice(first, first + 4096) for first in range(0, rows, 4096)]
    for step in steps:
        made[step] = np.maximum(random.standard_normal(made[step].shape, np.float32) - 0.43, 0)
    made.flush()
    queries = np.array(made[:: max(1, rows // QUERIES)][:QUERIES]) + np.float32(0.01)
    squares, far = np.empty(rows), np.empty((rows, len(queries)))
    for step in steps:
        block = made[step].astype(np.float64)
        squares[step] = (block**2).sum(1)
        far[step] = squares[step, None] - 2 * block @ queries.astype(np.float64).T
    np.save(folder / "norms.npy", np.sqrt(squares))
    np.save(folder / "queries.npy", queries)
    nearest = np.argsort(far, axis=0, kind="stable")[:NEIGHBOURS].T
    return {name: str(folder / f"{name}.npy") for name in ("rows", "norms", "queries")} | {
        "neighbours": nearest.tolist()
    }


def take_turns(
    entrants: Mapping[str, Entrant], settings: dict[str, Any], *, rounds: int, bf16: bool
) -> dict[str, dict[str, Any]]:
    """A row for each contender: its samples, or why it took no part."""
    rows = {name: describe(entrant) for name, entrant in entrants.items()}
    running: dict[str, Contender] = {}

    def lose(name: str, reason: Unable) -> None:
        rows[name] = describe(entrants[name]) | {"skipped": str(reason)}
        running.pop(name).end()
        note(f"  {name}: {reason}")

    try:
        for name, entrant in entrants.items():
            if not Path(PYTHON[entrant.environment]).exists():
                rows[name]["skipped"] = NO_ENVIRONMENT
                continue
            if entrant.dtype == "bf16" and not bf16:
                rows[name]["skipped"] = NO_BF16
                continue
            note(f"  {name}")
            running[name] = start(entrant, settings)
            try:
                rows[name] |= {"facts": running[name].ready(), "samples": []}
            except Unable as reason:
                lose(name, reason)
        for number in range(rounds):
            note(f"  round {number + 1} of {rounds}")
            for name in list(running)[:: -1 if number % 2 else 1]:  # there and back, so that a drift meets all alike
                time.sleep(BETWEEN)
                try:
                    rows[name]["samples"].append(running[name].round())
                except Unable as reason:
                    lose(name, reason)
        for name in list(running):
            samples = rows[name]["samples"]
            rows[name] |= {"median": median(samples), "spread": (max(samples) - min(samples)) / median(samples)}
            rows[name]["peak_memory"] = running.pop(name).finish()
    finally:
        for contender in running.values():
            contender.end()
    return rows


def describe(entrant: Entrant) -> dict[str, Any]:
    """What is known of a contender before it runs."""
    return {
        "title": entrant.title,
        "unit": entrant.unit,
        "dtype": entrant.dtype,
        "environment": entrant.environment,
        "settings": dict(entrant.settings),
    }


def start(entrant: Entrant, settings: dict[str, Any]) -> Contender:
    """The contender's process, with the number of threads set for every runtime that asks the environment."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "MKL_", "KMP_"))}
    environment |= {
        "OMP_NUM_THREADS": str(settings["threads"]),
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    command = [PYTHON[entrant.environment], str(HERE / "contenders" / entrant.script)]
    return Contender(command, settings | dict(entrant.settings), environment, PATIENCE)


def training_loop(options: argparse.Namespace) -> dict[str, Any]:
    """What `alexnet bench train` tells: the loop from a store, in turns with the bare step."""
    note("train")
    command = ["bench", "train", "--json", "--batch-sizes", f"{options.batch_size}", "--threads", f"{options.threads}"]
    command += ["--rounds", f"{options.rounds}", "--seconds", f"{options.seconds}"]
    ended = subprocess.run([sys.executable, "-m", "alexnet", *command], stdout=subprocess.PIPE, text=True, check=True)
    loop, bare = json.loads(ended.stdout)["results"][0]["rows"]
    return {"command": shlex.join(["alexnet", *command]), "loop": loop, "bare": bare}


def slug(machine: Mapping[str, Any]) -> str:
    """A name for files: processor and cores."""
    words = re.sub(r"[^a-z0-9]+", "-", machine["processor"].lower()).strip("-")
    return f"{words}-{machine['cores']}-cores"


def note(text: str) -> None:
    """Says how far it is."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
