"""What a process settles before torch is imported: what becomes of freed memory, and how its threads wait.

The command line calls `set_up`; a program that uses the package as a library may do the same, in its first lines:

    import os
    from alexnet.process import set_up
    set_up(os.environ)

Nothing here changes a result; docs/performance.md says what it gains.
"""

import ctypes
import os
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alexnet.errors import ConfigError, unknown
from alexnet.hardware import physical_cores

ALLOCATORS: Final = {
    "keep": "kept for reuse, in huge pages",
    "system": "the C library's own way",
}
SPINS: Final = "10000"
"""How often an idle thread of libgomp looks for work before it sleeps.

Some tenths of a millisecond: longer than the pause between two operations of a step, shorter than the turn that the
system gives another program. libgomp's own 300,000 outlast that turn, and the programs wait for each other's idling.
"""

# mallopt's parameters (glibc, malloc.h) and what they are set to.
_KEPT: Final = {
    -4: 0,  # M_MMAP_MAX: all blocks come from the heap, where freed ones are used again
    -1: -1,  # M_TRIM_THRESHOLD: the heap never shrinks
    -2: 1 << 26,  # M_TOP_PAD: it grows by this much more than is asked for
    -8: 1,  # M_ARENA_MAX: one heap for all threads, so that the loader's batches find room left by those before
}
_MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")
_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")

_memory = ALLOCATORS["system"]
_waiting = "not settled"


def set_up(environment: MutableMapping[str, str], allocator: str = "keep") -> None:
    """Sets up the memory of this process, and in `environment`, its own, what torch and its thread runtime read there.

    Variables that are set already stay as they are. What they decide is settled when torch is imported; after that
    only the heap is set up. `allocator` is one of ALLOCATORS. Raises ConfigError for another.
    """
    global _memory, _waiting
    if allocator not in ALLOCATORS:
        raise unknown("allocator", allocator, ALLOCATORS)
    early = "torch" not in sys.modules
    if early and "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", SPINS)
    told = [f"{name}={environment[name]}" for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT") if name in environment]
    _waiting = ", ".join(told) or "the thread runtime's own way"
    _memory = _keep(environment, early) if allocator == "keep" else ALLOCATORS["system"]


def give_back() -> None:
    """Returns to the system what memory is free in this process, as far as its C library can: after a large task."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


def describe_memory() -> str:
    """A few words for a log: what becomes of freed memory, and why if that is not what was asked for."""
    return _memory


def describe_waiting() -> str:
    """A few words for a log: how idle threads wait for work, as `set_up` found or left it."""
    return _waiting


def _keep(environment: MutableMapping[str, str], early: bool) -> str:
    system = ALLOCATORS["system"]
    if named := [name for name in _MALLOC if name in environment]:
        return f"{system}, as {named[0]} has it"
    library = _glibc()
    if library is None:
        return f"{system}: only glibc has another"
    if not all(library.mallopt(parameter, value) for parameter, value in _KEPT.items()):
        return f"{system}: glibc refused another"
    if not early:
        return "kept for reuse; torch was imported too early for huge pages"
    environment.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if environment["THP_MEM_ALLOC_ENABLE"] == "0" or not _offers_huge_pages():
        return "kept for reuse, in small pages"
    return "kept for reuse, in huge pages"


def _glibc() -> ctypes.CDLL | None:
    """The C library of this process if it is glibc."""
    if os.name != "posix":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None


def _offers_huge_pages() -> bool:
    try:
        return "[never]" not in _HUGE_PAGES.read_text(encoding="ascii")
    except OSError:
        return False


def thread_count(environment: Mapping[str, str]) -> int:
    """The threads for arithmetic where the user names no number; 0 leaves it to torch, because OMP_NUM_THREADS does.

    One for each physical core. Processes that torchrun starts together share the cores; the OMP_NUM_THREADS=1 that
    torchrun then sets counts as none.
    """
    sharing = int(environment.get("LOCAL_WORLD_SIZE") or 1)
    named = environment.get("OMP_NUM_THREADS")
    if named and not (sharing > 1 and named == "1"):
        return 0
    return max(1, physical_cores() // sharing)


@dataclass(frozen=True)
class Seat:
    """This process among those that `torchrun` started together; the only one where it did not start it."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    address: str = ""
    port: int = 0
    attempt: int = 0  # how often they have been started again
    agent_store: bool = False  # whether torchrun itself keeps the store at the address


def seat(environment: Mapping[str, str]) -> Seat:
    """What `torchrun` says in the environment. Raises ConfigError where some of it is missing."""
    if int(environment.get("WORLD_SIZE") or 1) == 1:
        return Seat()
    try:
        return Seat(
            rank=int(environment["RANK"]),
            size=int(environment["WORLD_SIZE"]),
            local_rank=int(environment["LOCAL_RANK"]),
            address=environment["MASTER_ADDR"],
            port=int(environment["MASTER_PORT"]),
            attempt=int(environment.get("TORCHELASTIC_RESTART_COUNT") or 0),
            agent_store=environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
        )
    except KeyError as error:
        raise ConfigError(
            f"WORLD_SIZE is {environment['WORLD_SIZE']}, but {error.args[0]} is not set; start several processes with "
            "torchrun, which sets both."
        ) from None
