"""What the programs compared and the program that times them say to each other. Standard library only.

A contender is a script in a process of its own, started as `SCRIPT '{"task": "step", …}'`. It builds what it is to
run, warms up and says {"ready": {…}}, or {"unable": "why"} and ends. Then, for each line on its standard input, it
works for a round and says {"amount": …, "seconds": …}; when its input ends it says {"peak_memory": …} and ends. It
says so in lines of JSON on its standard output. In between it sleeps, and another contender has the machine.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TextIO

Work = Callable[[], float]  # does some work and returns its amount: images, FLOPs
WARM_UP = 1.0  # seconds


class Unable(Exception):
    """This contender cannot run here; the text says why."""


class Made(NamedTuple):
    """A contender ready to work, and what it has to say about itself: versions, parameters, multiply-adds."""

    work: Work
    facts: dict[str, Any]


def contend(make: Callable[[dict[str, Any]], Made]) -> None:
    """The whole life of a contender, which `make` builds from its settings."""
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no part of the protocol

    def say(**message: Any) -> None:
        told.write(json.dumps(message) + "\n")
        told.flush()

    settings = json.loads(sys.argv[1])
    try:
        work, facts = make(settings)
        one_round(work, min(WARM_UP, settings["seconds"]))
    except (Unable, ImportError) as error:
        say(unable=str(error))
        return
    say(ready=facts)
    while sys.stdin.readline():
        amount, seconds = one_round(work, settings["seconds"])
        say(amount=amount, seconds=seconds)
    say(peak_memory=peak_memory())


def one_round(work: Work, least: float) -> tuple[float, float]:
    """Amount and seconds of whole calls until `least` seconds are over: at least one call."""
    began = time.perf_counter()
    amount = work()
    while (seconds := time.perf_counter() - began) < least:
        amount += work()
    return amount, seconds


def peak_memory() -> int:
    """The largest resident size of this process so far, in bytes; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


class Contender:
    """A contender's process, seen from outside. Raises Unable when it says so, dies, or is silent for too long."""

    def __init__(self, command: list[str], settings: dict[str, Any], environment: dict[str, str], patience: float):
        self._patience = patience
        self._errors: TextIO = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [*command, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            text=True,
        )

    def ready(self) -> dict[str, Any]:
        """What it says about itself once it has warmed up."""
        facts: dict[str, Any] = self._hear()["ready"]
        return facts

    def round(self) -> float:
        """The rate of one round."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it is dead, and hearing it says so
            self._process.stdin.write("round\n")
            self._process.stdin.flush()
        heard = self._hear()
        return float(heard["amount"] / heard["seconds"])

    def finish(self) -> int:
        """Its peak memory, in bytes; the process is over then."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        peak = int(self._hear()["peak_memory"])
        self.end()
        return peak

    def end(self) -> None:
        """Ends the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with suppress(BrokenPipeError):
                stream.close()  # type: ignore[union-attr]

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        silence = threading.Timer(self._patience, self._process.kill)
        silence.start()
        line = self._process.stdout.readline()
        silent = not silence.is_alive()
        silence.cancel()
        if line:
            heard: dict[str, Any] = json.loads(line)
            if "unable" in heard:
                raise Unable(heard["unable"])
            return heard
        if silent:
            raise Unable(f"said nothing for {self._patience:.0f} seconds")
        code = self._process.wait()
        self._errors.seek(0)
        last = (self._errors.read().strip().splitlines() or [""])[-1]
        if code < 0:
            killed = "; the system ends programs so when memory runs out" if -code == signal.SIGKILL else ""
            raise Unable(f"ended by signal {-code}{killed}")
        raise Unable(f"ended with status {code}: {last}")
