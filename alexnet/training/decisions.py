"""What all processes do together between two steps: whether to save, and whether to stop."""

from collections.abc import Callable, Sequence

from alexnet.training.interrupt import StopRequest
from alexnet.training.team import Team


class Decisions:
    """Whether it is time to save or to stop: for one process at any moment, for a team as its last message said.

    The leader's clock decides when to save; a signal that any process received stops all of them at the same step.
    """

    def __init__(self, team: Team, request: StopRequest, due: Callable[[], bool]) -> None:
        self._team, self._request, self._due_here = team, request, due
        self._stop: int | None = None
        self._due = False

    @property
    def stop(self) -> int | None:
        """The number of the signal to stop for."""
        return self._request.number if self._team.size == 1 else self._stop

    @property
    def save(self) -> bool:
        """Whether to write a checkpoint."""
        return self.stop is not None or (self._due_here() if self._team.size == 1 else self._due)

    def hear(self, found: Sequence[float] = ()) -> list[float]:
        """The sums of what all have found, place by place; the decisions travel in the same message."""
        if self._team.size == 1:
            return list(found)
        circle = self._team.everyone
        wishes = [0.0] * (circle.size + 1)
        wishes[circle.rank] = float(self._request.number or 0)
        wishes[-1] = float(self._team.leads and self._due_here())
        heard = circle.add([*found, *wishes])
        *signals, due = heard[len(found) :]
        self._stop = int(max(signals)) or None
        self._due = bool(due)
        return heard[: len(found)]
