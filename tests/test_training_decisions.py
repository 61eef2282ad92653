import signal
from typing import Any

from teaming import together, values

from alexnet.training.decisions import Decisions
from alexnet.training.interrupt import StopRequest
from alexnet.training.team import ALONE, Team


def test_one_process_decides_at_any_moment() -> None:
    request, due = StopRequest(), [False]
    decisions = Decisions(ALONE, request, lambda: due[0])
    assert decisions.hear([1.0, 2.0]) == [1.0, 2.0]
    assert (decisions.save, decisions.stop) == (False, None)
    due[0] = True
    assert (decisions.save, decisions.stop) == (True, None)
    request.number = signal.SIGINT
    assert decisions.stop == signal.SIGINT


def decide(team: Team) -> Any:
    rank = team.everyone.rank
    request = StopRequest()
    decisions = Decisions(team, request, lambda: True)  # every clock but the leader's is ignored
    quiet = Decisions(team, request, lambda: rank != 0)
    heard = decisions.hear([float(rank == place) * 10 for place in range(3)])
    before = decisions.save, decisions.stop
    request.number = signal.SIGTERM if rank == 2 else None
    own = decisions.stop  # nobody acts on a signal that not all have heard of
    quiet.hear()
    return heard, before, own, (quiet.save, quiet.stop)


def test_a_team_decides_by_its_last_message_and_by_the_leaders_clock() -> None:
    expected = ([10.0, 10.0, 10.0], (True, None), None, (True, signal.SIGTERM))
    assert values(together(3, decide)) == [expected] * 3


def wait_for_the_clock(team: Team) -> bool:
    decisions = Decisions(team, StopRequest(), lambda: team.everyone.rank != 0)
    decisions.hear()
    return decisions.save


def test_other_clocks_than_the_leaders_save_nothing() -> None:
    assert values(together(2, wait_for_the_clock)) == [False, False]
