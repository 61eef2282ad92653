import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import teaming
import torch
from teaming import End, together, values

from alexnet.errors import AlexNetError, ConfigError
from alexnet.process import Seat
from alexnet.training import team as team_module
from alexnet.training.team import ALONE, Team, open_team


def add_for_ever(team: Team, folder: Path) -> None:
    team.everyone.add([1.0])
    (folder / str(team.everyone.rank)).touch()
    while True:
        team.everyone.add([1.0])


def when_all_work(folder: Path, act: Callable[[list[int]], None], times: list[float]) -> Callable[[list[int]], None]:
    """Acts when every process has said in the folder that it is at work, and writes down when."""

    def wait(pids: list[int]) -> None:
        end = time.monotonic() + teaming.PATIENCE
        while len(list(folder.iterdir())) < len(pids):
            assert time.monotonic() < end
            time.sleep(0.05)
        act(pids)
        times.append(time.monotonic())

    return wait


@pytest.mark.parametrize("size", [2, 3])
def test_when_a_process_is_killed_the_others_end_and_one_of_them_says_so(size: int, tmp_path: Path) -> None:
    times: list[float] = []
    kill = when_all_work(tmp_path, lambda pids: os.kill(pids[1], signal.SIGKILL), times)
    ends = together(size, add_for_ever, tmp_path, meanwhile=kill)
    assert time.monotonic() - times[0] < 5
    assert ends.pop(1) == End()
    (said,) = [end.error for end in ends if end.error]
    assert said.startswith("Process 1 is gone, or was silent for 8 s")
    assert {end.exit_code for end in ends} == {75}


def test_when_a_process_falls_silent_the_others_wait_so_long_and_end(tmp_path: Path) -> None:
    times: list[float] = []
    stopped: list[int] = []

    def stop(pids: list[int]) -> None:
        os.kill(pids[1], signal.SIGSTOP)
        stopped.append(pids[1])

    watch = when_all_work(tmp_path, stop, times)
    ends = together(2, add_for_ever, tmp_path, seconds=3, meanwhile=watch, only=0)
    assert 2 < time.monotonic() - times[0] < 3 + 5
    assert ends[0].error and ends[0].error.startswith("Process 1 is gone, or was silent for 3 s")


def fail_alone(team: Team, rank: int) -> None:
    if team.everyone.rank == rank:
        raise AlexNetError("The disk is full.")
    team.everyone.add([1.0])


@pytest.mark.parametrize("rank", [0, 2])
def test_an_error_in_one_process_ends_all_and_is_said_once(rank: int) -> None:
    ends = together(3, fail_alone, rank)
    assert [end.error for end in ends] == ["The disk is full." if each == rank else "" for each in range(3)]
    assert all(end.exit_code for end in ends)


def fail_together(team: Team) -> None:
    raise AlexNetError("All of us know.")


def test_an_error_that_all_have_is_said_once() -> None:
    ends = together(3, fail_together)
    assert sorted(end.error or "" for end in ends) == ["", "", "All of us know."]
    assert {end.exit_code for end in ends} == {1}


def compare(team: Team) -> None:
    team.agree({"dtype": "bf16", "store": "12ab" if team.everyone.rank < 2 else "34cd"})


def test_processes_that_mean_different_runs_are_told_both_values() -> None:
    (said,) = [end.error for end in together(3, compare) if end.error]
    assert "not have the same store: process 2 has 34cd, process 0 has 12ab" in said


def older_alexnet(rank: int) -> None:
    team_module.VERSION = "0.1.0" if rank == 1 else "0.2.0"  # type: ignore[misc]


def older_torch(rank: int) -> None:
    torch.__version__ = "2.6.0" if rank == 1 else "2.13.0"  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (older_alexnet, "version of alexnet: process 1 has 0.1.0, process 0 has 0.2.0;"),
        (older_torch, "version of PyTorch: process 1 has 2.6.0, process 0 has 2.13.0;"),
    ],
)
def test_processes_of_different_versions_are_told_both_before_they_begin(
    before: Callable[[int], None], said: str, tmp_path: Path
) -> None:
    ends = together(2, begin, tmp_path, before=before)
    assert [said in end.error for end in ends if end.error] == [True]
    assert {end.exit_code for end in ends} == {2}
    assert not list(tmp_path.iterdir())


def begin(team: Team, folder: Path) -> None:
    (folder / str(team.everyone.rank)).touch()


def know_more(team: Team) -> None:
    team.agree({"dtype": "bf16"} if team.leads else {"dtype": "bf16", "setting new": "3"})


def test_a_fact_that_one_process_does_not_know_is_a_difference() -> None:
    (said,) = [end.error for end in together(2, know_more) if end.error]
    assert "the same setting new: process 1 has 3, process 0 has none" in said


def prepare(team: Team, folder: Path) -> list[str]:
    def make() -> list[str]:
        if team.leads:
            time.sleep(1.5)  # longer than the others would wait for a message
            (folder / "made").touch()
        return [path.name for path in folder.iterdir()]

    return team.leader_first("store", make)


def test_the_others_wait_for_what_the_leader_prepares_however_long_it_takes(tmp_path: Path) -> None:
    assert values(together(2, prepare, tmp_path, seconds=1)) == [["made"], ["made"]]


def gather(team: Team) -> Any:
    rank = team.everyone.rank
    given = {"a": [1, {"b": team.everyone.rank}], "none": None}
    return team.by_leader(lambda: rank), team.everyone.hand_out(given if team.leads else None), team.everyone.hear(rank)


def test_the_leaders_word_holds_for_all() -> None:
    assert values(together(3, gather)) == [(0, {"a": [1, {"b": 0}], "none": None}, [0, 1, 2])] * 3


def test_a_process_by_itself_makes_no_calls() -> None:
    with open_team(Seat(), wait=1) as team:
        assert team is ALONE
        assert team.everyone.add([1.0, 2.0]) == [1.0, 2.0]
        assert team.leader_first("it", lambda: 3) == team.by_leader(lambda: 3) == 3
        assert team.everyone.sent == 0 and team.describe() == ""
        team.agree({"store": "12ab"})


def test_two_towers_need_two_processes() -> None:
    with pytest.raises(ConfigError, match="torchrun --nproc-per-node=2"), open_team(Seat(), wait=1, towers=2):
        pass
    ends = together(3, gather, towers=2)
    assert [end.error for end in ends if end.error] == [
        "3 processes do not divide into replicas of 2 towers; start more or fewer."
    ]
