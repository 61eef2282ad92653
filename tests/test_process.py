import os
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet import process
from alexnet.errors import ConfigError
from alexnet.process import SPINS, describe_memory, describe_waiting, set_up, thread_count

GLIBC = pytest.mark.skipif(process._glibc() is None, reason="this C library has no mallopt")
CHILD = """
import os, sys
from alexnet.process import describe_memory, describe_waiting, set_up
for word in sys.argv[1:]:
    if "=" in word:
        os.environ.update([word.split("=")])
    elif word == "torch":
        sys.modules["torch"] = None  # as if it had been imported
    else:
        set_up(os.environ, word)
print(describe_memory())
print(describe_waiting())
import resource
import numpy as np
block = 64 * 2**20
faults = [resource.getrusage(resource.RUSAGE_SELF).ru_minflt]
for _ in range(4):
    np.zeros(block, np.uint8).fill(1)  # a large block that is freed at once
    np.ones(block, np.uint8)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(faults[4] - faults[2])
"""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The heap of this process is left alone: mallopt cannot be undone."""
    monkeypatch.setattr(process, "_memory", process._memory)
    monkeypatch.setattr(process, "_waiting", process._waiting)
    if library := process._glibc():
        asked: list[tuple[int, int]] = []
        monkeypatch.setattr(library, "mallopt", lambda *pair: asked.append(pair) or 1, raising=False)
        monkeypatch.setattr(process, "_glibc", lambda: library)


@pytest.fixture
def _early(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if torch had not been imported."""
    monkeypatch.delitem(sys.modules, "torch")


def child(*words: str) -> list[str]:
    """What a process of its own says of its memory and threads, and how many pages it fetched anew for old blocks."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "MALLOC_"))}
    done = subprocess.run([sys.executable, "-c", CHILD, *words], env=kept, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@GLIBC
def test_kept_memory_is_used_again_and_the_systems_is_fetched_anew() -> None:
    memory, waiting, faults = child("keep")
    assert memory.startswith("kept for reuse")
    assert waiting == f"GOMP_SPINCOUNT={SPINS}"
    theirs, _, fetched = child("system")
    assert theirs == "the C library's own way"
    assert int(fetched) > 1000  # 64 MB are 16,384 pages of 4 kB
    assert int(faults) < int(fetched) / 100


@GLIBC
def test_after_torch_only_the_heap_is_set_up() -> None:
    memory, waiting, faults = child("torch", "keep")
    assert memory == "kept for reuse; torch was imported too early for huge pages"
    assert waiting == "the thread runtime's own way"
    assert int(faults) < 100


@GLIBC
@pytest.mark.usefixtures("_early")
def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"OMP_WAIT_POLICY": "passive", "MALLOC_TRIM_THRESHOLD_": "1000"}
    environment = dict(given)
    set_up(environment)
    assert environment == given
    assert describe_memory() == "the C library's own way, as MALLOC_TRIM_THRESHOLD_ has it"
    assert describe_waiting() == "OMP_WAIT_POLICY=passive"

    environment = {"GOMP_SPINCOUNT": "5", "THP_MEM_ALLOC_ENABLE": "0"}
    set_up(environment)
    assert environment == {"GOMP_SPINCOUNT": "5", "THP_MEM_ALLOC_ENABLE": "0"}
    assert describe_memory() == "kept for reuse, in small pages"


@GLIBC
@pytest.mark.usefixtures("_early")
@pytest.mark.parametrize(
    ("offered", "told"), [("always [madvise] never", "huge"), ("always madvise [never]", "small"), (None, "small")]
)
def test_huge_pages_are_told_as_the_kernel_offers_them(
    offered: str | None, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if offered:
        (tmp_path / "enabled").write_text(offered)
    monkeypatch.setattr(process, "_HUGE_PAGES", tmp_path / "enabled")
    environment: dict[str, str] = {}
    set_up(environment)
    assert environment["THP_MEM_ALLOC_ENABLE"] == "1"
    assert describe_memory() == f"kept for reuse, in {told} pages"


@pytest.mark.usefixtures("_early")
def test_another_c_library_is_said_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_glibc", lambda: None)
    environment: dict[str, str] = {}
    set_up(environment)
    assert "THP_MEM_ALLOC_ENABLE" not in environment
    assert describe_memory() == "the C library's own way: only glibc has another"


def test_an_unknown_allocator_is_refused() -> None:
    with pytest.raises(ConfigError, match="keep"):
        set_up({}, "kept")


def test_a_refusal_of_glibc_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def mallopt(self, parameter: int, value: int) -> int:
            return 0

    monkeypatch.setattr(process, "_glibc", Refusing)
    set_up({})
    assert describe_memory() == "the C library's own way: glibc refused another"


@pytest.mark.parametrize(
    ("environment", "threads"),
    [
        ({}, 4),
        ({"OMP_NUM_THREADS": "3"}, 0),  # torch heeds it
        ({"OMP_NUM_THREADS": "1"}, 0),
        ({"OMP_NUM_THREADS": "1", "LOCAL_WORLD_SIZE": "2"}, 2),  # torchrun's
        ({"LOCAL_WORLD_SIZE": "2"}, 2),
        ({"OMP_NUM_THREADS": "3", "LOCAL_WORLD_SIZE": "2"}, 0),
        ({"LOCAL_WORLD_SIZE": "64"}, 1),
    ],
)
def test_the_users_word_counts_and_torchruns_does_not(
    environment: dict[str, str], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "physical_cores", lambda: 4)
    assert thread_count(environment) == threads


def test_the_seat_is_what_torchrun_says() -> None:
    assert process.seat({}) == process.seat({"WORLD_SIZE": "1", "RANK": "0"}) == process.Seat()
    told = {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29511"}
    assert process.seat(told) == process.Seat(3, 4, 1, "10.0.0.1", 29511)
    again = {**told, "TORCHELASTIC_RESTART_COUNT": "2", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    assert process.seat(again) == process.Seat(3, 4, 1, "10.0.0.1", 29511, attempt=2, agent_store=True)
    with pytest.raises(ConfigError, match="WORLD_SIZE is 4, but MASTER_PORT is not set"):
        process.seat({name: value for name, value in told.items() if name != "MASTER_PORT"})


GIVING = """
import os
from pathlib import Path
from alexnet.process import give_back, set_up
def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 10**6
set_up(os.environ, "keep")
held = [bytes(200_000) for _ in range(1500)]
kept = bytes(1000)
del held
before = megabytes()
give_back()
print(before - megabytes())
"""


@GLIBC
def test_freed_memory_is_given_back_where_it_is_kept() -> None:
    told = subprocess.run([sys.executable, "-c", GIVING], capture_output=True, text=True, check=True).stdout
    assert int(told) > 200
