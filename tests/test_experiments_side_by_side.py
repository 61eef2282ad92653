import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from experimenting import RUNTIME, places, row

from alexnet.data.store import Store
from alexnet.experiments import side_by_side
from alexnet.experiments.design import APART, Arm
from alexnet.experiments.order import tasks_together
from alexnet.experiments.side_by_side import RunFailed, Told, run_all
from alexnet.training.interrupt import Interrupted


def test_runs_are_made_side_by_side_in_the_order_of_the_tasks(colours: Store, tmp_path: Path) -> None:
    told: list[Told] = []
    where = places(colours, tmp_path)
    assert run_all([row()], where, RUNTIME, seeds=[0], jobs=2, tell=told.append)
    assert {path.name for path in where.records.rglob("*.json")} == {"colours-32-0.json", "mirror=false-0.json"}
    assert sorted(each.task.arm for each in told if each.record) == ["base", "mirror=false"]
    assert sorted(each.epoch.epoch for each in told if each.epoch) == [1, 1, 2, 2]
    assert run_all([row()], where, RUNTIME, seeds=[0], tell=told.append)
    assert len([each for each in told if each.record]) == 2, "nothing is run twice"


def test_experiments_together_share_a_base_and_go_seed_by_seed(colours: Store, tmp_path: Path) -> None:
    where = places(colours, tmp_path)
    other = row(name="other", arms=(Arm("lr", {"lr": "0.02"}),), pairs=(replace(row().pairs[0], absent="lr"),))
    begun = [task.file for task in tasks_together([row(), other], lambda task: None)]
    assert begun == [
        *("base/colours-32-0.json", "small/mirror=false-0.json", "other/lr-0.json"),
        *("base/colours-32-1.json", "small/mirror=false-1.json", "other/lr-1.json"),
    ]
    told: list[Told] = []
    assert run_all([row(), other], where, RUNTIME, seeds=[0], jobs=3, tell=told.append)
    assert sorted(each.task.arm for each in told if each.record) == ["base", "lr", "mirror=false"]


def test_a_budget_ends_with_what_can_be_gone_on_with(colours: Store, tmp_path: Path) -> None:
    where = places(colours, tmp_path)
    assert not run_all([row()], where, RUNTIME, minutes=0.0)
    assert not list(where.records.rglob("*.json"))
    assert not run_all([row()], where, RUNTIME, minutes=0.03)


def test_a_look_that_a_budget_ends_is_made_by_the_same_call(colours: Store, tmp_path: Path) -> None:
    where, looks = places(colours, tmp_path), row(name="apart", of="small", outcome=APART, seeds=(0,))
    assert run_all([row()], where, RUNTIME, seeds=[0])
    assert not run_all([looks], where, RUNTIME, minutes=0.0) and not (where.records / "apart").exists()
    assert run_all([looks], where, RUNTIME, jobs=2)
    assert {path.name for path in (where.records / "apart").iterdir()} == {"base-0.json", "mirror=false-0.json"}


def test_a_signal_stops_the_runs_saved(colours: Store, tmp_path: Path) -> None:
    where = places(colours, tmp_path)
    bench = row().bench
    long = row(bench=replace(bench, settings={**bench.settings, "epochs": "9999", "lr": "1e-9"}))
    main = threading.get_ident()

    def stop() -> None:
        while not list(where.work.rglob("metrics.csv")):
            time.sleep(0.05)
        time.sleep(1.0)
        signal.pthread_kill(main, signal.SIGTERM)

    watcher = threading.Thread(target=stop)
    watcher.start()
    with pytest.raises(Interrupted, match="the same command goes on") as caught:
        run_all([long], where, RUNTIME)
    watcher.join()
    assert caught.value.exit_code == 143
    assert list(where.work.rglob("last.pt")) and not list(where.records.rglob("*.json"))


def test_an_error_of_a_run_is_told_with_its_name(colours: Store, tmp_path: Path) -> None:
    (tmp_path / "work").write_text("no folder")
    with pytest.raises(RunFailed, match="small: base, seed 0: unexpectedly, "):
        run_all([row()], places(colours, tmp_path), RUNTIME)


def test_a_process_that_dies_is_told(colours: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "_work", side_by_side.time.sleep)
    with pytest.raises(RunFailed, match=r"small: base, seed 0: its process ended with status 1"):
        run_all([row()], places(colours, tmp_path), RUNTIME)
