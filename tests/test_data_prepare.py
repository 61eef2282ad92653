import errno
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_source import FakeSource, WithoutTorch

from alexnet.data import prepare as module
from alexnet.data.prepare import PrepareProgress, prepare, prepared
from alexnet.data.source import SPLITS
from alexnet.data.sources.folder import Folder
from alexnet.data.split import assign_splits
from alexnet.data.statistics import Sums
from alexnet.data.store import Store, partial
from alexnet.data.unfinished import Unfinished
from alexnet.errors import ConfigError, DataError
from alexnet.locking import BusyError

SOURCE = FakeSource(80, refused=(3, 40, 41))  # three chunks: 32, 32, 16
ACCEPTED = [number for number in range(80) if number not in SOURCE.refused]


class Stop(BaseException):
    """Ends preparation from inside, as an interrupt does."""


def contents(path: Path) -> dict[str, bytes]:
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def stop_at(stage: str, done: int):
    def progress(event: PrepareProgress) -> None:
        if event.stage == stage and event.done >= done:
            raise Stop

    return progress


def interrupt(source: FakeSource, path: Path, stage: str, done: int) -> None:
    with pytest.raises(Stop):
        prepare(source, path, workers=1, progress=stop_at(stage, done))
    assert not path.exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    """The files of the store that one process makes of SOURCE without interruption."""
    return contents(prepare(SOURCE, tmp_path_factory.mktemp("whole") / "store", workers=1).path)


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
def test_three_workers_write_the_same_bytes_as_one(tmp_path, encoding):
    one, three = (
        prepare(SOURCE, tmp_path / str(workers), encoding=encoding, workers=workers).path for workers in (1, 3)
    )
    assert contents(one) == contents(three)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "3"]


