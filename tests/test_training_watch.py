import math

import pytest

from alexnet.training.watch import Diverged, StuckWatch, check_finite

LN10 = math.log(10)


def test_a_finite_loss_passes() -> None:
    check_finite("loss", 1e30, epoch=0, step=0, lr=0.1, checkpoint=None, dtype="fp32")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_anything_else_stops_with_the_step_and_the_last_good_checkpoint(value: float) -> None:
    with pytest.raises(Diverged) as caught:
        check_finite("loss", value, epoch=2, step=6, lr=0.03, checkpoint="runs/a/last.pt", dtype="bf16")
    text = str(caught.value)
    assert text.startswith(f"The loss is {value} at epoch 3, step 7, learning rate 0.03; the last good checkpoint is ")
    assert "runs/a/last.pt" in text
    assert "--set lr=0.01" in text
    assert caught.value.exit_code == 1


def test_before_the_first_checkpoint_there_is_none_to_name() -> None:
    with pytest.raises(Diverged, match="no checkpoint has been written yet"):
        check_finite("loss", math.nan, epoch=0, step=0, lr=0.03, checkpoint=None, dtype="bf16")


@pytest.mark.parametrize(
    ("dtype", "end"), [("bf16", "(--set lr=0.01) or in fp32 (--dtype fp32)."), ("fp32", "(--set lr=0.01).")]
)
def test_numbers_that_a_run_has_already_are_no_advice(dtype: str, end: str) -> None:
    with pytest.raises(Diverged) as caught:
        check_finite("loss", math.nan, epoch=0, step=0, lr=0.03, checkpoint=None, dtype=dtype)
    assert str(caught.value).endswith(f"Train again with a lower rate {end}")


def warnings(losses: list[float], classes: int = 10) -> list[tuple[int, str]]:
    watch = StuckWatch(classes)
    said = ((step, watch.see(loss, 0.01)) for step, loss in enumerate(losses, 1))
    return [(step, text) for step, text in said if text]


def test_a_loss_that_sits_at_chance_is_said_once() -> None:
    ((step, text),) = warnings([LN10 + 0.01 * math.sin(step) for step in range(2000)])
    assert step == 300
    assert "After 300 steps the loss is still 2.30" in text
    assert "ln(classes) = 2.303" in text
    assert "--set lr=0.0033, then 0.02" in text


def test_a_loss_above_chance_is_no_better() -> None:
    assert len(warnings([8.0] * 2000)) == 1


def test_a_loss_that_falls_is_no_cause_for_alarm() -> None:
    assert warnings([LN10 * 0.999**step for step in range(2000)]) == []


def test_one_lucky_batch_does_not_hide_a_network_that_is_stuck() -> None:
    assert len(warnings([1.9, *[LN10] * 1000])) == 1


def test_a_network_that_has_left_chance_is_not_watched_any_longer() -> None:
    assert warnings([2.0] * 100 + [LN10] * 1000) == []


def test_a_single_class_has_no_chance_to_sit_at() -> None:
    assert warnings([0.0] * 1000, classes=1) == []
