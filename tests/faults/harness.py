"""Kills, failing calls and mutated files, in processes of their own; `make faults` runs all of it.

The process is started with `inject.c` loaded before the C library (`ready` does it), imports what jobs need once, and
forks for every trial: so a trial takes a part of a second.
"""

import argparse
import ctypes
import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
CALLS = ("open", "write", "short write", "read", "fsync", "rename", "mkdir", "close")
ERRORS = (errno.EIO, errno.ENOSPC, errno.EACCES, errno.EMFILE)
PATIENCE = 120.0  # seconds for a job, which takes one; other programs may be at work too


def ready(arguments: list[str]) -> None:
    """Starts this program anew with the faults loaded, unless they are."""
    if "inject.so" not in os.environ.get("LD_PRELOAD", ""):
        library = Path(tempfile.mkdtemp()) / "inject.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "inject.c", "-ldl"], check=True)
        paths = os.pathsep.join([str(HERE.parent), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        os.execve(sys.executable, [sys.executable, str(Path(__file__).resolve()), *arguments], environment)


class Trouble(Exception):
    """Something that must not happen."""


def fork(work: Callable[[], object], kill_after: float | None = None) -> tuple[int, str]:
    """The exit status and the last words of a process that does the work; it is killed after so many seconds."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        os.setpgid(0, 0)
        os.close(reader)
        status, words = 0, ""
        try:
            work()
        except BaseException as error:
            status, words = verdict(error)
        os.write(writer, words.encode()[:4000])
        os._exit(status)
    with suppress(OSError):  # it has a group of its own before it can be killed, whoever is first to say so
        os.setpgid(child, child)
    os.close(writer)
    end = time.monotonic() + (PATIENCE if kill_after is None else kill_after)
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            ended = (child, 9 if kill_after is not None else 0xFF00)
            break
        time.sleep(0.001)
    with os.fdopen(reader, "rb") as stream:
        words = stream.read().decode()
    return os.waitstatus_to_exitcode(ended[1]), words


def verdict(error: BaseException) -> tuple[int, str]:
    """10 for a sentence, 20 for what the command line would call unexpected."""
    from alexnet.errors import AlexNetError

    named = isinstance(error, OSError) and isinstance(error.filename, str)
    if isinstance(error, AlexNetError) or named:
        return 10, str(error)
    return 20, "".join(traceback.format_exception(error)[-3:])[-700:]


class Trials:
    """Jobs stopped in many ways in a folder; what came of them is counted."""

    def __init__(self, folder: Path) -> None:
        from faults import jobs

        self.jobs, self.folder, self.counts = jobs, folder / "at", Counter[str]()
        self.expected: dict[str, str] = {}
        self.library = ctypes.CDLL(None)
        self.library.fault_seen.restype = ctypes.c_long
        self.library.fault_arm.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_int]

    def begin(self, name: str) -> None:
        self.jobs.begin(name, self.folder)

    def whole(self, name: str) -> None:
        """What the job makes when nothing happens."""
        self.begin(name)
        if (ended := fork(lambda: self.jobs.JOBS[name].run(self.folder)))[0]:
            raise Trouble(f"{name} fails without a fault: {ended[1]}")
        self.expected[name] = self.jobs.digest(name, self.folder)

    def again(self, name: str, what: str) -> None:
        """The next run must make what an undisturbed one makes, and leave nothing else."""
        status, words = fork(lambda: self.jobs.JOBS[name].run(self.folder))
        if status:
            raise Trouble(f"after {what}, {name} does not go on: {words}")
        if self.jobs.digest(name, self.folder) != self.expected[name]:
            raise Trouble(f"after {what}, {name} makes something else")
        if left := self.jobs.leftovers(self.folder):
            raise Trouble(f"after {what}, {name} leaves {left}")

    def kill(self, name: str, after: float) -> None:
        """Kills the job so many seconds after its start, and runs it again."""
        self.begin(name)
        fork(lambda: self.jobs.JOBS[name].run(self.folder), kill_after=after)
        self.again(name, f"a kill after {after:.3f} s")
        self.counts["kills"] += 1

    def calls(self, name: str, call: str) -> int:
        """How many such calls an undisturbed job makes."""
        self.begin(name)
        reader, writer = os.pipe()

        def count() -> None:
            self.arm(call, 0, 0)
            self.jobs.JOBS[name].run(self.folder)
            os.write(writer, str(self.library.fault_seen()).encode())

        fork(count)
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            return int(stream.read())

    def arm(self, call: str, k: int, error: int) -> None:
        kind = call.removeprefix("short ")
        self.library.fault_arm(str(self.folder).encode(), kind.encode(), k, error, int(kind != call))

    def inject(self, name: str, call: str, k: int, error: int) -> None:
        """Makes the k-th call fail, and runs the job again."""
        self.begin(name)

        def run() -> None:
            self.arm(call, k, error)
            self.jobs.JOBS[name].run(self.folder)

        status, words = fork(run)
        what = f"{call} {k} failing with {errno.errorcode[error]}"
        if status not in (0, 10):
            raise Trouble(f"{what} ends {name} with {status}: {words}")
        self.again(name, what)
        self.counts["failing calls"] += 1
        self.counts["failing calls: a sentence" if status else "failing calls: no harm"] += 1


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--every", type=int, default=1, help="of the failing calls, one in so many; 0: none")
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="stops after so many, with what is done by then")
    parser.add_argument("--out", type=Path, help="a file for the counts")
    parser.add_argument("--keep", type=Path, help="a folder for files that were not stood")
    options = parser.parse_args(arguments)
    ready(arguments)
    from faults.mutate import mutations

    rng, troubles = random.Random(options.seed), []
    end = time.monotonic() + 60 * options.minutes
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(Path(folder))
        todo: list[Callable[[], None]] = []
        for name in trials.jobs.JOBS:
            begun = time.monotonic()
            trials.whole(name)
            lasts = time.monotonic() - begun
            for _ in range(-(-options.kills // len(trials.jobs.JOBS))):
                after = rng.uniform(0, lasts)
                todo.append(lambda name=name, after=after: trials.kill(name, after))
            for call in CALLS if options.every else ():
                found = trials.calls(name, call.removeprefix("short "))
                for k in range(1 + rng.randrange(options.every), found + 1, options.every):
                    error = ERRORS[(k + len(todo)) % len(ERRORS)]
                    todo.append(lambda name=name, call=call, k=k, error=error: trials.inject(name, call, k, error))
        rng.shuffle(todo)
        for trial in todo:
            if time.monotonic() > end:
                break
            try:
                trial()
            except Trouble as error:
                troubles.append(str(error))
                sys.stderr.write(f"{error}\n")
        counts += trials.counts
        for kind, found in mutations(
            Path(folder) / "mutations", options.mutations, options.seed, options.keep, end
        ).items():
            counts[f"mutations of {kind}"] = found.tried
            counts["mutations"] += found.tried
            counts["mutations: refused with a sentence"] += found.refused
            troubles += found.troubles
    told = {**dict(counts), "troubles": len(troubles), "seed": options.seed}
    sys.stdout.write(json.dumps(told, indent=1) + "\n" + "".join(f"{trouble}\n" for trouble in troubles))
    if options.out:
        options.out.write_text(json.dumps(told, indent=1) + "\n")
    return int(bool(troubles))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
