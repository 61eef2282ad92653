import csv
import errno
import json
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from alexnet.errors import AlexNetError
from alexnet.training import log as logs
from alexnet.training.events import EpochEnd, Saved, StepEnd, Warned, WindowEnd
from alexnet.training.log import RunLog
from alexnet.training.run import Run, create_run
from alexnet.training.state import TrainingState
from alexnet.training.windows import read_windows

EPOCH = EpochEnd(
    epoch=1,
    lr=0.01,
    train_loss=1 / 3,
    train_error=0.5,
    val_loss=2.5,
    val_top1_error=0.25,
    val_top5_error=0.0,
    rate=100.0,
    waiting=0.1,
    seconds=3.0,
    best=True,
)
STEP = StepEnd(epoch=1, step=50, steps=60, loss=1.5, error=0.5, lr=0.01, rate=10.0, waiting=0.0, seconds_left=8.0)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return create_run(tmp_path / "run")


def rows(run: Run) -> list[dict[str, str]]:
    with open(run.path / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def lines(run: Run) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]


def epochs(count: int) -> list[EpochEnd]:
    return [replace(EPOCH, epoch=epoch, train_loss=1 / epoch) for epoch in range(1, count + 1)]


def test_an_epoch_is_a_row(run: Run) -> None:
    log = RunLog(run, TrainingState())
    log.write(EPOCH)
    log.write(replace(EPOCH, epoch=2, val_loss=None, val_top1_error=None, val_top5_error=None, best=False))
    first, second = rows(run)  # on the disk before the log is closed
    assert {name: str(value) for name, value in asdict(EPOCH).items()} == first
    assert float(first["train_loss"]) == 1 / 3
    assert (second["epoch"], second["val_loss"], second["best"]) == ("2", "", "False")
    log.close()


def test_every_event_is_a_line_that_parses(run: Run) -> None:
    log = RunLog(run, TrainingState())
    events = [STEP, EPOCH, Warned('odd "text"\n'), Saved("runs/a/last.pt", 1, 0)]
    for event in events:
        log.write(event)
    assert lines(run) == [{"event": type(event).__name__, **asdict(event)} for event in events]
    log.close()


def test_of_steps_one_in_fifty_is_written(run: Run) -> None:
    log = RunLog(run, TrainingState())
    for step in range(1, 121):
        log.write(replace(STEP, step=step))
    log.close()
    assert [line["step"] for line in lines(run)] == [50, 100]


def test_a_resumed_log_keeps_the_epochs_finished_and_drops_the_others(run: Run) -> None:
    log = RunLog(run, TrainingState())
    for event in epochs(4):
        log.write(event)
    log.close()
    again = RunLog(run, TrainingState(history=[asdict(event) for event in epochs(2)]))
    again.write(replace(EPOCH, epoch=3, train_loss=9.0))
    again.close()
    assert [row["epoch"] for row in rows(run)] == ["1", "2", "3"]
    assert [row["train_loss"] for row in rows(run)] == ["1.0", "0.5", "9.0"]
    assert len(lines(run)) == 5  # what happened stays told


@pytest.mark.parametrize("torn", ['{"event": "St', "2,0.01,0.3", "x" * (3 << 20)])
def test_half_a_line_of_a_lost_machine_is_cut_off(run: Run, torn: str) -> None:
    log = RunLog(run, TrainingState())
    log.write(EPOCH)
    log.close()
    for name in ("log.jsonl", "metrics.csv"):
        with open(run.path / name, "a") as file:
            file.write(torn)
    again = RunLog(run, TrainingState(history=[asdict(EPOCH)]))
    again.write(replace(EPOCH, epoch=2))
    again.close()
    assert [line["epoch"] for line in lines(run)] == [1, 2]
    assert [row["epoch"] for row in rows(run)] == ["1", "2"]


def test_metrics_that_were_deleted_are_written_again(run: Run) -> None:
    RunLog(run, TrainingState(history=[asdict(event) for event in epochs(3)])).close()
    assert [row["epoch"] for row in rows(run)] == ["1", "2", "3"]


def test_without_tensorboard_the_user_is_told_how_to_get_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "SummaryWriter", None)
    log = RunLog(run, TrainingState())
    log.write(EPOCH)
    assert log.missing is not None
    assert "pip install 'alexnet[tb]'" in log.missing.text
    log.close()
    assert not (run.path / "tensorboard").exists()


