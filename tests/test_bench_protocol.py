"""A contender's process and the program that times it, with contenders made for the test."""

import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import protocol
import pytest
from protocol import Contender, Unable, one_round, peak_memory

Start = Callable[..., Contender]

MADE = "from protocol import Made, Unable, contend\n"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a contender of this code; it is ended with the test."""
    running: list[Contender] = []

    def begin(code: str, *, patience: float = 30.0, **settings: Any) -> Contender:
        script = tmp_path / "contender.py"
        script.write_text(MADE + code)
        environment = {"PYTHONPATH": str(Path(protocol.__file__).parent)}
        running.append(Contender([sys.executable, str(script)], {"seconds": 0.0, **settings}, environment, patience))
        return running[-1]

    yield begin
    for contender in running:
        contender.end()


def test_a_contender_says_what_it_is_and_works_when_told(start: Start, tmp_path: Path) -> None:
    code = """
def make(settings):
    def work():
        with open(settings["diary"], "a") as diary:
            diary.write("x")
        return 7.0
    return Made(work, {"versions": {"sum": "1"}, "batch": settings["batch_size"]})
contend(make)
"""
    diary = tmp_path / "diary"
    contender = start(code, diary=str(diary), batch_size=3)
    assert contender.ready() == {"versions": {"sum": "1"}, "batch": 3}
    assert diary.read_text() == "x"  # warmed up
    rates = [contender.round(), contender.round()]
    assert diary.read_text() == "xxx"
    assert all(rate > 0 for rate in rates)
    assert contender.finish() > 2**20


def test_what_libraries_print_is_no_part_of_what_it_says(start: Start) -> None:
    code = """
import os
def make(settings):
    print("compiling")
    os.system("echo compiled")
    return Made(lambda: print("working") or 1.0, {})
contend(make)
"""
    contender = start(code)
    assert contender.ready() == {}
    assert contender.round() > 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('raise Unable("no such hardware")', "no such hardware"),
        ("import a_package_that_is_not_there", "No module named 'a_package_that_is_not_there'"),
        ('raise ValueError("odd shape")', "ended with status 1: ValueError: odd shape"),
        ("import os; os.kill(os.getpid(), 9)", "ended by signal 9; .* when memory runs out"),
        ("import os; os.kill(os.getpid(), 15)", "ended by signal 15$"),
        ("import time; time.sleep(60)", "said nothing for 1 seconds"),
    ],
)
def test_a_contender_that_cannot_run_says_why(body: str, reason: str, start: Start) -> None:
    contender = start(f"def make(settings):\n    {body}\ncontend(make)", patience=1.0 if "sleep" in body else 30.0)
    with pytest.raises(Unable, match=reason):
        contender.ready()


def test_one_that_dies_in_a_round_is_noticed(start: Start) -> None:
    code = """
import os
calls = []
def work():
    calls.append(1)
    if len(calls) > 1:
        os._exit(4)
    return 1.0
contend(lambda settings: Made(work, {}))
"""
    contender = start(code)
    contender.ready()
    with pytest.raises(Unable, match="ended with status 4"):
        contender.round()
    with pytest.raises(Unable):
        contender.round()


def test_a_round_is_of_whole_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    times = count(0, 0.25)
    monkeypatch.setattr(protocol.time, "perf_counter", lambda: next(times))
    assert one_round(lambda: 5.0, 0.6) == (15.0, 0.75)
    assert one_round(lambda: 5.0, 0.0) == (5.0, 0.25)


def test_peak_memory_grows_with_what_is_held() -> None:
    before = peak_memory()
    held = bytearray(before + 2**26)  # written with zeros, so resident
    for place in range(0, len(held), 4096):
        held[place] = 1
    assert peak_memory() >= before + 2**26 or before == 0
