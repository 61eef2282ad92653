"""Work shared out to processes, its results in the order of the tasks.

A worker is a program of its own that is spoken to through its standard input and output, nothing else: no semaphores,
no shared memory, no process that manages the others. So whatever becomes of a worker, at whatever moment, is an end of
file for the one thread that speaks to it; and whatever becomes of this process is one for its workers.
"""

import os
import pickle
import queue
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import IO, Any, TypeVar

from alexnet import hardware, process
from alexnet.errors import ConfigError, DataError
from alexnet.threads import Threads, check_room

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")

_PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from alexnet.data.pool import serve; serve()"
)
_GUARD = (
    "Put `if __name__ == '__main__':` before what starts the work, or use one worker: each worker process runs the "
    "script to know what it defines"
)


def in_order(work: Callable[[S, T], R], shared: S, tasks: Sequence[T], workers: int) -> Generator[R]:
    """The results of work(shared, task) in the order of the tasks, computed a few tasks ahead of the reader.

    `workers` is the number of processes, 0 for one a core; 1 works in this process. All arguments must
    survive pickling; `shared` travels once to each worker. Closing the iterator, or the death of this
    process, ends the workers. Raises ConfigError for a negative number, DataError when a worker dies or cannot
    be started.
    """
    if workers < 0:
        raise ConfigError(f"The number of workers must be 0 (for one a core) or more, not {workers}.")
    workers = min(workers or hardware.cores(), len(tasks))
    if workers <= 1:
        yield from (work(shared, task) for task in tasks)
        return
    refuse_in_worker()
    job = pickle.dumps((work, shared))
    job = pickle.dumps((_main_file(job), job))
    crew: list[_Worker] = []
    idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()

    def ask(task: T) -> R:
        worker = idle.get()  # never waits: there are as many threads as workers
        try:
            result: R = worker.ask(task)
        finally:
            idle.put(worker)
        return result

    pending: deque[Future[R]] = deque()
    threads = Threads(workers, "worker")
    try:
        for _ in range(workers):
            crew.append(_Worker(job))
            idle.put(crew[-1])
        for task in tasks:
            pending.append(threads.submit(ask, task))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except _DiedError as error:
        raise DataError(f"One of {workers} worker processes died ({error}).") from error
    except _NotStartedError as error:
        raise DataError(f"Only {len(crew)} of {workers} worker processes could be started ({error}): use fewer.") from (
            error
        )
    finally:
        for worker in crew:
            worker.end()  # first, so that no thread waits for an answer
        threads.shutdown(cancel_futures=True)
        for worker in crew:
            worker.close()


def refuse_in_worker() -> None:
    """Raises ConfigError in a worker process: one that comes here runs a script that does its work without a guard.

    What starts workers, or takes long, says so first.
    """
    if _serving:
        raise ConfigError(f"{_GUARD}, and would start all over again here.")


class _DiedError(Exception):
    """A worker is no more; the text says how it ended and what to do."""


class _NotStartedError(Exception):
    """The system gives no further process."""


class _Worker:
    """A process that does what it is asked, from this side."""

    def __init__(self, job: bytes) -> None:
        self._job: bytes | None = job
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # Ctrl-C reaches a whole group; here only this process is to hear it, and it ends the workers
                process_group=0 if os.name == "posix" else None,
            )
        except OSError as error:
            raise _NotStartedError(error.strerror) from error

    def ask(self, task: object) -> Any:
        """What the worker makes of a task. Raises what it raised, and _DiedError when it is no more."""
        given, made = self._process.stdin, self._process.stdout
        assert given is not None and made is not None
        content = pickle.dumps(task)
        try:
            if self._job is not None:
                given.write(pickle.dumps(sys.path))
                _send(given, self._job)
                self._job = None
            _send(given, content)
            answer = _receive(made)
        except (OSError, EOFError) as error:
            self.end()
            raise _DiedError(_how(self._process.wait())) from error
        raised, result = pickle.loads(answer)
        if raised is not None:
            raise raised
        return result

    def end(self) -> None:
        """Ends the process at once: what it is at is of no use any more."""
        self._process.kill()

    def close(self) -> None:
        """Gives back what the ended process held here."""
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(OSError):  # of the rest of a task that nobody will read
                stream.close()
        self._process.wait()


