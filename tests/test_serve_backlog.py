import asyncio
import threading
from collections.abc import Hashable, Sequence

import pytest

from alexnet.serve.backlog import Backlog
from alexnet.serve.problems import Problem


class Work:
    """Doubles numbers when it is let; remembers the batches. A negative number fails its batch."""

    def __init__(self) -> None:
        self.batches: list[tuple[Hashable, list[int]]] = []
        self.let = threading.Event()

    def __call__(self, kind: Hashable, items: Sequence[int]) -> Sequence[int]:
        self.batches.append((kind, list(items)))
        assert self.let.wait(10)
        if min(items) < 0:
            raise ValueError("negative")
        return [2 * item for item in items]


def backlog(work: Work, queue: int = 100, batch: int = 4) -> Backlog[int, int]:
    made = Backlog(work, queue=queue, batch=batch, name="test")
    made.start()
    return made


async def ask(backlog: Backlog[int, int], item: int, kind: str = "a", weight: int = 1) -> int:
    with backlog.place(weight) as place:
        return await place.ask(kind, item)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0.01)


async def begun(work: Work, *items: int, queue: int = 100) -> tuple[Backlog[int, int], list[asyncio.Task[int]]]:
    """A backlog whose network is busy with 0, and tasks that wait."""
    made = backlog(work, queue)
    tasks = [asyncio.create_task(ask(made, 0))]
    await settle()
    tasks += [asyncio.create_task(ask(made, item)) for item in items]
    await settle()
    return made, tasks


def test_a_place_of_several_views_is_given_back_whole_and_once() -> None:
    async def scene() -> None:
        made = backlog(Work(), queue=10)
        with made.place(3) as first, made.place(7):
            assert made.waiting == 10
            first.give_back()
            assert made.waiting == 7
        assert made.waiting == 0
        await made.close()

    asyncio.run(scene())


def test_a_lone_item_goes_at_once_and_those_behind_go_together() -> None:
    async def scene() -> None:
        work = Work()
        made, tasks = await begun(work, 1, 2, 3, 4, 5)
        assert work.batches == [("a", [0])] and made.waiting == 5
        work.let.set()
        assert await asyncio.gather(*tasks) == [0, 2, 4, 6, 8, 10]
        assert work.batches == [("a", [0]), ("a", [1, 2, 3, 4]), ("a", [5])] and made.waiting == 0
        await made.close()

    asyncio.run(scene())


def test_a_batch_is_of_one_kind_and_counts_weights() -> None:
    async def scene() -> None:
        work = Work()
        made, _ = await begun(work)
        asked = [(1, "a", 1), (2, "b", 1), (3, "a", 3), (4, "a", 1), (5, "b", 9)]
        tasks = [asyncio.create_task(ask(made, *each)) for each in asked]
        await settle()
        work.let.set()
        assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10]
        assert work.batches[1:] == [("a", [1, 3]), ("b", [2]), ("a", [4]), ("b", [5])]
        await made.close()

    asyncio.run(scene())


def test_what_fails_fails_alone() -> None:
    async def scene() -> None:
        work = Work()
        made, tasks = await begun(work, 1, -1, 2)
        work.let.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [found[0], found[1], found[3]] == [0, 2, 4] and isinstance(found[2], ValueError)
        await made.close()

    asyncio.run(scene())


def test_one_who_has_left_is_not_in_the_batch() -> None:
    async def scene() -> None:
        work = Work()
        made, tasks = await begun(work, 1, 2, 3)
        tasks[2].cancel()
        await settle()
        assert made.waiting == 2
        work.let.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert work.batches[1] == ("a", [1, 3])
        await made.close()

    asyncio.run(scene())


def test_a_full_queue_says_when_to_come_again() -> None:
    async def scene() -> None:
        work = Work()
        made, tasks = await begun(work, 1, 2, queue=2)
        with pytest.raises(Problem) as refusal:
            await ask(made, 3)
        assert refusal.value.status == 503 and refusal.value.headers == {"Retry-After": "1"}
        work.let.set()
        await asyncio.gather(*tasks)
        assert await ask(made, 3) == 6
        await made.close()

    asyncio.run(scene())


def test_without_a_queue_one_at_a_time_is_answered_whatever_its_weight() -> None:
    async def scene() -> None:
        work = Work()
        made, tasks = await begun(work, queue=0)
        with pytest.raises(Problem):
            await ask(made, 1)
        work.let.set()
        await asyncio.gather(*tasks)
        assert await ask(made, 5, weight=10) == 10
        await made.close()

    asyncio.run(scene())
