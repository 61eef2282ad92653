"""Two machines that are network namespaces of this one, joined by a wire of a given rate; for root alone."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

TESTS = Path(__file__).parent
ADDRESSES = "10.77.0.1", "10.77.0.2"
PORT = "29511"
WIRE = "GLOO_SOCKET_IFNAME"  # in the environment of their processes: the name of the wire


def missing() -> str:
    """Why there can be no such machines here; empty where there can be."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    absent = [name for name in ("ip", "tc") if shutil.which(name) is None]
    if absent:
        return f"{' and '.join(absent)} (Debian's iproute2) are not installed"
    name = f"an{os.getpid()}probe"
    try:
        _ip("netns", "add", name)
        _ip("netns", "del", name)
    except subprocess.CalledProcessError as error:
        return f"the system gives no network namespaces: {error.stderr.strip()}"
    return ""


class Machines:
    """The two of them, by their numbers 0 and 1."""

    def __init__(self, rate: str) -> None:
        self.rate = rate  # as tc writes it: 100mbit, 1gbit
        self.names = [f"an{os.getpid()}x{number}" for number in range(2)]
        self.wires = [f"w{os.getpid()}x{number}" for number in range(2)]

    def start(self, words: Sequence[str], environment: dict[str, str]) -> list[subprocess.Popen[str]]:
        """One process of a team of two on each machine."""
        return [
            subprocess.Popen(
                ["ip", "netns", "exec", self.names[rank], sys.executable, *words],
                cwd=TESTS,
                env={
                    **os.environ,
                    **environment,
                    "RANK": str(rank),
                    "WORLD_SIZE": "2",
                    "LOCAL_RANK": "0",
                    "MASTER_ADDR": ADDRESSES[0],
                    "MASTER_PORT": PORT,
                    WIRE: self.wires[rank],
                    "OMP_NUM_THREADS": "1",
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(2)
        ]

    def given(self, number: int) -> int:
        """Bytes that a machine has put on the wire, with all that TCP and IP add."""
        path = f"/sys/class/net/{self.wires[number]}/statistics/tx_bytes"
        return int(_run("ip", "netns", "exec", self.names[number], "cat", path))

    def cut(self) -> None:
        """Takes the wire away."""
        _ip("-n", self.names[1], "link", "set", self.wires[1], "down")

    def _build(self) -> None:
        for name in self.names:
            _ip("netns", "add", name)
        _ip("link", "add", self.wires[0], "type", "veth", "peer", "name", self.wires[1])
        for name, wire, address in zip(self.names, self.wires, ADDRESSES, strict=True):
            _ip("link", "set", wire, "netns", name)
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", wire)
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", name, "link", "set", wire, "up")
            shape = "root", "tbf", "rate", self.rate, "burst", "256kb", "latency", "100ms"
            _run("tc", "-n", name, "qdisc", "add", "dev", wire, *shape)

    def _remove(self) -> None:
        for name in self.names:
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "del", name)


@contextmanager
def machines(rate: str) -> Iterator[Machines]:
    """The two machines for the block."""
    made = Machines(rate)
    try:
        made._build()
        yield made
    finally:
        made._remove()


def _ip(*words: str) -> str:
    return _run("ip", *words)


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