class Board:
    """Notes what TensorBoard would be given."""

    made: list["Board"] = []  # noqa: RUF012

    def __init__(self, path: str, purge_step: int) -> None:
        self.path, self.purge_step, self.closed = path, purge_step, False
        self.scalars: dict[str, tuple[float, int]] = {}
        self.made.append(self)

    def add_scalar(self, name: str, value: float, epoch: int) -> None:
        self.scalars[name] = value, epoch

    def close(self) -> None:
        self.closed = True


def test_tensorboard_gets_the_numbers_of_each_epoch(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "SummaryWriter", Board)
    log = RunLog(run, TrainingState(history=[asdict(event) for event in epochs(4)]))
    log.write(replace(EPOCH, epoch=5, val_loss=None))
    log.close()
    board = Board.made[-1]
    assert (board.path, board.purge_step, board.closed) == (str(run.path / "tensorboard"), 5, True)
    assert board.scalars["train_loss"] == (1 / 3, 5)
    assert board.scalars["lr"] == (0.01, 5)
    assert not {"epoch", "val_loss"} & set(board.scalars)
    assert log.missing is None


def test_real_tensorboard_events_are_written_where_it_is_installed(run: Run) -> None:
    if logs.SummaryWriter is None:
        pytest.skip("tensorboard is not installed")
    log = RunLog(run, TrainingState())
    log.write(EPOCH)
    log.close()
    (events,) = (run.path / "tensorboard").iterdir()
    assert b"val_top1_error" in events.read_bytes()


def test_a_log_that_cannot_be_opened_is_a_sentence(run: Run) -> None:
    (run.path / "log.jsonl").mkdir()
    with pytest.raises(AlexNetError, match=r"Cannot write the logs in .*run: Is a directory; free some space or mend"):
        RunLog(run, TrainingState())


@pytest.mark.parametrize("when", ["opened", "written", "closed"])
def test_a_board_that_cannot_be_written_is_a_warning_said_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    class Broken:
        def __init__(self, *_: object, **__: object) -> None:
            self.fail("opened")

        def add_scalar(self, *_: object) -> None:
            self.fail("written")

        def close(self) -> None:
            self.fail("closed")

        def fail(self, now: str) -> None:
            if now == when:
                raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(logs, "SummaryWriter", Broken)
    told: list[Warned] = []
    log = RunLog(run, TrainingState(), told.append)
    for _ in range(3):
        log.write(EPOCH)
    log.close()
    assert [warned.text for warned in told] == [
        "TensorBoard events cannot be written (No space left on device); the other logs go on."
    ]
    assert len((run.path / "metrics.csv").read_text().splitlines()) == 4


def test_the_thread_of_a_board_on_a_full_disk_prints_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    writers = pytest.importorskip("tensorboard.summary.writer.record_writer")
    printed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", printed.append)
    before = threading.excepthook

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writers.RecordWriter, "write", full)
    told: list[Warned] = []
    log = RunLog(run, TrainingState(), told.append)
    log.write(EPOCH)
    other = threading.Thread(target=full)
    other.start()
    other.join()
    log.close()
    assert len(printed) == 1  # of the thread that is not TensorBoard's
    assert ["No space left on device" in warned.text for warned in told] == [True]
    assert threading.excepthook == before


def test_a_disk_that_fills_up_is_a_sentence_and_the_log_can_still_be_closed(run: Run) -> None:
    log = RunLog(run, TrainingState())
    (run.path / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(AlexNetError, match=r"Cannot write the logs in .*run: No space left on device; free some space"):
        log.write(EPOCH)
    log.close()


def test_windows_are_rows_of_their_own_and_those_after_the_checkpoint_are_dropped(run: Run) -> None:
    told = [WindowEnd(10_048 * number, 1 / number, 0.5 / number) for number in (1, 2, 3)]
    log = RunLog(run, TrainingState())
    for event in told:
        log.write(event)
    assert read_windows(run.path) == told  # on the disk before the log is closed
    log.close()
    again = RunLog(run, TrainingState(windows=[asdict(told[0])]))
    other = replace(told[1], error=0.125)
    again.write(other)
    again.close()
    assert read_windows(run.path) == [told[0], other]
    assert [line["event"] for line in lines(run)] == ["WindowEnd"] * 4
