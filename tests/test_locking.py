import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from alexnet.locking import BusyError, held

HOLDER = """
import sys
from pathlib import Path
from alexnet.locking import held
with held(Path(sys.argv[1]), "at it"):
    print("here", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def hold(lock: Path) -> None:
    with held(lock, "counting"):
        assert lock.read_text() == str(os.getpid())


def test_the_second_is_told_which_process_came_first(lock: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"here\n"
    with pytest.raises(BusyError, match=rf"Process {holder.pid} is counting now; wait until it has ended"):
        hold(lock)
    holder.communicate(b"\n")
    hold(lock)
    assert not lock.exists()


def test_the_lock_of_a_dead_process_is_free(lock: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert lock.exists()
    hold(lock)
    assert not lock.exists()


def test_a_second_thread_is_another_too(lock: Path) -> None:
    with held(lock, "first"), pytest.raises(BusyError, match=f"Process {os.getpid()} is second now"):
        hold_as(lock, "second")
    assert not lock.exists()


def hold_as(lock: Path, doing: str) -> None:
    with held(lock, doing):
        pass


def test_a_lock_that_its_holder_removes_is_not_taken_for_one(lock: Path) -> None:
    """Whoever opened the file before it was removed must not work beside one who made it anew."""
    inside, most = 0, 0
    count = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            try:
                with held(lock, "working"):
                    with count:
                        inside += 1
                        most = max(most, inside)
                    with count:
                        inside -= 1
            except BusyError:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert not lock.exists()


def test_where_the_file_system_has_no_locks_work_goes_on(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    hold(lock)


def test_a_place_without_a_folder_is_an_error_of_the_system(lock: Path) -> None:
    with pytest.raises(FileNotFoundError):
        hold(lock / "deeper")


def test_a_disk_that_is_full_or_fails_at_the_end_takes_no_lock_away(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = os.close

    def refused(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def failing(file: int) -> None:
        close(file)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "write", refused)
    with held(lock, "counting"):
        monkeypatch.setattr(os, "close", failing)
    monkeypatch.undo()
    assert not lock.exists()
    hold(lock)
