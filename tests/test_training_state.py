import pytest

from alexnet.training.events import WindowEnd
from alexnet.training.state import TrainingState


def test_a_report_is_the_means_of_the_epoch_so_far() -> None:
    state = TrainingState(epoch=2, lr=0.1)
    state.count(2.0, 3, 4, seconds=1.0, waited=0.5)
    state.count(1.0, 1, 4, seconds=3.0, waited=0.5)
    told = state.step_end(steps=5, images=20)
    assert (told.epoch, told.step, told.steps, told.lr) == (3, 2, 5, 0.1)
    assert (told.loss, told.error) == (1.5, 0.5)
    assert (told.rate, told.waiting, told.seconds_left) == (2.0, 0.25, 10.0)


@pytest.mark.parametrize("earlier", [(), (0.5, 0.25)])
def test_an_epoch_without_validation_is_never_the_best(earlier: tuple[float, ...]) -> None:
    state = TrainingState(epoch=len(earlier), history=[{"val_top1_error": error} for error in earlier])
    state.count(2.0, 1, 4, seconds=1.0, waited=0.0)
    assert not state.finish_epoch(None).best
    assert state.epoch == len(state.history) == len(earlier) + 1
    assert (state.step, state.seen, state.wrong, state.loss_sum, state.seconds) == (0, 0, 0, 0.0, 0.0)


def test_a_window_ends_with_the_first_step_past_ten_thousand_photographs() -> None:
    state, found = TrainingState(), []
    for _ in range(4):
        for step in range(11):  # 5,500 photographs an epoch: windows run on into the next one
            state.count(2.0, step, 500, seconds=1.0, waited=0.0)
            found.append(state.window_end())
        state.finish_epoch(None)
    told = [window for window in found if window]
    assert [place for place, window in enumerate(found) if window] == [19, 39]
    wrong = [number % 11 for number in range(44)]
    assert told == [
        WindowEnd(10_000, 2.0, sum(wrong[:20]) / 10_000),
        WindowEnd(20_000, 2.0, sum(wrong[20:40]) / 10_000),
    ]
    assert state.windows == [vars(window) for window in told]
    assert (state.window_seen, state.window_wrong) == (2_000, sum(wrong[40:]))


def test_a_checkpoint_from_before_windows_were_counted_goes_on() -> None:
    state = TrainingState(epoch=1, step=3, history=[])
    state.count(1.0, 5_000, 10_000, seconds=1.0, waited=0.0)
    assert state.window_end() == WindowEnd(10_000, 1.0, 0.5)
