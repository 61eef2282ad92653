"""Runs of experiments one after another or several at a time, each in a process of its own, until they are done."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from alexnet.data.store import Store
from alexnet.errors import AlexNetError
from alexnet.experiments.conduct import Places, conduct, open_store, recorded
from alexnet.experiments.design import Experiment
from alexnet.experiments.looking import look_at
from alexnet.experiments.order import tasks_together
from alexnet.experiments.records import RecordJson, Task
from alexnet.model.device import place
from alexnet.training.events import EpochEnd, Event
from alexnet.training.interrupt import Interrupted, stop_requests
from alexnet.training.train import Runtime

POLL = 0.5  # seconds between two looks at whether to stop


class RunFailed(AlexNetError):
    """A run ended in an error; the text is the run and the error."""


@dataclass(frozen=True)
class Told:
    """What a run has to say: that an epoch is over, or that it is recorded."""

    task: Task
    epoch: EpochEnd | None = None
    record: RecordJson | None = None


@dataclass
class _UnderWay:
    task: Task
    process: BaseProcess
    ear: Connection
    error: str = ""


def run_all(
    rows: Sequence[Experiment],
    places: Places,
    runtime: Runtime,
    *,
    seeds: Sequence[int] | None = None,
    jobs: int = 1,
    minutes: float | None = None,
    tell: Callable[[Told], None] = lambda told: None,
) -> bool:
    """Makes the runs of experiments that are not on record, `jobs` at a time; whether all are there in the end.

    They begin in the order of `tasks_together`. When `minutes` are over those under way are saved and stopped, and the
    same call goes on from there. Raises Interrupted after Ctrl-C or SIGTERM, when the runs under way have saved
    themselves; RunFailed, after the others under way have stopped, when a run ends in an error; DataError for a record
    of another run.
    """
    placement = place(runtime.device, runtime.dtype)
    runtime = replace(runtime, device=str(placement.device), dtype=placement.dtype_name)
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    stores: dict[int, Store] = {}
    known: dict[str, RecordJson] = {}

    def look(task: Task) -> RecordJson | None:
        if task.file not in known:
            side = task.experiment.bench.side
            stores[side] = stores.get(side) or open_store(places, task)
            if (record := recorded(task, places, stores[side], placement)) is None:
                return None
            known[task.file] = record
        return known[task.file]

    under_way: list[_UnderWay] = []
    with stop_requests(minutes) as request:
        while True:
            wanted = [task for task in tasks_together(rows, look, seeds) if look(task) is None]
            waiting = [task for task in wanted if task.file not in [each.task.file for each in under_way]]
            while waiting and len(under_way) < jobs and request.number is None:
                left = None if deadline is None else max(0.0, deadline - time.monotonic()) / 60
                under_way.append(_started(waiting.pop(0), places, replace(runtime, minutes=left)))
            if not under_way:
                break
            _listen(under_way, tell)
            if request.number is not None or any(each.error for each in under_way):
                break
        number = request.number
        failed = _ended(under_way, tell)
    if failed:
        raise RunFailed(failed)
    if number is not None and number < 128:
        raise Interrupted(number, "Stopped; what is done is kept: the same command goes on from there.")
    return all(look(task) is not None for task in tasks_together(rows, look, seeds))


def _started(task: Task, places: Places, runtime: Runtime) -> _UnderWay:
    ear, mouth = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_work, args=(task, places, runtime, mouth), name=task.name)
    process.start()
    mouth.close()
    return _UnderWay(task, process, ear)


def _work(task: Task, places: Places, runtime: Runtime, mouth: Connection) -> None:
    """What the process does: one run, or one look at its network."""

    def tell(event: Event) -> None:
        if isinstance(event, EpochEnd):
            mouth.send(event)

    try:
        if task.experiment.of:
            mouth.send(look_at(task, places, runtime))
        else:
            mouth.send(conduct(task, places, runtime, tell))
    except (Interrupted, KeyboardInterrupt):
        mouth.send(None)
    except AlexNetError as error:
        mouth.send(str(error))
    except Exception as error:
        mouth.send(f"unexpectedly, {type(error).__name__}: {error}")


def _listen(under_way: list[_UnderWay], tell: Callable[[Told], None]) -> None:
    """Hears what the runs have to say for a moment; those that are over are taken from the list, failed ones stay."""
    heard: Sequence[Any] = wait([each.ear for each in under_way], timeout=POLL)
    for each in [each for each in under_way if each.ear in heard]:
        try:
            said = each.ear.recv()
        except EOFError:
            each.process.join()
            said = f"its process ended with status {each.process.exitcode}"
        if isinstance(said, EpochEnd):
            tell(Told(each.task, epoch=said))
        elif isinstance(said, str):
            each.error = said
        else:
            each.process.join()
            under_way.remove(each)
            if said is not None:
                tell(Told(each.task, record=said))


def _ended(under_way: list[_UnderWay], tell: Callable[[Told], None]) -> str:
    """Stops what is under way, each run saved, and says which failed."""
    failed = [f"{each.task.name}: {each.error}" for each in under_way if each.error]
    for each in under_way:
        if not each.error:
            each.process.terminate()  # SIGTERM: training saves and stops
    for each in under_way:
        each.process.join()
        try:
            while each.ear.poll():
                if isinstance(said := each.ear.recv(), dict):
                    tell(Told(each.task, record=said))  # type: ignore[arg-type]
        except EOFError:
            pass
    return "; ".join(failed)
