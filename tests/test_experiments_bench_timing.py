from itertools import count

import pytest

from alexnet.experiments.bench import timing
from alexnet.experiments.bench.timing import Measurement, Rounds, in_turns, rate_of


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock is a quarter of a second after the one before."""
    times = count(0, 0.25)
    monkeypatch.setattr(timing, "perf_counter", lambda: next(times))


def test_a_rate_is_amount_over_time_of_whole_calls(clock: None) -> None:
    calls: list[int] = []

    def work() -> float:
        calls.append(0)
        return 3.0

    assert rate_of(work, 0.6) == 3 * 3.0 / 0.75  # the third call ends after 0.75 seconds
    assert len(calls) == 3


def test_there_is_at_least_one_call(clock: None) -> None:
    assert rate_of(lambda: 2.0, 0.0) == 2.0 / 0.25


def test_works_take_turns_after_a_warm_up() -> None:
    order: list[str] = []

    def work(name: str) -> float:
        order.append(name)
        return 1.0

    rates = in_turns({"a": lambda: work("a"), "b": lambda: work("b")}, Rounds(3, seconds=0.0))
    assert "".join(order) == "ab" + "ababab"
    assert {name: len(samples) for name, samples in rates.items()} == {"a": 3, "b": 3}


def test_a_row_tells_median_and_spread() -> None:
    row = Measurement("step", "images/s", [12.0, 8.0, 10.0], 128, "fp32", 10**9, {"share": 0.5})
    assert row.median == 10.0
    assert row.spread == 0.4
    plain = row.to_json()
    assert plain["samples"] == [12.0, 8.0, 10.0]
    assert (plain["median"], plain["spread"], plain["facts"]) == (10.0, 0.4, {"share": 0.5})
