from dataclasses import replace

import pytest

from alexnet.errors import ConfigError
from alexnet.training.recipe import LayerRate, Recipe
from alexnet.training.schedule import Rate, base_rate, epochs_since_best, layer_rate, plateau_falls

# validation errors in per cent, and by hand how often the rate has fallen after each (patience 2, 3 falls at most)
BY_HAND = [
    (90, 0),
    (80, 0),
    (80, 0),  # not better: 1
    (70, 0),  # better
    (75, 0),  # 1
    (71, 1),  # 2: falls
    (70, 1),  # not below the best, which stays 70: 1
    (69, 1),  # better
    (69, 1),  # 1
    (69, 2),  # 2: falls
    (69, 2),  # 1
    (69, 3),  # 2: falls
    (69, 3),
    (69, 3),  # no further
    (69, 3),
]


def test_a_plateau_is_patience_epochs_without_a_new_best() -> None:
    errors = [error / 100 for error, _ in BY_HAND]
    found = [plateau_falls(errors[: count + 1], patience=2, most=3) for count in range(len(errors))]
    assert found == [falls for _, falls in BY_HAND]


def test_epochs_are_counted_from_the_first_of_the_best() -> None:
    assert [epochs_since_best(errors) for errors in ([], [0.5], [0.5, 0.3, 0.4], [0.3, 0.3, 0.5, 0.9])] == [0, 0, 1, 3]


def test_before_the_first_validation_nothing_falls() -> None:
    assert plateau_falls([], patience=1, most=3) == 0


def test_with_patience_one_every_epoch_without_a_best_falls() -> None:
    assert plateau_falls([0.5, 0.5, 0.4, 0.4, 0.4], patience=1, most=9) == 3


@pytest.mark.parametrize(
    ("settings", "table"),
    [
        ({"schedule": "constant"}, [(0, 0.0, 0.1), (9, 0.9, 0.1)]),
        (
            {"schedule": "steps", "lr_steps": (2, 5), "lr_factor": 0.5},
            [(0, 0.0, 0.1), (1, 0.99, 0.1), (2, 0.0, 0.05), (4, 0.9, 0.05), (5, 0.0, 0.025), (9, 0.9, 0.025)],
        ),
        ({"schedule": "steps", "lr_steps": (0,)}, [(0, 0.0, 0.01)]),
        # half a cosine over 10 epochs: cos 0, cos 45°, cos 90°, cos 135°
        (
            {"schedule": "cosine"},
            [(0, 0.0, 0.1), (2, 0.5, 0.0853553390593), (5, 0.0, 0.05), (7, 0.5, 0.0146446609407)],
        ),
        (
            {"schedule": "constant", "warmup": 2.0},
            [(0, 0.0, 0.0), (0, 0.5, 0.025), (1, 0.0, 0.05), (1, 0.75, 0.0875), (2, 0.0, 0.1), (5, 0.0, 0.1)],
        ),
        ({"schedule": "constant", "warmup": 0.5}, [(0, 0.25, 0.05), (0, 0.5, 0.1), (1, 0.0, 0.1)]),
        # the warm-up multiplies what the schedule says
        ({"schedule": "steps", "lr_steps": (1,), "warmup": 4.0}, [(0, 0.5, 0.0125), (1, 0.0, 0.0025), (4, 0.0, 0.01)]),
    ],
)
def test_rates_are_those_worked_out_by_hand(settings: dict[str, object], table: list[tuple[int, float, float]]) -> None:
    recipe = replace(Recipe(lr=0.1, epochs=10), **settings)
    for epoch, progress, rate in table:
        found = base_rate(recipe, epoch=epoch, progress=progress, errors=(0.5,) * 9)
        assert found == pytest.approx(rate, rel=1e-10), (epoch, progress)


def test_the_plateau_schedule_divides_by_ten_at_each_fall() -> None:
    recipe = Recipe(patience=2)
    errors = [error / 100 for error, _ in BY_HAND]
    for count, (_, falls) in enumerate(BY_HAND):
        rate = base_rate(recipe, epoch=count + 1, progress=0.3, errors=errors[: count + 1])
        assert rate == pytest.approx(0.01 / 10**falls, rel=1e-12)


@pytest.mark.parametrize("schedule", ["steps", "cosine", "constant"])
def test_only_the_plateau_reads_errors(schedule: str) -> None:
    recipe = Recipe(schedule=schedule, patience=1)
    with_errors, without = (base_rate(recipe, epoch=3, progress=0.5, errors=errors) for errors in ((0.1, 0.2, 0.3), ()))
    assert with_errors == without


def test_biases_have_a_multiple_of_the_rate_that_falls_or_stays() -> None:
    recipe = Recipe(lr=0.01, bias_rate=2.0)
    assert layer_rate(recipe, "fc6", 0.001, epoch=0) == Rate(0.001, 0.002)
    assert layer_rate(replace(recipe, bias_falls=False), "fc6", 0.001, epoch=0) == Rate(0.001, 0.02)


def test_a_layers_own_rate_holds_from_its_epoch_to_the_next() -> None:
    rates = (LayerRate("conv1", 5, 0.0), LayerRate("conv1", 2, 0.3), LayerRate("conv1", 8, 0.2))
    recipe = Recipe(lr=0.01, layer_rates=rates)
    found = [layer_rate(recipe, "conv1", 0.01, epoch=epoch).weight for epoch in range(10)]
    assert found == [0.01, 0.01, 0.3, 0.3, 0.3, 0.0, 0.0, 0.0, 0.2, 0.2]
    assert layer_rate(recipe, "conv2", 0.01, epoch=5) == Rate(0.01, 0.01)


def test_with_weights_at_zero_biases_stand_still_too() -> None:
    recipe = Recipe(bias_falls=False, layer_rates=(LayerRate("conv1", 0, 0.0),))
    assert layer_rate(recipe, "conv1", 0.01, epoch=0) == Rate(0.0, 0.0)


def test_the_last_layer_has_its_multiple_unless_it_has_a_rate_of_its_own() -> None:
    recipe = Recipe(last_rate=10.0, bias_rate=2.0, layer_rates=(LayerRate("fc8", 5, 0.0),))
    assert layer_rate(recipe, "fc7", 0.001, epoch=0) == pytest.approx((0.001, 0.002))
    assert layer_rate(recipe, "fc8", 0.001, epoch=0, last=True) == pytest.approx((0.01, 0.02))
    assert layer_rate(recipe, "fc8", 0.001, epoch=5, last=True) == Rate(0.0, 0.0)
    with pytest.raises(ConfigError, match=r"last_rate \(=0\.0\) .* must be above 0"):
        Recipe(last_rate=0.0)
