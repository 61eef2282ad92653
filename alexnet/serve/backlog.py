"""The queue before the network: what waits when the network is free goes through it together.

There is no timer: a lone request is never kept waiting for others, and under load the requests that came in during one
batch are the next. Asking alone and asking in a batch give the same answers but for the last bits.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from alexnet.serve.problems import busy
from alexnet.threads import Threads

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Job(Generic[Item, Result]):
    """One item that waits, and the future of its result."""

    def __init__(self, kind: Hashable, item: Item, place: "Place[Item, Result]") -> None:
        self.kind, self.item, self.place = kind, item, place
        self.result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()


class Place(Generic[Item, Result]):
    """Room for `weight` views in a backlog; given back when their batch begins, or when its owner has left."""

    def __init__(self, backlog: "Backlog[Item, Result]", weight: int) -> None:
        self._backlog, self.weight = backlog, weight
        self.held = True

    async def ask(self, kind: Hashable, item: Item) -> Result:
        """What the backlog's `work` makes of the item, in a batch with others of that kind."""
        return await self._backlog._ask(_Job(kind, item, self))

    def give_back(self) -> None:
        """Frees the room, once."""
        if self.held:
            self.held = False
            self._backlog.waiting -= self.weight


class Backlog(Generic[Item, Result]):
    """A bounded queue before `work(kind, items)`, which runs in a thread of its own, one batch at a time.

    At most `queue` views wait; one request is let in beyond that while nothing waits or works. At most `batch` views,
    of one kind, go together. `told` is told the views of each batch. When a batch fails, each of its items is tried
    alone, so that what is wrong with one is no concern of the others.
    """

    def __init__(
        self,
        work: Callable[[Hashable, Sequence[Item]], Sequence[Result]],
        *,
        queue: int,
        batch: int,
        name: str,
        told: Callable[[int], None] = lambda views: None,
    ) -> None:
        self._work, self._queue, self._batch, self._told = work, queue, batch, told
        self._thread = Threads(1, thread_name_prefix=name)
        self._jobs: deque[_Job[Item, Result]] = deque()
        self._wake = asyncio.Event()
        self._busy = False
        self._task: asyncio.Task[None] | None = None
        self.waiting = 0  # views

    def start(self) -> None:
        """Begins to work; in a running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Ends; what waits stays without an answer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._thread.shutdown(wait=False, cancel_futures=True)

    def check(self, weight: int) -> None:
        """Raises Problem when there is no room for so many views."""
        idle = not self._busy and not self.waiting
        if self.waiting + weight > self._queue and not idle:
            raise busy(f"{self.waiting} views wait already, of at most {self._queue}")

    @contextmanager
    def place(self, weight: int = 1) -> Iterator[Place[Item, Result]]:
        """Room for an item of so many views, while the block lasts. Raises Problem when there is none."""
        self.check(weight)
        self.waiting += weight
        place = Place(self, weight)
        try:
            yield place
        finally:
            place.give_back()

    async def _ask(self, job: _Job[Item, Result]) -> Result:
        self._jobs.append(job)
        self._wake.set()
        return await job.result

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            jobs = self._take()
            if not jobs:
                self._wake.clear()
                await self._wake.wait()
                continue
            self._busy = True
            for job in jobs:
                job.place.give_back()
            self._told(sum(job.place.weight for job in jobs))
            for group in await loop.run_in_executor(self._thread, self._outcomes, jobs):
                _deliver(*group)
            self._busy = False

    def _take(self) -> list[_Job[Item, Result]]:
        """The oldest job and those behind it that go with it; jobs whose clients have left are dropped."""
        alive = [job for job in self._jobs if not job.result.done()]
        taken: list[_Job[Item, Result]] = []
        room = self._batch
        for job in alive:
            if not taken or (job.kind == taken[0].kind and job.place.weight <= room):
                taken.append(job)
                room -= job.place.weight
        self._jobs = deque(job for job in alive if job not in taken)
        return taken

    def _outcomes(self, jobs: list[_Job[Item, Result]]) -> list[tuple[_Job[Item, Result], Result | Exception]]:
        """Every job with its result or its error; in the thread."""
        try:
            return list(zip(jobs, self._work(jobs[0].kind, [job.item for job in jobs]), strict=True))
        except Exception as error:
            if len(jobs) == 1:
                return [(jobs[0], error)]
        return [outcome for job in jobs for outcome in self._outcomes([job])]


def _deliver(job: _Job[Item, Result], outcome: Result | Exception) -> None:
    if job.result.done():
        return
    if isinstance(outcome, Exception):
        job.result.set_exception(outcome)
    else:
        job.result.set_result(outcome)
