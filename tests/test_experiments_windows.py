from pathlib import Path

import pytest

from alexnet.experiments.windows import WINDOW, Enough, Windows
from alexnet.training.events import StepEnd, Warned

IMAGES, BATCH = 25_000, 128
STEPS = -(-IMAGES // BATCH)


def step(epoch: int, number: int, wrong: int) -> StepEnd:
    seen = min(IMAGES, number * BATCH)
    return StepEnd(epoch, number, STEPS, 1.0, wrong / seen, 0.01, 1.0, 0.0, 0.0)


def wrong_at(number: int) -> int:
    """Wrong answers up to a step: half of the first 10,000 photographs, a fifth of the others."""
    seen = min(IMAGES, number * BATCH)
    return seen // 2 if seen <= 10_112 else 5056 + (seen - 10_112) // 5


def feed(windows: Windows, first: int = 1, last: int = STEPS, epoch: int = 1) -> None:
    for number in range(first, last + 1):
        windows(step(epoch, number, wrong_at(number)))


def test_the_errors_are_those_of_the_windows(tmp_path: Path) -> None:
    windows = Windows(tmp_path / "w.json", IMAGES, BATCH)
    windows(Warned("nothing to count"))
    feed(windows)
    feed(windows, epoch=2)
    places, errors = zip(*windows.errors(), strict=True)
    # a window ends with the step that fills it
    assert places == pytest.approx([10_112 / IMAGES, 20_096 / IMAGES, 1, 1 + 10_112 / IMAGES, 1 + 20_096 / IMAGES, 2])
    assert errors == pytest.approx([0.5, 0.2, 0.2, 0.5, 0.2, 0.2], abs=1e-3)
    assert WINDOW == 10_000


def test_a_run_that_was_stopped_has_the_same_windows(tmp_path: Path) -> None:
    whole = Windows(tmp_path / "whole.json", IMAGES, BATCH)
    feed(whole)
    feed(Windows(tmp_path / "w.json", IMAGES, BATCH), last=120)
    again = Windows(tmp_path / "w.json", IMAGES, BATCH)
    feed(again, first=70)  # from its checkpoint, before what was seen last
    assert again.errors() == whole.errors()


def test_a_level_ends_the_run_and_so_does_a_cap(tmp_path: Path) -> None:
    with pytest.raises(Enough, match=r"^level$"):
        feed(Windows(tmp_path / "a.json", IMAGES, BATCH, level=0.25))
    assert len(Windows(tmp_path / "a.json", IMAGES, BATCH).errors()) == 2
    with pytest.raises(Enough, match=r"^cap$"):
        feed(Windows(tmp_path / "b.json", IMAGES, BATCH, level=0.1, epochs=0.4))
    assert len(Windows(tmp_path / "b.json", IMAGES, BATCH).errors()) == 1
    feed(Windows(tmp_path / "c.json", IMAGES, BATCH, level=0.1, epochs=1.5))
