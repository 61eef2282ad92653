import json
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet.cli.terminal import (
    WIDTH,
    Shown,
    bar,
    counted,
    duration,
    named,
    percent,
    print_json,
    print_table,
    shown,
    size,
)


def test_percent() -> None:
    assert percent(0.12345) == "12.3 %"
    assert percent(1.0, 0) == "100 %"
    assert percent(None) == "–"


def test_nouns_agree_with_their_number() -> None:
    assert [counted(count, "thread") for count in (0, 1, 1000)] == ["0 threads", "1 thread", "1,000 threads"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (61, "1 min 01 s"), (3661, "1 h 01 min"), (90000, "1 d 1 h")],
)
def test_duration_in_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 bytes"), (1234, "1.2 kB"), (5e6, "5.0 MB"), (2.5e12, "2500.0 GB")])
def test_size_in_decimal_units(count: float, text: str) -> None:
    assert size(count) == text


@given(st.floats(0, 1))
def test_a_bar_is_as_long_as_its_share(share: float) -> None:
    assert len(bar(share, 20)) == -(-round(share * 160) // 8)


def test_a_bar_without_utf8_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    class Latin:
        encoding = "latin-1"

    monkeypatch.setattr("sys.stdout", Latin())
    assert bar(0.5, 10) == "#####"


def test_a_table_is_aligned_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["name", ">count"], [["x" * 200, "1"], ["柳", "22"]], total=["all", "23"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "x" * 200 + "      1"
    assert lines[2] == "柳" + " " * 198 + "     22"  # a wide character takes two columns
    assert lines[0].startswith("name ") and lines[0].endswith(" count")
    assert lines[3] == "all" + " " * 197 + "     23"


def test_a_name_in_a_table_stays_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["name", ">count"], [["x\ny\x1b[2J", "1"], ["plain", "22"]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "x\\ny\\x1b[2J      1"
    assert lines[2] == "plain" + " " * 11 + "22"


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(PLAIN)
def test_printed_json_reads_back_as_it_was(value: Any) -> None:
    printed = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("click.echo", printed.append)
        print_json(value)
    assert json.loads(printed[0]) == value


def test_a_row_of_numbers_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    matrix = [[0] * WIDTH, [1] * WIDTH]
    print_json({"confusion": matrix, "short": {"a": 1}})
    assert len(capsys.readouterr().out.splitlines()) == 7


def test_what_a_terminal_would_obey_is_shown() -> None:
    assert shown("\x1b[31mred\x07\x9b\x7f\ttab\n") == "\\x1b[31mred\\x07\\x9b\\x7f\ttab\n"
    assert shown("a\u202eb\u2066c\u200f") == "a\\u202eb\\u2066c\u200f"  # the last is a mark of Arabic and Hebrew
    assert named("a\n\tb\x1b") == "a\\n\\tb\\x1b"
    stream = StringIO()
    Shown(stream).write("a\rb")
    assert stream.getvalue() == "a\\x0db"