@pytest.mark.parametrize(("stage", "done"), [("read", 0), ("read", 32), ("read", 80), ("measure", 0), ("measure", 57)])
def test_stopped_anywhere_and_resumed_it_writes_the_same_bytes(tmp_path, whole, stage, done):
    interrupt(SOURCE, tmp_path / "store", stage, done)
    events: list[PrepareProgress] = []
    store = prepare(SOURCE, tmp_path / "store", workers=1, progress=events.append)
    assert contents(store.path) == whole
    assert events[0].done == (80 if stage == "measure" else done)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize(
    ("file", "damage", "kept"),
    [
        ("journal.jsonl", lambda content: content[:-1], 32),
        ("journal.jsonl", lambda content: content[: len(content) // 4], 0),
        ("journal.jsonl", lambda content: content + b"\0" * 50, 64),
        ("journal.jsonl", lambda content: b"", 0),
        ("store/images.bin", lambda content: content[:-1], 32),
        ("store/images.bin", lambda content: content + b"half of a chunk", 64),
        ("store/images.bin", lambda content: content[:-9] + b"\0" * 9, 32),  # never reached the disk
        ("store/images.bin", lambda content: b"", 0),
        ("plan.json", lambda content: b"", 0),
    ],
)
def test_what_the_journal_does_not_vouch_for_is_made_again(tmp_path, whole, file, damage, kept):
    interrupt(SOURCE, tmp_path / "store", "read", 64)
    damaged = partial(tmp_path / "store") / file
    damaged.write_bytes(damage(damaged.read_bytes()))
    resumed_at = []
    for _ in range(2):  # stopped again, before it is measured
        events: list[PrepareProgress] = []

        def progress(event: PrepareProgress, events: list[PrepareProgress] = events) -> None:
            events.append(event)
            stop_at("measure", 0)(event)

        with pytest.raises(Stop):
            prepare(SOURCE, tmp_path / "store", workers=1, progress=progress)
        resumed_at.append(events[0].done)
    assert resumed_at == [kept, 80]
    assert contents(prepare(SOURCE, tmp_path / "store", workers=1).path) == whole


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_the_middle_it_leaves_no_process_and_resumes_to_the_same_bytes(tmp_path, whole, kind):
    diary, gate = tmp_path / "diary", tmp_path / "gate"
    diary.mkdir()
    program = (
        "from pathlib import Path; from fake_source import FakeSource; from alexnet.data.prepare import prepare\n"
        f"source = FakeSource(80, refused=(3, 40, 41), gate=Path({str(gate)!r}), diary=Path({str(diary)!r}))\n"
        f"prepare(source, {str(tmp_path / 'store')!r}, workers=2)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        start_new_session=True,
        # a shell's background jobs are told to ignore Ctrl-C, and pass that on
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    journal = partial(tmp_path / "store") / "journal.jsonl"
    deadline = time.monotonic() + 60
    # the first of three chunks is done, both workers have begun, and the gate holds up the other chunks
    while not (journal.exists() and journal.read_bytes().count(b"\n") == 1 and len(list(diary.iterdir())) == 2):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if kind == signal.SIGINT:
        os.killpg(process.pid, kind)  # as Ctrl-C does; workers finish the chunk they are at
        gate.touch()
    else:
        process.kill()
    _, words = process.communicate(timeout=60)
    assert process.returncode == -kind
    assert words.count(b"Traceback") == (1 if kind == signal.SIGINT else 0)  # the workers keep quiet
    workers = [int(file.name) for file in diary.iterdir()]
    while any(map(alive, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert not (tmp_path / "store").exists()
    events: list[PrepareProgress] = []
    assert contents(prepare(SOURCE, tmp_path / "store", workers=1, progress=events.append).path) == whole
    assert 32 <= events[0].done < 80


def test_a_dead_worker_is_an_error_and_the_work_can_be_resumed(tmp_path, whole):
    with pytest.raises(DataError, match="worker processes died"):
        prepare(replace(SOURCE, killed_at=70), tmp_path / "store", workers=2)
    assert contents(prepare(SOURCE, tmp_path / "store", workers=1).path) == whole


def test_workers_do_not_load_torch(tmp_path):
    store = prepare(WithoutTorch(80), tmp_path / "store", workers=2)
    assert store.report["refused"] == []


def test_a_killed_rename_leaves_a_store_and_its_remains_are_cleared(tmp_path, whole):
    interrupt(SOURCE, tmp_path / "store", "read", 64)
    prepare(SOURCE, tmp_path / "other", workers=1).path.rename(tmp_path / "store")
    assert contents(prepare(SOURCE, tmp_path / "store").path) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


def test_statistics_are_those_of_the_training_photographs_as_they_are_read(tmp_path):
    for encoding in ("raw", "jpeg"):
        store = prepare(SOURCE, tmp_path / encoding, encoding=encoding, workers=1)
        train = store.split("train")
        assert 0 < len(train) < len(store)
        expected = Sums.of(map(store.read, train), side=256).statistics()
        assert store.statistics.mean_image.tobytes() == expected.mean_image.tobytes()
        assert store.statistics.covariance.tobytes() == expected.covariance.tobytes()
        assert store.statistics.images == len(train)


def test_refused_photographs_are_reported_and_do_not_count_in_the_split(tmp_path):
    store = prepare(SOURCE, tmp_path / "store", workers=1)
    assert [entry["reason"] for entry in store.report["refused"]] == [f"it is number {n}" for n in (3, 40, 41)]
    keys = [category.key for category in SOURCE.categories]
    expected = assign_splits([number % 3 for number in ACCEPTED], {"test": 0.25}, 0, keys)
    assert [SPLITS.index(store.split_of(position)) for position in range(len(store))] == expected.tolist()


def test_given_splits_are_kept_and_a_missing_one_is_drawn_from_train(tmp_path):
    source = replace(SOURCE, splits=("train", "train", "test"))
    store = prepare(source, tmp_path / "given", workers=1)
    assert [store.split_of(row) == "test" for row in range(77)] == [number % 3 == 2 for number in ACCEPTED]
    drawn = prepare(source, tmp_path / "drawn", workers=1, split={"val": 0.2})
    np.testing.assert_array_equal(drawn.split("test"), store.split("test"))
    assert drawn.splits == {"train": 42, "val": 10, "test": 25}
    with pytest.raises(ConfigError, match=r"fake says itself which photographs are 'test'; a share can only"):
        prepare(source, tmp_path / "clash", split={"test": 0.2})


def test_the_split_asked_for_and_the_seed_decide(tmp_path):
    stores = [
        prepare(SOURCE, tmp_path / f"{number}", workers=1, **options)
        for number, options in enumerate([{"split": {"val": 0.5}}, {"split": {"val": 0.5}, "seed": 1}, {"split": {}}])
    ]
    assert [store.splits for store in stores] == [{"train": 39, "val": 38}] * 2 + [{"train": 77}]
    assert stores[0].split("val").tolist() != stores[1].split("val").tolist()
    assert len({store.fingerprint for store in stores}) == 3


def test_auto_and_what_it_stands_for_make_the_same_store(tmp_path, whole):
    assert contents(prepare(SOURCE, tmp_path / "store", encoding="raw", quality=50, workers=1).path) == whole


def test_strict_makes_a_refusal_an_error_and_keeps_what_is_done(tmp_path, whole):
    for workers in (1, 2):
        with pytest.raises(DataError, match=r"cannot be used \(n0000/3\.jpg: it is number 3\)"):
            prepare(SOURCE, tmp_path / "store", strict=True, workers=workers)
        assert not (tmp_path / "store").exists()
    assert contents(prepare(SOURCE, tmp_path / "store", workers=1).path) == whole


def test_strict_counts_what_was_refused_before_it_was_asked_for(tmp_path):
    interrupt(SOURCE, tmp_path / "store", "read", 64)
    with pytest.raises(DataError, match=r"3\.jpg: .*; n0001/40\.jpg: .*; n0002/41\.jpg"):
        prepare(SOURCE, tmp_path / "store", strict=True)
    prepare(SOURCE, tmp_path / "store", workers=1)
    with pytest.raises(DataError, match=r"n0002/41\.jpg: it is number 41\); repair"):
        prepare(SOURCE, tmp_path / "store", strict=True)
    assert Store.open(tmp_path / "store")


def test_strict_makes_the_same_store_when_nothing_is_refused(tmp_path):
    source = FakeSource(20)
    one, other = (prepare(source, tmp_path / f"{strict}", strict=strict, workers=1) for strict in (True, False))
    assert contents(one.path) == contents(other.path)


def test_a_finished_store_is_returned_as_it_is(tmp_path, whole):
    prepare(SOURCE, tmp_path / "store", workers=1)
    events: list[PrepareProgress] = []
    store = prepare(SOURCE, tmp_path / "store", progress=events.append)
    assert events == []
    assert contents(store.path) == whole


def test_another_store_or_another_thing_at_the_path_is_an_error(tmp_path):
    prepare(SOURCE, tmp_path / "store", workers=1)
    with pytest.raises(DataError, match=r"a store already.*\(source fake, 77 photographs, raw, side 256\); delete"):
        prepare(SOURCE, tmp_path / "store", seed=1)
    with pytest.raises(DataError, match="exists and is not a store; choose another path"):
        prepare(SOURCE, tmp_path)


def test_an_empty_folder_at_the_path_is_filled(tmp_path, whole):
    (tmp_path / "store").mkdir()
    assert contents(prepare(SOURCE, tmp_path / "store", workers=1).path) == whole


def test_unfinished_work_with_other_options_is_an_error_until_it_is_deleted(tmp_path):
    interrupt(SOURCE, tmp_path / "store", "read", 32)
    with pytest.raises(DataError, match=r"store\.partial holds unfinished work on other photographs or with other"):
        prepare(SOURCE, tmp_path / "store", seed=1)
    assert (partial(tmp_path / "store") / "journal.jsonl").stat().st_size > 0


def test_two_processes_do_not_work_on_one_store(tmp_path):
    def second(_: PrepareProgress) -> None:
        with pytest.raises(BusyError, match=rf"Process {os.getpid()} is preparing {tmp_path}/store now; wait until"):
            prepare(SOURCE, tmp_path / "store", workers=1)
        raise Stop

    with pytest.raises(Stop):
        prepare(SOURCE, tmp_path / "store", workers=1, progress=second)
    assert prepare(SOURCE, tmp_path / "store", workers=1)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            FakeSource(9, refused=(1, 4, 7)),
            r"'n0001' .* no usable photograph \(all 3 were refused, the first because it",
        ),
        (FakeSource(2, classes=3), r"'n0002' of the source fake has no usable photograph \(it has none\)"),
    ],
)
def test_a_source_that_cannot_be_trained_on_is_an_error(tmp_path, source, sentence):
    with pytest.raises(DataError, match=sentence):
        prepare(source, tmp_path / "store", workers=1)
    assert not (tmp_path / "store").exists()


def test_a_full_disk_is_an_error_and_the_work_can_be_resumed(tmp_path, monkeypatch, whole):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Unfinished, "append", full)
        with pytest.raises(DataError, match=r"The disk is full: .*store\.partial cannot grow; make room"):
            prepare(SOURCE, tmp_path / "store", workers=1)
    assert contents(prepare(SOURCE, tmp_path / "store", workers=1).path) == whole


def test_too_little_room_for_raw_photographs_is_an_error_beforehand(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_free_space", lambda _: 1e6)
    with pytest.raises(DataError, match=r"takes 15\.7 MB more, but its disk has 1\.0 MB free, 14\.7 MB too"):
        prepare(SOURCE, tmp_path / "store", encoding="raw")
    assert prepare(SOURCE, tmp_path / "jpeg", encoding="jpeg", workers=1)


def test_a_path_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"Cannot write the store .*file/store, or read what .* it: .*Not a directory"):
        prepare(SOURCE, tmp_path / "file" / "store")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"encoding": "jpg"}, "Unknown encoding 'jpg'; did you mean 'jpeg'"),
        ({"encoding": "jpeg", "quality": 0}, "quality must be from 1 to 100, not 0"),
        ({"workers": -2}, "not -2"),
        ({"split": {"dev": 0.1}}, "Unknown split 'dev'"),
    ],
)
def test_options_that_do_not_fit_are_errors_and_leave_nothing(tmp_path, options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        prepare(SOURCE, tmp_path / "store", **options)
    assert list(tmp_path.iterdir()) == []


def test_the_cache_keeps_a_store_for_each_source_and_its_options(tmp_path):
    one = prepared(SOURCE, tmp_path / "cache", workers=1)
    assert prepared(SOURCE, tmp_path / "cache", workers=1).path == one.path
    assert one.path.parent == tmp_path / "cache"
    other = prepared(SOURCE, tmp_path / "cache", workers=1, seed=5)
    changed = prepared(replace(SOURCE, identity="changed"), tmp_path / "cache", workers=1)
    assert len({one.path, other.path, changed.path}) == 3


def test_a_folder_of_odd_photographs_is_prepared_and_its_broken_ones_reported(tmp_path, shared_data):
    (tmp_path / "photographs").mkdir()
    for name in ("left", "right"):
        (tmp_path / "photographs" / name).symlink_to(shared_data / "odd")
    store = prepare(Folder(tmp_path / "photographs"), tmp_path / "store", workers=2)
    refused = {entry["path"]: entry["reason"] for entry in store.report["refused"]}
    assert set(refused) == {
        f"{name}/{file}"
        for name in ("left", "right")
        for file in (
            "broken.png",
            "decompression_bomb.gif",
            "truncated_image.png",
            "truncated_jpeg.jpg",
            "zero_width.gif",
        )
    }
    assert all(refused.values())
    assert {"path": "left/pil_sample_cmyk.jpg", "treatments": ["converted from CMYK"]} in store.report["treated"]
    assert len(store) == 20


def test_a_changed_journal_is_noticed_and_the_work_done_again(tmp_path, whole):
    interrupt(SOURCE, tmp_path / "store", "read", 64)
    journal = partial(tmp_path / "store") / "journal.jsonl"
    content = journal.read_bytes()
    assert b", 280]" in content
    journal.write_bytes(content.replace(b", 280]", b", 281]", 1))  # the height of a photograph
    assert contents(prepare(SOURCE, tmp_path / "store", workers=1).path) == whole


def test_a_link_to_an_empty_folder_is_filled_where_it_leads(tmp_path):
    (tmp_path / "disk" / "empty").mkdir(parents=True)
    for name in ("empty", "none yet"):
        (tmp_path / name).symlink_to(tmp_path / "disk" / name)
        store = prepare(FakeSource(6), tmp_path / name, workers=1)
        assert store.path == tmp_path / "disk" / name
        assert len(Store.open(tmp_path / name)) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "empty", "none yet"]


def test_a_mount_point_is_told_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "volume").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda self: self.name == "volume")
    with pytest.raises(DataError, match=r"volume is a mount point, .*; give .*/volume/store\."):
        prepare(FakeSource(6), tmp_path / "volume", workers=1)
    assert not (tmp_path / "volume.partial").exists()
    assert len(prepare(FakeSource(6), tmp_path / "volume" / "store", workers=1)) == 6
