import errno
import hashlib
import os
from pathlib import Path

import pytest

from alexnet.errors import AlexNetError
from alexnet.weights.files import replacing, sha256, write_text


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
