"""What processes say to one another: `torch.distributed`, with the bytes counted and its failures as one error.

All calls are collective: every process of a circle makes the same ones in the same order.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from alexnet.errors import AlexNetError

T = TypeVar("T")
LOOK_AROUND = timedelta(seconds=1)  # how long a wait goes on before the neighbours are counted


class PeerLost(AlexNetError):
    """Another process is gone, or has been silent for too long; the run goes on from its checkpoint."""

    exit_code = 75  # EX_TEMPFAIL: try again
    where = ""  # in the run, and how to go on


class Job:
    """A transfer under way; `neighbours` are the numbers of this machine's processes that must be there meanwhile."""

    def __init__(self, work: Any, neighbours: Sequence[int]) -> None:
        self._work, self._neighbours = work, neighbours

    def wait(self) -> None:
        """Returns when it is done. Raises PeerLost."""
        if not self._neighbours:
            with lost_peers():
                self._work.wait()
            return
        while True:
            try:
                self._work.wait(LOOK_AROUND)
                return
            except RuntimeError as error:
                # gloo does not always notice that the one it is sending to has died
                if self._work.is_completed() or not all(map(is_alive, self._neighbours)):
                    raise PeerLost(str(error)) from error


class Circle:
    """Some processes and this one's place among them; the circle of one makes no calls.

    `sent` is what this process has given to transfers of tensors, in bytes; small messages are not counted.
    """

    def __init__(
        self, rank: int = 0, members: Sequence[int] = (0,), group: Any = None, neighbours: Sequence[int] = ()
    ) -> None:
        self.rank, self.members, self._group = rank, tuple(members), group
        self.neighbours = neighbours
        self.sent = 0

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.members)

    def add(self, values: Sequence[float]) -> list[float]:
        """The sums over all processes, place by place: exact where all but one give 0."""
        if self.size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        self._job(dist.all_reduce, sums).wait()
        found: list[float] = sums.tolist()
        return found

    def hear(self, value: T) -> list[T]:
        """The values of all, in order: small Python objects."""
        if self.size == 1:
            return [value]
        heard: list[Any] = [None] * self.size
        with lost_peers():
            dist.all_gather_object(heard, value, group=self._group)
        return heard

    def from_first(self, value: T) -> T:
        """The value of the first process."""
        if self.size == 1:
            return value
        told: list[Any] = [value]
        with lost_peers():
            dist.broadcast_object_list(told, src=self.members[0], group=self._group)
        heard: T = told[0]
        return heard

    def hand_out(self, content: Any) -> Any:
        """The dicts, lists, tensors and plain values of the first process, tensor by tensor; others give None."""
        if self.size == 1:
            return content
        tensors: list[Tensor] = []
        described = self.from_first(_without_tensors(content, tensors))
        waiting = iter(tensors)

        def fill(value: Any) -> Any:
            match value:
                case _Described():
                    mine = next(waiting).contiguous() if self.rank == 0 else torch.empty(value.shape, dtype=value.dtype)
                    with lost_peers():
                        dist.broadcast(mine, src=self.members[0], group=self._group)
                    return mine
                case dict():
                    return {key: fill(each) for key, each in value.items()}
                case list():
                    return [fill(each) for each in value]
            return value

        return fill(described)

    def scatter(self, pieces: Tensor) -> tuple[Tensor, Job]:
        """What all have for this process, in their order, once the job is done; `pieces` (size · n,) has n for each."""
        received = torch.empty_like(pieces)
        self.sent += _bytes(pieces) * (self.size - 1) // self.size
        return received, self._job(dist.all_to_all_single, received, pieces)

    def gather(self, whole: Tensor, piece: Tensor) -> Job:
        """Fills `whole` (size · n,) with the pieces (n,) of all, in order."""
        self.sent += _bytes(piece) * (self.size - 1)
        return self._job(_all_gather, whole, piece)

    def gather_rows(self, rows: Tensor, counts: Sequence[int]) -> Tensor:
        """The rows of all one under the other, on all; `counts` says how many each has."""
        if self.size == 1:
            return rows
        most = max(counts)
        padded = rows.new_zeros((most, *rows.shape[1:]))
        padded[: len(rows)] = rows
        whole = rows.new_empty((self.size * most, *rows.shape[1:]))
        self.gather(whole, padded).wait()
        return torch.cat([rows[:count] for rows, count in zip(torch.split(whole, most), counts, strict=True)])

    def swap(self, tensor: Tensor, shape: Sequence[int]) -> Tensor:
        """What the other one of a circle of two gives, of this `shape`, for `tensor`; both dense in memory."""
        received = tensor.new_empty(tuple(shape))
        self.sent += _bytes(tensor)
        # to each its own: nothing to oneself
        giving, taking = [0, 0], [0, 0]
        giving[1 - self.rank], taking[1 - self.rank] = tensor.numel(), received.numel()
        self._job(dist.all_to_all_single, received.view(-1), tensor.reshape(-1), taking, giving).wait()
        return received

    def _job(self, collective: Callable[..., Any], *arguments: Any) -> Job:
        with lost_peers():
            work = collective(*arguments, group=self._group, async_op=True)
        return Job(work, () if arguments[0].is_cuda else self.neighbours)


def is_alive(number: int) -> bool:
    """Whether there is a process of that number on this machine."""
    try:
        os.kill(number, 0)
    except OSError:
        return False
    return True


@contextmanager
def lost_peers() -> Iterator[None]:
    """Makes PeerLost of what PyTorch raises inside when a peer is gone or silent."""
    try:
        yield
    except RuntimeError as error:  # of which all its errors about connections, stores and time are
        raise PeerLost(str(error)) from error


# its name since PyTorch 2.13, where the other warns
_all_gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor


@dataclass(frozen=True)
class _Described:
    shape: tuple[int, ...]
    dtype: torch.dtype


def _without_tensors(value: Any, found: list[Tensor]) -> Any:
    """`value` with descriptions in the place of tensors, which are added to `found`."""
    match value:
        case Tensor():
            found.append(value)
            return _Described(tuple(value.shape), value.dtype)
        case dict():
            return {key: _without_tensors(each, found) for key, each in value.items()}
        case list():
            return [_without_tensors(each, found) for each in value]
    return value


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
