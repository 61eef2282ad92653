"""The windows of a run as they are read back."""

from pathlib import Path

import pytest

from alexnet.errors import WeightsError
from alexnet.training.windows import read_windows


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
