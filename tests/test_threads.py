"""A thread without room to begin is told, and is not waited for."""

import subprocess
import sys

import pytest

from alexnet.threads import ROOM, Threads

resource = pytest.importorskip("resource", reason="a limit of memory, which Windows has not")

PROGRAM = """
import resource
from pathlib import Path
from alexnet.threads import Threads

threads = Threads(1)
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + {more}, size + {more}))
try:
    print(threads.submit(int, "7").result())
except MemoryError as error:
    print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks in /proc")
@pytest.mark.parametrize(
    ("more", "said"), [(0, f"a thread needs {ROOM:,} bytes"), (8 << 20, "needs"), (256 << 20, "7")]
)
def test_a_thread_begins_or_says_that_it_has_no_room(more: int, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(more=more)], capture_output=True, text=True, timeout=60, check=True
    )
    assert said in ended.stdout


def test_threads_do_their_work() -> None:
    with Threads(2) as threads:
        assert list(threads.map(abs, [-1, 2, -3])) == [1, 2, 3]
