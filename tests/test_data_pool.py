import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alexnet.data import pool
from alexnet.data.pool import in_order
from alexnet.errors import ConfigError, DataError


def slow_first(base: int, task: int) -> tuple[int, int]:
    time.sleep(0.3 if task == 0 else 0)
    return base + task, os.getpid()


def failing(_: None, task: int) -> int:
    if task == 3:
        raise DataError("task 3")
    return task


def dying(_: None, task: int) -> int:
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def printing(_: None, task: int) -> int:
    sys.stdout.write("a line\n")
    os.write(1, b"from C\n")
    return task


class Unsendable(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def unsendable(kind: str, task: int) -> object:
    if kind == "error":
        raise Unsendable(1, 2)
    return lambda: task


def test_results_come_in_the_order_of_the_tasks_from_other_processes():
    results = list(in_order(slow_first, 100, range(12), workers=2))
    assert [result for result, _ in results] == list(range(100, 112))
    assert os.getpid() not in {process for _, process in results}


def test_one_worker_or_one_task_stays_in_this_process():
    for tasks, workers in ((range(5), 1), (range(1), 2)):
        assert {process for _, process in in_order(slow_first, 0, tasks, workers)} == {os.getpid()}


def test_no_tasks_give_no_results():
    assert list(in_order(slow_first, 0, [], workers=0)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_task_comes_after_the_results_before_it(workers):
    results = in_order(failing, None, range(6), workers)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataError, match="task 3") as caught:
        next(results)
    if workers == 2:  # where it arose is not lost
        assert "in failing" in caught.value.__notes__[0]


def test_a_dead_worker_is_an_error():
    with pytest.raises(DataError, match=r"One of 2 worker processes died \(SIGKILL; .* memory: use fewer workers"):
        list(in_order(dying, None, range(6), workers=2))


def test_what_a_worker_prints_is_not_taken_for_an_answer(capfd):
    assert list(in_order(printing, None, range(4), workers=2)) == [0, 1, 2, 3]
    assert capfd.readouterr().err == "a line\n" * 4


@pytest.mark.parametrize("kind", ["error", "result"])
def test_what_cannot_be_sent_back_is_an_error(kind):
    with pytest.raises(DataError, match="cannot be sent back"):
        list(in_order(unsendable, kind, range(4), workers=2))


def test_fewer_than_no_workers_are_an_error():
    with pytest.raises(ConfigError, match="not -1"):
        list(in_order(failing, None, range(6), workers=-1))


def test_a_system_without_room_for_processes_is_an_error(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(DataError, match=r"Only 0 of 2 worker processes could be started \(Resource temporarily"):
        list(in_order(failing, None, range(6), workers=2))


@contextmanager
def killing(monkeypatch: pytest.MonkeyPatch, *, victim: int, after: float) -> Iterator[list[int]]:
    """Kills one worker so long after it was started; yields the numbers of all processes."""
    started: list[int] = []
    begin = pool._Worker.__init__

    def start(self: pool._Worker, job: bytes) -> None:
        begin(self, job)
        started.append(self._process.pid)
        if len(started) == victim:
            time.sleep(after)
            os.kill(self._process.pid, signal.SIGKILL)

    monkeypatch.setattr(pool._Worker, "__init__", start)
    yield started


@pytest.mark.parametrize("after", [0.0, 0.01, 0.03, 0.06])
@pytest.mark.parametrize("victim", [1, 2, 3])
def test_a_worker_killed_while_others_are_started_ends_the_work_at_once(monkeypatch, victim, after):
    large = bytes(1 << 20)  # no pipe holds it
    with killing(monkeypatch, victim=victim, after=after) as started:
        begun = time.monotonic()
        with pytest.raises(DataError, match="One of 3 worker processes died"):
            list(in_order(lengths, large, range(12), workers=3))
        assert time.monotonic() - begun < 10
    for process in started:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def lengths(shared: bytes, task: int) -> bytes:
    return shared + bytes(task)


def script(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "script.py").write_text(textwrap.dedent(text))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(tmp_path / "script.py")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_a_script_needs_no_guard_for_what_is_defined_elsewhere(tmp_path):
    done = script(
        tmp_path,
        """
        from test_data_pool import failing
        from alexnet.data.pool import in_order
        print(list(in_order(failing, None, range(3), workers=2)))
        """,
    )
    assert (done.stdout, done.stderr) == ("[0, 1, 2]\n", "")


GUARDED = """
    from alexnet.data.pool import in_order
    class Odd(Exception): pass
    def twice(shared, task):
        if task == 5: raise Odd("five")
        return shared * task
    def go():
        return list(in_order(twice, 2, range({}), workers=2))
"""


def test_what_a_guarded_script_defines_is_known_to_its_workers(tmp_path):
    done = script(tmp_path, GUARDED.format(3) + "    if __name__ == '__main__': print(go())")
    assert (done.stdout, done.stderr) == ("[0, 2, 4]\n", "")
    done = script(
        tmp_path,
        GUARDED.format(6) + "    if __name__ == '__main__':\n        try: go()\n        except Odd: print('odd')",
    )
    assert (done.stdout, done.stderr) == ("odd\n", "")


def test_a_script_without_its_guard_is_told_so(tmp_path):
    done = script(tmp_path, GUARDED.format(3) + "    print(go())")
    assert done.stdout == ""
    begun = "alexnet.errors.ConfigError: Put `if __name__ == '__main__':` before what starts the work"
    sentences = [line for line in done.stderr.splitlines() if line.startswith("alexnet.errors.")]
    assert sentences and all(line.startswith(begun) for line in sentences)


def test_a_preparation_without_the_guard_ends_before_it_touches_anything(tmp_path):
    done = script(
        tmp_path,
        f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from making import Colours
        from alexnet.data.prepare import prepare
        class Mine(Colours): pass
        print(len(prepare(Mine({{"train": 70}}), "store", workers=2)))
        """,
    )
    assert done.stdout == ""
    assert "ConfigError: Put `if __name__ == '__main__':` before what starts the work" in done.stderr


@pytest.mark.parametrize(
    ("defines", "said"), [(False, "[0, 1, 2]"), (True, "comes from standard input or is typed in")]
)
def test_a_program_on_standard_input_works_or_is_told_the_true_reason(defines, said):
    work = "def failing(_, task): return task" if defines else "from test_data_pool import failing"
    program = (
        f"{work}\nfrom alexnet.data.pool import in_order\nprint(list(in_order(failing, None, range(3), workers=2)))"
    )
    done = subprocess.run(
        [sys.executable, "-"],
        input=program,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said in done.stdout + done.stderr and ("Error" in done.stderr) is defines
