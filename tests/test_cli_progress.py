from dataclasses import replace

import pytest

import alexnet.cli.progress as progress
from alexnet.cli.progress import Meter
from alexnet.cli.session import Session
from alexnet.data.prepare import PrepareProgress
from alexnet.training.events import EpochEnd, Saved, Started, StepEnd, Warned

STARTED = Started("runs/x", "paper", 57_000_000, 1000, 200, 16, 8, 3, 2, "cpu", "bf16", 2, "PyTorch twins", "kept")
STEP = StepEnd(4, 3, 8, 1.2345, 0.5, 0.01, 123.4, 0.02, 65.0)
END = EpochEnd(4, 0.01, 1.2, 0.5, 1.1, 0.25, 0.05, 123.0, 0.02, 14.2, True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be moved by hand."""
    now = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


def test_elsewhere_than_on_a_terminal_a_line_comes_now_and_then(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Meter(Session()) as meter:
        for second in range(0, 65, 5):
            clock[0] = second
            meter.preparing(PrepareProgress("read", 10 * second, 1000, 1))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "reading: 300 of 1,000  10 images/s  1 min 10 s left  1 refused",
        "reading: 600 of 1,000  10 images/s  40 s left  1 refused",
    ]


def test_work_done_before_does_not_count_into_the_rate(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    clock[0] = 100.0
    meter = Meter(Session())
    meter.evaluating(900, 1000)
    clock[0] = 150.0
    meter.evaluating(950, 1000)
    assert capsys.readouterr().err == "evaluating: 950 of 1,000  1 images/s  50 s left\n"


def test_training_is_told_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    meter = Meter(Session())
    for event in (STARTED, STEP, END, Saved("last.pt", 4, 0), Warned("Look out.")):
        meter.training(event)
    assert capsys.readouterr().err.splitlines() == [
        "Run      runs/x",
        "Network  paper, 57,000,000 parameters",
        "Data     1,000 photographs, validated on 200 others",
        "Plan     16 epochs of 8 steps from epoch 4, step 3",
        "Machine  cpu, bf16, 2 threads",
        "Kernels  PyTorch twins",
        "Memory   freed blocks: kept",
        "epoch  4/16  loss 1.200  error  50.0 %  val top-1  25.0 %* top-5   5.0 %  lr 0.01  123 images/s  14 s",
        "warning: Look out.",
    ]


def test_a_top_5_error_that_says_nothing_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    meter = Meter(Session())
    for event in (STARTED, replace(END, val_top5_error=None)):
        meter.training(event)
    assert "val top-1  25.0 %*  lr 0.01" in capsys.readouterr().err


def test_quiet_says_warnings_alone(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Meter(Session(quiet=True)) as meter:
        meter.training(STARTED)
        clock[0] = 1000.0
        for event in (STEP, END, Warned("Look out.")):
            meter.training(event)
    assert capsys.readouterr().err == "warning: Look out.\n"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the stream for a terminal then
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with Meter(Session()) as meter:
        meter.training(STARTED)
        meter.training(STEP)
    shown = capsys.readouterr().err
    assert "epoch 4/16" in shown
    assert "loss 1.234  error 50.0 %  123 images/s  2 % waiting  1 min 05 s left" in shown
    assert "━" in shown


def test_no_progress_means_no_bar_on_a_terminal_either(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Meter(Session(progress=False)) as meter:
        meter.training(STARTED)
        meter.training(STEP)
    assert "loss" not in capsys.readouterr().err


@pytest.mark.parametrize("plain", [False, True])
def test_no_color_is_heeded(plain: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    if plain:
        monkeypatch.setenv("NO_COLOR", "1")
    else:
        monkeypatch.delenv("NO_COLOR", raising=False)
    Meter(Session()).warn("Look out.")
    assert ("\x1b[33m" in capsys.readouterr().err) is not plain
