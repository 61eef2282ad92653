from pathlib import Path

import pytest

from alexnet.errors import DataError
from alexnet.evaluation.journal import last, sealed

START = {"done": 0}


def test_the_last_whole_line_counts_and_half_a_line_is_cut_off(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    assert last(journal, START) == START
    for content, done in (
        (b"", 0),
        (b'{"do', 0),
        (sealed({"done": 3}), 3),
        (sealed({"done": 3}) + b'{"done": 4} 0', 3),
    ):
        journal.write_bytes(content)
        assert last(journal, START) == {"done": done}
        assert journal.read_bytes() == content[: content.rfind(b"\n") + 1]
    journal.write_bytes(sealed({"done": 3}) + sealed({"done": 9}))
    assert last(journal, START) == {"done": 9}


def test_a_changed_bit_is_noticed(tmp_path: Path) -> None:
    line = sealed({"done": 3, "rows": 2})
    for bit in range(8 * len(line) - 8):  # without the end of line, it is half a line
        changed = bytearray(line)
        changed[bit // 8] ^= 1 << bit % 8
        (tmp_path / "journal").write_bytes(changed)
        with pytest.raises(DataError, match="journal is damaged; delete its folder"):
            last(tmp_path / "journal", START)
