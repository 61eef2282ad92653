from collections.abc import Callable, Iterable, Iterator

import pytest
import torch
from making import tiny_spec

from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.experiments.bench import training
from alexnet.experiments.bench.timing import Rounds
from alexnet.experiments.bench.training import LEAST, SKIPPED, Alternation, _Enough, bench_train
from alexnet.model.device import place
from alexnet.training.events import Event, Saved, StepEnd

BATCH = 10
CPU = torch.device("cpu")
FP32 = place("cpu", "fp32")


class Clock:
    """A clock that stands still unless told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(training, "perf_counter", lambda: self.now)
        monkeypatch.setattr("alexnet.experiments.bench.timing.perf_counter", lambda: self.now)

    def working(self, seconds: float) -> Callable[[], float]:
        """A bare step that takes so long."""

        def work() -> float:
            self.now += seconds
            return BATCH

        return work


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def steps(
    clock: Clock, *, each: float, first: float, epochs: int, steps: int, waiting: float = 0.0
) -> Iterator[StepEnd]:
    """The events of a loop whose steps take `each` seconds, but the first ones of an epoch `first`."""
    for epoch in range(1, epochs + 1):
        seconds = 0.0
        for step in range(1, steps + 1):
            took = first if step <= SKIPPED else each
            clock.now += took
            seconds += took
            waited = waiting * max(0, step - SKIPPED) * each  # none in the first ones
            rate, share = step * BATCH / seconds, waited / seconds
            yield StepEnd(epoch, step, steps, 1.0, 0.5, 0.1, rate, share, 0.0)


def hear(listener: Alternation, events: Iterable[Event]) -> None:
    for event in events:
        listener(event)


def test_rounds_leave_out_the_first_steps_and_the_bare_step_between(clock: Clock) -> None:
    listener = Alternation(Rounds(3, 0.0), BATCH, lambda: clock.working(0.4), CPU)
    listener(Saved("last.pt", 1, 1))  # other events pass by
    with pytest.raises(_Enough):
        hear(listener, steps(clock, each=0.5, first=9.0, epochs=3, steps=SKIPPED + LEAST, waiting=0.25))
    assert listener.loop == pytest.approx([BATCH / 0.5] * 3)
    assert listener.bare == pytest.approx([BATCH / 0.4] * 3)
    assert listener.waiting == pytest.approx([0.25] * 3)


def test_a_round_goes_on_until_its_seconds_are_over(clock: Clock) -> None:
    listener = Alternation(Rounds(1, 5.0), BATCH, lambda: clock.working(0.4), CPU)
    began = clock.now
    with pytest.raises(_Enough):
        hear(listener, steps(clock, each=0.5, first=0.5, epochs=1, steps=1000))
    of_bare_steps = 0.4 * (1 + 13)  # one to warm up, thirteen until five seconds are over
    assert clock.now - began - of_bare_steps == pytest.approx(0.5 * SKIPPED + 5.0)


def test_a_round_never_crosses_from_an_epoch_into_the_next(clock: Clock) -> None:
    too_short = SKIPPED + LEAST - 1
    listener = Alternation(Rounds(1, 0.0), BATCH, lambda: clock.working(0.4), CPU)
    hear(listener, steps(clock, each=0.5, first=0.5, epochs=5, steps=too_short))
    assert listener.loop == []


def test_the_loop_and_the_bare_step_are_measured_on_a_store(colours: Store, one_thread: None) -> None:
    loop, bare = bench_train(spec=tiny_spec(), batch_size=4, placement=FP32, rounds=Rounds(2, 0.0), data=colours.path)
    assert len(loop.samples) == len(bare.samples) == 2
    assert loop.facts["of_bare_step"] > 0
    assert 0 <= loop.facts["waiting"] < 1
    assert loop.peak_memory


def test_a_store_too_small_for_a_round_is_refused(colours: Store) -> None:
    with pytest.raises(ConfigError, match="has 42 photographs to train on, but this measurement needs 50"):
        bench_train(spec=tiny_spec(), batch_size=5, placement=FP32, rounds=Rounds(1, 0.0), data=colours.path)
