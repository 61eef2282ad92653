"""Several processes that train together, each from a function of this folder; they meet in a file."""

import multiprocessing
import os
import pickle
import signal
import tempfile
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.distributed import FileStore

from alexnet.errors import AlexNetError
from alexnet.process import Seat
from alexnet.training.team import open_team

PATIENCE = 60.0  # seconds until a test gives up

# one process that has imported PyTorch and computed nothing, of which the others are copies
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["teaming", "alexnet.training.train"])


class End(NamedTuple):
    """How a process ended: with what its function gave, or with an error; None where it was killed."""

    value: Any = None
    error: str | None = None
    exit_code: int | None = None


def together(
    size: int,
    work: Callable[..., Any],
    *arguments: Any,
    towers: int = 1,
    seconds: float = 8.0,
    meanwhile: Callable[[list[int]], None] | None = None,
    only: int | None = None,
    before: Callable[[int], None] | None = None,
) -> list[End]:
    """What `work(team, *arguments)` gives in each of `size` processes, which wait `seconds` for one another.

    `before` is called in each, with its rank, before they meet; `meanwhile` here, with their process numbers. With
    `only`, the end of that one is all that is waited for. None of them is left when this returns.
    """
    with tempfile.TemporaryDirectory() as folder:
        channels, workers = [], []
        for rank in range(size):
            ours, theirs = _context.Pipe(duplex=False)
            seat = Seat(rank=rank, size=size)
            worker = _context.Process(
                target=_work, args=(theirs, seat, folder, towers, seconds, before, work, arguments)
            )
            worker.start()
            theirs.close()
            channels.append(ours)
            workers.append(worker)
        try:
            if meanwhile:
                meanwhile([worker.pid or 0 for worker in workers])
            if only is not None:
                return [_end(channels[only])]
            ends = [_end(channel) for channel in channels]
            for worker in workers:
                worker.join(PATIENCE)
            return ends
        finally:
            for worker in workers:
                if worker.is_alive():
                    os.kill(worker.pid or 0, signal.SIGKILL)
                worker.join()


def values(ends: list[End]) -> list[Any]:
    """What the processes gave; none may have failed."""
    assert not [end.error for end in ends if end.error is not None]
    return [end.value for end in ends]


def _end(channel: Any) -> End:
    if not wait([channel], PATIENCE):
        return End(error="it said nothing")
    try:
        return End(*pickle.loads(channel.recv_bytes()))
    except EOFError:
        return End()


def _work(
    channel: Any, seat: Seat, folder: str, towers: int, seconds: float, before: Any, work: Any, arguments: Any
) -> None:
    torch.set_num_threads(1)
    if before:
        before(seat.rank)
    store = FileStore(str(Path(folder) / "store"), seat.size)
    status = 0
    try:
        with open_team(seat, wait=seconds, towers=towers, store=store) as team:
            end = End(work(team, *arguments))
    except AlexNetError as error:
        end = End(error=str(error), exit_code=error.exit_code)
        status = error.exit_code
    except BaseException as error:
        end = End(error=f"{type(error).__name__}: {error}", exit_code=1)
        status = 1
    channel.send_bytes(pickle.dumps(tuple(end)))  # tensors as numbers, not as memory of this process
    channel.close()
    if status:
        os._exit(status)  # as the command does: PyTorch would wait for peers that are gone
