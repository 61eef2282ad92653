"""When a run came down to an error, from its windows."""

from pathlib import Path

import pytest

from alexnet.errors import WeightsError
from alexnet.training.events import WindowEnd
from alexnet.training.windows import photographs_until, read_windows

WINDOWS = [WindowEnd(10_000, 2.0, 0.8), WindowEnd(20_000, 1.0, 0.4), WindowEnd(30_000, 0.9, 0.2)]


@pytest.mark.parametrize(
    ("error", "photographs"),
    [
        (0.9, 5_000),  # lower already: the middle of the first window
        (0.8, 5_000),
        (0.6, 10_000),  # half way between the middles, 5,000 and 15,000
        (0.4, 15_000),
        (0.25, 22_500),  # three quarters of the way from 15,000 to 25,000
        (0.2, 25_000),
        (0.19, None),
    ],
)
def test_the_error_falls_in_a_straight_line_between_the_middles_of_windows(
    error: float, photographs: float | None
) -> None:
    assert photographs_until(WINDOWS, error) == (None if photographs is None else pytest.approx(photographs))


def test_the_first_time_counts() -> None:
    up_again = [*WINDOWS, WindowEnd(40_000, 1.0, 0.5), WindowEnd(50_000, 0.5, 0.1)]
    assert photographs_until(up_again, 0.3) == pytest.approx(20_000)
    assert photographs_until([], 0.5) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "has no windows.csv: it is no run directory"),
        ("photographs,loss,error\n10000,1.0,half\n", "windows.csv is damaged: could not convert"),
        ("photographs,loss\n10000,1.0\n", "windows.csv is damaged: 'error'"),
        ("photographs,loss,error\n10000,1.0,0.5\n10000,1.0,0.5\n", "its windows do not follow one another"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(text: str | None, sentence: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "windows.csv").write_text(text)
    with pytest.raises(WeightsError, match=sentence):
        read_windows(tmp_path)


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "windows.csv").symlink_to("/dev/zero")
    with pytest.raises(WeightsError, match=r"windows\.csv is damaged: it is no regular file"):
        read_windows(tmp_path)
