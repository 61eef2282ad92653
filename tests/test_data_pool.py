import os
import signal
import time

import pytest

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
    with pytest.raises(DataError, match="task 3"):
        next(results)


def test_a_dead_worker_is_an_error():
    with pytest.raises(DataError, match="One of 2 worker processes died"):
        list(in_order(dying, None, range(6), workers=2))


def test_fewer_than_no_workers_are_an_error():
    with pytest.raises(ConfigError, match="not -1"):
        list(in_order(failing, None, range(6), workers=-1))
