"""Work shared out to processes, its results in the order of the tasks."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from alexnet import hardware, process
from alexnet.errors import ConfigError, DataError

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[S, T], R], shared: S, tasks: Sequence[T], workers: int) -> Generator[R]:
    """The results of work(shared, task) in the order of the tasks, computed a few tasks ahead of the reader.

    `workers` is the number of processes, 0 for one a core; 1 works in this process. All arguments must
    survive pickling; `shared` travels once to each worker. Closing the iterator, or the death of this
    process, ends the workers. Raises ConfigError for a negative number, DataError when a worker dies.
    """
    if workers < 0:
        raise ConfigError(f"The number of workers must be 0 (for one a core) or more, not {workers}.")
    workers = min(workers or hardware.cores(), len(tasks))
    if workers <= 1:
        yield from (work(shared, task) for task in tasks)
        return
    # spawn: a fork would copy locks that threads of this process hold, and its memory
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _begin, (work, shared))
    pending: deque[Future[R]] = deque()
    try:
        for task in tasks:
            pending.append(pool.submit(_run, task))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise DataError(
            f"One of {workers} worker processes died; most often the system ended it for want of memory: use "
            "fewer workers. (A script that starts workers must do so under `if __name__ == '__main__':`.)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_job: tuple[Callable[[Any, Any], Any], Any]


def _begin(work: Callable[[Any, Any], Any], shared: object) -> None:
    global _job
    _job = (work, shared)
    process.set_up({})  # the heap alone: a photograph's blocks take the place of those of the one before
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends the workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _run(task: object) -> Any:
    work, shared = _job
    return work(shared, task)


def _end_with_parent() -> None:
    # an idle worker holds both ends of its task queue, so a killed parent would leave it waiting for ever
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
