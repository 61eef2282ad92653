import os
from datetime import timedelta
from typing import Any

import pytest
import torch
from teaming import together, values

from alexnet.training import circle
from alexnet.training.circle import Circle, Job, PeerLost
from alexnet.training.team import Team


class Stuck:
    """A transfer that never ends."""

    waits = 0

    def wait(self, patience: timedelta) -> None:
        self.waits += 1
        raise RuntimeError("Operation timed out!")

    def is_completed(self) -> bool:
        return False


def test_a_wait_ends_when_a_neighbour_has_died_though_the_transfer_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alive = iter([True, True, False])
    monkeypatch.setattr(circle, "is_alive", lambda number: next(alive))
    stuck = Stuck()
    with pytest.raises(PeerLost, match="timed out"):
        Job(stuck, [1]).wait()
    assert stuck.waits == 3


def test_a_process_is_alive_until_it_has_ended() -> None:
    assert circle.is_alive(os.getpid())
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(child, 0)
    assert not circle.is_alive(child)


def talk(team: Team) -> Any:
    us = team.everyone
    rank, size = us.rank, us.size
    pieces = torch.arange(size * 2.0) + 100 * rank
    received, job = us.scatter(pieces)
    job.wait()
    whole = torch.empty(size * 2)
    us.gather(whole, torch.full((2,), float(rank))).wait()
    rows = us.gather_rows(torch.full((rank, 3), rank), [*range(size)])
    return us.add([rank, 1]), received.tolist(), whole.tolist(), rows.tolist(), us.sent


def test_what_all_say_comes_in_the_order_of_their_ranks() -> None:
    for rank, (sums, received, whole, rows, sent) in enumerate(values(together(3, talk))):
        assert sums == [3.0, 3.0]
        assert received == [100.0 * other + 2 * rank + place for other in range(3) for place in range(2)]
        assert whole == [0, 0, 1, 1, 2, 2]
        assert rows == [[1] * 3, [2] * 3, [2] * 3]
        # two pieces of 8 bytes to others, one of 8 bytes to two, the rows padded to two of 24 bytes
        assert sent == 16 + 16 + 2 * 48


def swap(team: Team) -> Any:
    us = team.everyone
    mine = torch.full((1 + us.rank, 2), float(us.rank))
    return us.swap(mine, (2 - us.rank, 2)).tolist(), us.sent


def test_two_swap_what_need_not_be_of_one_shape() -> None:
    assert values(together(2, swap)) == [([[1.0, 1.0], [1.0, 1.0]], 8), ([[0.0, 0.0]], 16)]


def test_a_circle_of_one_says_nothing() -> None:
    us = Circle()
    assert us.hear(1) == [1] and us.from_first(2) == 2 and us.hand_out({"a": 3}) == {"a": 3} and us.sent == 0
