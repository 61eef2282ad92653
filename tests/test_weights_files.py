import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from alexnet.errors import AlexNetError
from alexnet.weights import files
from alexnet.weights.files import copy, recover, replacing, replacing_folder, sha256, write_text


def test_a_new_file_takes_the_place_of_the_old_one_when_it_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")
    with replacing(file) as temporary:
        temporary.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def fail() -> None:
        with replacing(file) as temporary:
            temporary.write_text("half")
            raise KeyError("something else went wrong")

    with pytest.raises(KeyError):
        fail()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_is_a_sentence_and_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(AlexNetError, match=r"Cannot write .*a\.txt: No space left on device; free some space"):
        write_text(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_what_a_killed_process_left_is_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    with replacing(file) as temporary:
        leftover = temporary
        temporary.write_text("x")
    leftover.write_text("half, when the process was killed")
    write_text(file, "whole")
    assert file.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [file]


def test_text_is_utf8_with_plain_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "Ŵ\nx\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc5\xb4\nx\n"


def test_sha256_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(256)) * 5000)
    assert sha256(tmp_path / "a") == hashlib.sha256(bytes(range(256)) * 5000).hexdigest()


def fill(path: Path, text: str) -> None:
    with replacing_folder(path) as folder:
        for name in ("one", "two"):
            (folder / name).write_text(text)


def content(path: Path) -> set[str]:
    """The texts in a folder that must be whole."""
    files = {file.name: file.read_text() for file in path.iterdir()}
    assert sorted(files) == ["one", "two"]
    return set(files.values())


def without_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_renameat2", lambda: None)


@pytest.mark.parametrize("exchanging", [True, False])
def test_a_new_folder_takes_the_place_of_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanging: bool
) -> None:
    if not exchanging:
        without_exchange(monkeypatch)
    for text in ("first", "second", "third"):
        fill(tmp_path / "deep" / "place", text)
        assert content(tmp_path / "deep" / "place") == {text}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["place"]


def test_a_folder_behind_a_link_is_replaced_there(tmp_path: Path) -> None:
    fill(tmp_path / "place", "old")
    (tmp_path / "link").symlink_to("place")
    fill(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert content(tmp_path / "place") == {"new"}


STEPS = ("open", "mkdir", "rename", "fsync", "unlink", "rmdir", "close", "write", "truncate")


def stopped_at(path: Path, last: int, how: str) -> bool:
    """Whether the last step was reached on which writing to `path` is to be stopped, in a process of its own."""
    if process := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    done = 0

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object, **options: object) -> object:
            nonlocal done
            done += 1
            if done == last and how == "kill":
                os._exit(0)
            if done == last:
                raise OSError(errno.EIO, "Input/output error")
            return real(*arguments, **options)

        return step

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))
    if (exchange := files._renameat2()) is not None:
        files._renameat2 = lambda: counted(exchange)
    try:
        fill(path, "new")
    except AlexNetError:
        pass
    finally:
        os._exit(int(done < last))


def every_step(root: Path, how: str) -> None:
    """Stops writing a folder over another at each step; one of them must be whole each time, and nothing else left."""
    last = 1
    while True:
        path = root / str(last) / "place"
        fill(path, "old")
        reached = stopped_at(path, last, how)
        recover(path)
        assert content(path) in ({"old"}, {"new"}), last
        fill(path, "next")
        assert content(path) == {"next"}
        assert [left.name for left in path.parent.iterdir()] == ["place"]
        if not reached:
            break
        last += 1
    assert last > 15


@pytest.mark.parametrize("how", ["kill", "fail"])
@pytest.mark.parametrize("exchanging", [True, False])
def test_stopped_at_any_step_one_whole_folder_is_there_or_comes_back(
    tmp_path: Path, exchanging: bool, how: str
) -> None:
    program = "import sys; import test_weights_files as t; from pathlib import Path\n"
    program += "" if exchanging else "t.files._renameat2 = lambda: None\n"
    program += "t.every_step(Path(sys.argv[1]), sys.argv[2])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # without threads: it forks
    subprocess.run([sys.executable, "-c", program, tmp_path, how], env=environment, check=True, timeout=60)


def test_two_processes_do_not_write_to_one_place(tmp_path: Path) -> None:
    path = tmp_path / "place"
    with replacing_folder(path), pytest.raises(AlexNetError, match=f"Process {os.getpid()} is writing .*place now"):
        fill(path, "second")
    with replacing(tmp_path / "file") as temporary:
        temporary.write_text("first")
        with pytest.raises(AlexNetError, match=r"is writing .*file now"):
            write_text(tmp_path / "file", "second")


def test_a_copy_is_whole_and_says_whether_reading_or_writing_failed(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 10_000)
    copy(source, target)
    assert target.read_bytes() == source.read_bytes()
    target.unlink()
    with pytest.raises(AlexNetError, match=rf"^Cannot read {tmp_path}: Is a directory; mend that and try again"):
        copy(tmp_path, target)
    with pytest.raises(AlexNetError, match=r"^Cannot write .*nowhere/target: No such file"):
        copy(source, tmp_path / "nowhere" / "target")
    with pytest.raises(AlexNetError, match=rf"^Cannot read {tmp_path}/none: No such file"):
        sha256(tmp_path / "none")
    assert list(tmp_path.iterdir()) == [source]