def _how(status: int) -> str:
    """A process's end in words, and what to do about it."""
    if status == -9:
        return "SIGKILL; most often the system ends it so for want of memory: use fewer workers"
    if -status in list(signal.Signals):
        return f"{signal.Signals(-status).name}; run again to go on"
    return f"exit status {status}; what it said stands above"


def _main_file(job: bytes) -> str | None:
    """The file of this program, if the job needs what is defined there; its copies in the workers run it.

    Raises ConfigError when the program is no file.
    """
    main = sys.modules["__main__"]
    sys.modules.setdefault("__mp_main__", main)  # what the copy is called, should it send back something of its own
    if b"__main__" not in job:
        return None
    file: str | None = getattr(main, "__file__", None)
    if file is None or not os.path.isfile(file):
        raise ConfigError(
            "This program comes from standard input or is typed in, so worker processes cannot know what it defines; "
            "put it into a file, or use one worker."
        )
    return file


def _send(stream: IO[bytes], content: bytes) -> None:
    stream.write(len(content).to_bytes(8, "little"))
    stream.write(content)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes:
    """What the other side sent. Raises EOFError when it is no more."""
    size = int.from_bytes(_exactly(stream, 8), "little")
    return _exactly(stream, size)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return content


# --- in the worker

_serving = False


def serve() -> None:
    """The worker's side: does one task after the other until its input ends, and then ends at once."""
    global _serving
    _serving = True
    given, made = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is printed must not be taken for an answer
    sys.stdout = sys.stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where there are no groups, Ctrl-C is the other process's to hear
    process.set_up({})  # the heap alone: a photograph's blocks take the place of those of the one before
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    job = _receive(given)
    check_room()
    threading.Thread(target=_listen, args=(given, tasks), daemon=True).start()
    try:
        work, shared = _understood(job)
    except Exception as error:
        _answer(made, error, None)
        os._exit(0)
    while True:
        task = tasks.get()
        try:
            result = work(shared, pickle.loads(task))
        except Exception as error:
            _answer(made, error, None)
        else:
            _answer(made, None, result)


def _listen(given: IO[bytes], tasks: "queue.SimpleQueue[bytes]") -> None:
    """Takes tasks in while others are worked on, so that the end of the other process is noticed at once."""
    try:
        while True:
            tasks.put(_receive(given))
    except EOFError:
        os._exit(1)


def _understood(job: bytes) -> tuple[Callable[[Any, Any], Any], Any]:
    main, inner = pickle.loads(job)
    try:
        if main is not None:
            sys.modules["__main__"] = sys.modules["__mp_main__"] = _run(main)
        work, shared = pickle.loads(inner)
    except ConfigError:
        raise
    except Exception as error:
        raise DataError(
            f"A worker process cannot make out its task ({type(error).__name__}: {error}); use one worker, or move "
            "what the task needs into a module of its own."
        ) from error
    return work, shared


def _run(file: str) -> Any:
    """The module that a script makes when it is run under another name than "__main__"."""
    main = type(sys)("__mp_main__")
    main.__dict__.update(runpy.run_path(file, run_name="__mp_main__"))
    return main


def _answer(made: IO[bytes], error: Exception | None, result: object) -> None:
    if error is not None:
        error.add_note("In a worker process:\n" + "".join(traceback.format_exception(error)).rstrip())
    try:
        content = pickle.dumps((error, result))
        if error is not None:
            pickle.loads(content)
    except Exception as hindrance:
        content = pickle.dumps((DataError(f"{error or result!r} cannot be sent back: {hindrance}."), None))
    try:
        _send(made, content)
    except OSError:
        os._exit(1)  # nobody is there to read it
