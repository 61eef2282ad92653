"""What becomes of preparing when the source has a fault, for a moment or for ever."""

from dataclasses import replace
from pathlib import Path

import pytest
from fake_source import FakeSource
from test_data_prepare import SOURCE, Stop, contents, stop_at

from alexnet.data.prepare import PrepareProgress, prepare
from alexnet.errors import DataError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the store that is made of SOURCE without a fault."""
    return contents(prepare(SOURCE, tmp_path_factory.mktemp("whole") / "store", workers=1).path)


@pytest.mark.parametrize("workers", [1, 2])
def test_files_that_vanish_for_a_moment_leave_no_hole(tmp_path: Path, whole: dict[str, bytes], workers: int) -> None:
    (tmp_path / "away").mkdir()
    for number in (37, 70):
        (tmp_path / "away" / str(number)).touch()
    source = replace(SOURCE, away=tmp_path / "away")
    with pytest.raises(DataError, match=r"The photograph n0001/37\.jpg cannot be read \(No such file.*is kept: when"):
        prepare(source, tmp_path / "store", workers=workers)
    (tmp_path / "away" / "37").unlink()
    events: list[PrepareProgress] = []
    with pytest.raises(DataError, match=r"n0001/70\.jpg cannot be read"):
        prepare(source, tmp_path / "store", workers=workers, progress=events.append)
    assert events[0].done == 32
    (tmp_path / "away" / "70").unlink()
    assert contents(prepare(source, tmp_path / "store", workers=workers).path) == whole


def test_unreadable_files_are_left_out_when_that_is_asked_for_and_looked_for_again_when_not(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "37").touch()
    source = replace(SOURCE, away=tmp_path / "away")
    with pytest.raises(Stop):
        prepare(source, tmp_path / "store", workers=1, skip_unreadable=True, progress=stop_at("read", 80))
    left_out = prepare(source, tmp_path / "other", workers=1, skip_unreadable=True)
    reasons = {entry["path"]: entry["reason"] for entry in left_out.report["refused"]}
    assert reasons["n0001/37.jpg"].startswith("it cannot be read: No such file")
    with pytest.raises(DataError, match=r"lacks 1 photographs that could not be read.*n0001/37\.jpg; delete the store"):
        prepare(source, left_out.path)
    assert prepare(source, left_out.path, skip_unreadable=True).fingerprint == left_out.fingerprint
    (tmp_path / "away" / "37").unlink()
    assert contents(prepare(source, tmp_path / "store", workers=1).path) == whole


def test_a_class_that_vanishes_does_not_take_the_work_with_it(tmp_path: Path) -> None:
    source = FakeSource(80, refused=range(0, 80, 3))
    with pytest.raises(DataError, match=r"'n0000' .* has no usable photograph"):
        prepare(source, tmp_path / "store", workers=1)
    events: list[PrepareProgress] = []
    with pytest.raises(DataError, match=r"'n0000' .* has no usable photograph"):
        prepare(source, tmp_path / "store", workers=1, progress=events.append)
    assert events[0].done == 80
