"""The processes that train together: how they meet, who leads, and what becomes of all when one is lost.

`torchrun` starts them and, if asked to, starts them again. The first process leads: it alone writes.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore, TCPStore

from alexnet.data.parts import Parts
from alexnet.errors import AlexNetError, ConfigError
from alexnet.process import Seat
from alexnet.threads import check_room
from alexnet.training.circle import Circle, PeerLost, lost_peers
from alexnet.version import VERSION

T = TypeVar("T")
SECONDS_TO_GATHER = 1.0  # that the ones left wait for one another before one of them speaks
SECONDS_TO_ASK = 3.0  # that the store is given for it
SECONDS_BETWEEN_LOOKS = 0.1


class Silenced(AlexNetError):
    """This process ends with the others, and another one says why."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("")
        self.exit_code = exit_code


@dataclass(frozen=True, eq=False)
class Team:
    """The processes of a run; each is tower `tower` of one of the replicas of the network.

    `everyone` is the circle of all; `replicas` those that hold the same weights as this one and share out the parts of
    a batch; `pair` this one and the other tower, where the network is in two.
    """

    everyone: Circle = field(default_factory=Circle)
    replicas: Circle = field(default_factory=Circle)
    pair: Circle | None = None
    backend: str = ""
    machines: int = 1
    store: Any = None  # of this attempt
    lasting: Any = None  # of all attempts, where the launcher keeps it

    @property
    def size(self) -> int:
        """How many processes there are."""
        return self.everyone.size

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.everyone.rank == 0

    @property
    def tower(self) -> int:
        """Which half of the network is here, where it is in two."""
        return self.pair.rank if self.pair else 0

    def parts(self, count: int) -> Parts:
        """Who works through which of `count` parts of a batch."""
        each = count // self.replicas.size
        return Parts(count, range(self.replicas.rank * each, (self.replicas.rank + 1) * each))

    def describe(self) -> str:
        """A few words for a log."""
        if self.size == 1:
            return ""
        where = "one machine" if self.machines == 1 else f"{self.machines} machines"
        towers = f", {self.replicas.size} × 2 towers" if self.pair else ""
        return f"{self.size} processes on {where} ({self.backend}){towers}"

    def by_leader(self, make: Callable[[], T]) -> T:
        """What `make` gives in the leader, for all; the others do not call it."""
        value: Any = make() if self.leads else None
        made: T = self.everyone.from_first(value)
        return made

    def leader_first(self, name: str, make: Callable[[], T]) -> T:
        """What `make` gives, called by the leader and, when it is done there, by the others, however long it takes."""
        if self.size == 1:
            return make()
        if self.leads:
            made = make()
            self.store.set(f"done/{name}", "yes")
            return made
        while not self.store.check([f"done/{name}"]):
            if self.store.check(["cause"]):
                raise PeerLost("The leader has stopped.")
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return make()

    def remember(self, name: str, value: str) -> None:
        """Writes down what the processes started after these may want to know."""
        if self.lasting is not None and self.leads:
            self.lasting.set(name, value)

    def recall(self, name: str) -> str | None:
        """What the processes started before these wrote down; for the leader."""
        found = self.lasting is not None and self.lasting.check([name])
        return str(self.lasting.get(name).decode()) if found else None

    def agree(self, facts: Mapping[str, str]) -> None:
        """Raises ConfigError, with both values, where a process does not have the leader's facts."""
        told = self.everyone.hear(dict(facts))
        for rank, theirs in enumerate(told):
            for name in told[0] | theirs:
                here, there = told[0].get(name, "none"), theirs.get(name, "none")
                if here != there:
                    raise ConfigError(
                        f"The processes do not have the same {name}: process {rank} has {there}, process 0 has {here}; "
                        "start all of them with the same."
                    )


ALONE = Team()


