import os
from pathlib import Path

import pytest

from alexnet.reading import UnfitFileError, naming, read_file


def test_a_file_is_read_whole_or_in_part(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert read_file(tmp_path / "file", 10) == b"0123456789"
    assert read_file(tmp_path / "file", 3, 4, 3) == b"456"


def test_more_than_was_expected_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(11))
    with pytest.raises(UnfitFileError, match="it has 11 bytes, more than the 10 that are read"):
        read_file(tmp_path / "file", 10)
    with pytest.raises(UnfitFileError, match="it has 1,000,000,000,000 bytes, more than"):
        read_file(tmp_path / "file", 10, 0, 10**12)


def test_a_file_whose_size_is_not_told_is_refused_when_it_is_too_long() -> None:
    assert os.stat("/proc/self/maps").st_size == 0
    with pytest.raises(UnfitFileError, match="it has more than the 10 bytes that are read"):
        read_file(Path("/proc/self/maps"), 10)


def test_a_file_that_ends_early_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(11))
    with pytest.raises(OSError, match="it ends at byte 11, before byte 15"):
        read_file(tmp_path / "file", 10, 5, 10)


def test_devices_folders_and_pipes_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(UnfitFileError, match="it is no regular file"):
            read_file(tmp_path / name, 10)
    with pytest.raises((UnfitFileError, IsADirectoryError)):
        read_file(tmp_path, 10)


def test_a_disk_that_fails_is_an_error_with_the_name_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").symlink_to("/proc/self/mem")  # at its begin there is nothing to read
    with pytest.raises(OSError, match=r"Input/output error: '.*/file'"):
        read_file(tmp_path / "file", 10)
    with pytest.raises(OSError, match=r"Is a directory: '.*/file'"), naming(tmp_path / "file"):
        raise OSError(21, "Is a directory")
