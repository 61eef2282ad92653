"""Kills, failing calls, machines that lack something, and mutated files; `make faults` runs all of it.

Processes side by side (`--lanes`) share the trials out. Each is started with `inject.c` loaded before the C library
(`ready` does it), imports what jobs need once, and forks for every trial: so a trial takes a part of a second. Where
the system lets it, a process has mounts of its own.
"""

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PARTS = ("kills", "calls", "scarcities", "mutations")


def ready(arguments: list[str]) -> None:
    """Starts this program anew with the faults loaded, unless they are; where possible with mounts of its own."""
    if "inject.so" in os.environ.get("LD_PRELOAD", ""):
        return
    library = Path(tempfile.mkdtemp()) / "inject.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "inject.c", "-ldl"], check=True)
    library.parent.chmod(0o755)
    paths = os.pathsep.join([str(HERE.parent), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    inner = ["env", f"LD_PRELOAD={library}", sys.executable, str(Path(__file__).resolve()), *arguments]
    for apart in (["unshare", "--mount"], ["unshare", "--mount", "--user", "--map-root-user"]):
        try:
            subprocess.run([*apart, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        inner = [*apart, *inner]
        break
    os.execvpe(inner[0], inner, environment)


def main(arguments: list[str]) -> int:
    """Runs what the arguments ask for; 1 if something went wrong that must not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", action="append", choices=PARTS, help="of what there is; all unless given")
    parser.add_argument("--job", action="append", help="of the jobs; all unless given")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--every", type=int, default=1, help="of the failing calls and the scarcities, one in so many")
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="stops after so many, with what is done by then")
    parser.add_argument("--out", type=Path, help="a file for the counts; added to those in it")
    parser.add_argument("--keep", type=Path, help="a folder for files that were not stood")
    parser.add_argument("--lanes", type=int, default=1, help="processes that share the trials out")
    parser.add_argument("--lane", type=int, help="the one of them, from 0, that this is")
    options = parser.parse_args(arguments)
    if options.lane is None:
        return _side_by_side(arguments, options)
    ready(arguments)
    from faults import processes
    from faults.jobs import JOBS
    from faults.mutate import mutations

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    processes.adopt()
    parts, names = options.part or PARTS, options.job or list(JOBS)
    end = time.monotonic() + 60 * options.minutes
    counts, troubles = Counter[str](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        base.chmod(0o755)
        if "mutations" in parts:
            kept = options.keep
            shares = (options.lane, options.lanes)
            for kind, found in mutations(
                base / "mutations", options.mutations, options.seed, kept, end, *shares
            ).items():
                counts[f"changed files: {kind}"] = found.tried
                counts["changed files"] += found.tried
                counts["changed files: refused with a sentence"] += found.refused
                troubles += found.troubles
        skipped = _trials(base, parts, names, options, end, counts, troubles)
    options.out.write_text(json.dumps({"counts": counts, "troubles": troubles, "left out": skipped}))
    return 0


def _side_by_side(arguments: list[str], options: argparse.Namespace) -> int:
    """Runs the lanes and makes one record of theirs."""
    counts, troubles, skipped = Counter[str](), list[str](), dict[str, str]()
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / str(lane) for lane in range(options.lanes)]
        command = [sys.executable, __file__, *arguments]
        lanes = [subprocess.Popen([*command, "--lane", str(lane), "--out", file]) for lane, file in enumerate(files)]
        for lane, file in zip(lanes, files, strict=True):
            if lane.wait():
                troubles.append(f"the harness ended with {lane.returncode}")
                continue
            found = json.loads(file.read_text())
            counts.update(found["counts"])
            troubles += found["troubles"]
            skipped |= found["left out"]
    told = _told(options.seed, arguments, counts, troubles, skipped, options.out)
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    if options.out:
        options.out.write_text(json.dumps(told, indent=1) + "\n")
    return int(bool(troubles))


def _trials(
    base: Path,
    parts: list[str],
    names: list[str],
    options: argparse.Namespace,
    end: float,
    counts: Counter[str],
    troubles: list[str],
) -> dict[str, str]:
    """Does what is to be done with jobs, in a random order; returns why some of it cannot be done here."""
    from faults import jobs, scarce
    from faults.kills import kills
    from faults.trials import CALLS, ERRORS, Trials, Trouble

    lane, lanes = options.lane, options.lanes
    rng = random.Random(f"{options.seed} {lane}")
    no_disk = scarce.small_disk(base / "disk")
    trials, disk = Trials(base, counts, not no_disk), None if no_disk else Trials(base / "disk", counts, True)
    (base / "disk" / "given").symlink_to(jobs.given(trials.folder))
    first: list[Callable[[], None]] = []
    todo: list[Callable[[], None]] = []
    skipped = {"semaphores left behind": no_disk} if no_disk else {}
    if "kills" in parts:
        first = kills(trials, names, options.kills, rng, lane, lanes)
    if "calls" in parts and options.every:
        for name in names:
            trials.begin(name)
        every = [
            (name, call, k)
            for name in names
            for call in CALLS
            for k in range(1 + lane, 1 + trials.calls[name][call.removeprefix("short ")], lanes)
        ]
        for name, call, k in rng.sample(every, -(-len(every) // options.every)):
            todo.append(partial(trials.inject, name, call, k, ERRORS[(k + len(todo)) % len(ERRORS)]))
    if "scarcities" in parts and options.every:
        found, more = scarce.scarcities(trials, disk, names)
        found = found[lane::lanes]
        todo += rng.sample(found, -(-len(found) // options.every))
        skipped |= more
    rng.shuffle(first)
    rng.shuffle(todo)
    for number, trial in enumerate([*first, *todo]):
        if time.monotonic() > end:
            left = len(first) + len(todo) - number
            skipped[f"trials of lane {lane}"] = f"{left:,} of {len(first) + len(todo):,}, for want of --minutes"
            break
        try:
            trial()
        except Trouble as error:
            troubles.append(str(error))
            sys.stderr.write(f"{error}\n")
    scarce.close()
    if not no_disk:
        subprocess.run(["umount", base / "disk"], check=True)
    return skipped


def _told(
    seed: int, command: list[str], counts: Counter[str], troubles: list[str], skipped: dict[str, str], out: Path | None
) -> dict[str, Any]:
    """The record: of this run, and of those before it that are in the same file."""
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True)
    told: dict[str, Any] = {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "commands": [],
        "troubles": [],
        "left out": {},
        "counts": {},
    }
    if out and out.is_file():
        told |= json.loads(out.read_text())
    words = " ".join(["tests/faults/harness.py", *command])
    told["commands"].append({"commit": revision.stdout.strip() or "unknown", "seed": seed, "command": words})
    told["troubles"] += troubles
    told["left out"] |= skipped
    told["counts"] = dict(sorted((Counter(told["counts"]) + counts).items()))
    return told


def _processor() -> str:
    from alexnet.hardware import processor

    return processor()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
