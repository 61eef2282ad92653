import pytest

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