@contextmanager
def open_team(seat: Seat, *, wait: float, towers: int = 1, store: Any = None) -> Iterator[Team]:
    """The team of all processes that `torchrun` started, for the block; ALONE where it started none.

    A process waits `wait` seconds for another before it gives up. When one fails, the others end too: one of them says
    why, by the error that leaves the block, and the rest raise Silenced. Raises ConfigError when the number of
    processes is no multiple of `towers`, and where they are of different versions of this package or of PyTorch.
    """
    if seat.size == 1:
        if towers > 1:
            raise ConfigError(
                f"--towers {towers} needs {towers} processes: torchrun --nproc-per-node={towers} -m alexnet …; or name "
                "two devices: --device cuda:0,cuda:1."
            )
        yield ALONE
        return
    speech = _Speech(seat)
    try:
        if seat.size % towers:
            raise ConfigError(
                f"{seat.size} processes do not divide into replicas of {towers} towers; start more or fewer."
            )
        with lost_peers():
            team = _meet(seat, wait, towers, store)
        speech.store = team.store
        # first of all: of another version, a process may know other facts and send other messages
        team.agree({"version of alexnet": VERSION, "version of PyTorch": str(torch.__version__)})
        yield team
    except PeerLost as error:
        raise speech.about_a_lost_peer(error, wait) from error
    except BaseException as error:
        if not isinstance(error, AlexNetError) or speech.is_mine():
            raise
        raise Silenced(error.exit_code) from error
    with suppress(RuntimeError):
        dist.destroy_process_group()


def backend() -> str:
    """What processes of this machine send tensors by."""
    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"


def _meet(seat: Seat, wait: float, towers: int, store: Any) -> Team:
    patience = timedelta(seconds=wait)
    if store is None:
        # made here, and a new part of it for every restart: the launcher's own outlives the processes, and the ones
        # started again would look for the addresses of the dead
        mine = not seat.agent_store and seat.rank == 0
        store = TCPStore(seat.address, seat.port, is_master=mine, timeout=patience, wait_for_workers=False)
    inner = PrefixStore(f"attempt {seat.attempt}", store)
    dist.init_process_group(backend(), store=inner, rank=seat.rank, world_size=seat.size, timeout=patience)
    ranks = range(seat.size)
    everyone = Circle(seat.rank, ranks, dist.group.WORLD)
    places = everyone.hear((_machine(), os.getpid()))
    machine, number = places[seat.rank]
    everyone.neighbours = [theirs for place, theirs in places if machine and place == machine and theirs != number]
    replicas, pair = everyone, None
    if towers > 1:
        for members in [[*ranks[tower::towers]] for tower in range(towers)]:
            group = dist.new_group(members, timeout=patience)
            if seat.rank in members:
                replicas = Circle(members.index(seat.rank), members, group, everyone.neighbours)
        for first in ranks[::towers]:
            members = [*range(first, first + towers)]
            group = dist.new_group(members, timeout=patience)
            if seat.rank in members:
                pair = Circle(members.index(seat.rank), members, group, everyone.neighbours)
    machines = len({place or str(theirs) for place, theirs in places})
    return Team(everyone, replicas, pair, backend(), machines, inner, store)


def _machine() -> str:
    """What this process's number is unique in: the machine since its start, and the container; empty if unknown."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii") + os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


class _Speech:
    """Who of the processes that end says why."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.store: Any = None

    def is_mine(self) -> bool:
        """Whether this process is the first that has something to say."""
        try:
            return bool(self.store.add("cause", 1) == 1)
        except (RuntimeError, AttributeError):  # there is no store, not yet or not any more
            return self.seat.rank == 0

    def about_a_lost_peer(self, error: PeerLost, wait: float) -> AlexNetError:
        """The sentence of the first process left; Silenced where another one has the cause or speaks."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the launcher's: this process ends now, but speaks first
        # the store may be beyond the wire that was cut, and then it does not answer
        found: list[tuple[bool, list[int]]] = []
        check_room()
        asking = threading.Thread(target=lambda: found.append(self._ask()), daemon=True)
        asking.start()
        asking.join(SECONDS_TO_ASK)
        speaks, missing = found[0] if found else (True, [])
        if not speaks:
            return Silenced(PeerLost.exit_code)
        who = f"Process {', '.join(map(str, missing))}" if missing else "Another process"
        return PeerLost(f"{who} is gone, or was silent for {wait:g} s{error.where or f': {error}'}")

    def _ask(self) -> tuple[bool, list[int]]:
        """Whether this process says why all end, and which processes are missing."""
        try:
            if self.store.check(["cause"]):
                return False, []
            self.store.set(f"left/{self.seat.rank}", "yes")
            time.sleep(SECONDS_TO_GATHER)
            if self.store.check(["cause"]):
                return False, []
            left = [rank for rank in range(self.seat.size) if self.store.check([f"left/{rank}"])]
            missing = [rank for rank in range(self.seat.size) if rank not in left]
            return left[0] == self.seat.rank and self.is_mine(), missing
        except (RuntimeError, AttributeError):  # there is no store, not yet or not any more
            return True, []
