import signal
import threading

import pytest

from alexnet.training.interrupt import Interrupted, stop_requests


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_becomes_a_request(number: signal.Signals, code: int) -> None:
    with stop_requests() as request:
        assert request.number is None
        signal.raise_signal(number)
        assert request.number == number
    assert Interrupted(request.number, "stopped").exit_code == code


def test_a_second_ctrl_c_does_not_wait() -> None:
    with stop_requests() as request:
        signal.raise_signal(signal.SIGINT)
        assert request.number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_second_sigterm_ends_the_process() -> None:
    with stop_requests():
        signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_afterwards_signals_do_what_they_did_before(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    def fail() -> None:
        with stop_requests():
            assert signal.getsignal(number) is not before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert signal.getsignal(number) is before


def test_in_another_thread_nothing_is_caught() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def work() -> None:
        with stop_requests() as request:
            seen.extend((request.number, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None, before]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_ignored_stays_ignored(number: signal.Signals) -> None:
    """As of a job that a shell started in the background, or under nohup."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with stop_requests() as request:
            assert signal.getsignal(number) is signal.SIG_IGN
            signal.raise_signal(number)
            assert request.number is None
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
