import pytest

from alexnet.errors import ConfigError
from alexnet.model.variants import VARIANTS
from alexnet.training.recipe import Recipe
from alexnet.training.recipes import RECIPES, recipe
from alexnet.training.schedule import base_rate, layer_rate


def test_every_recipe_knows_its_name_and_has_a_line_of_text() -> None:
    assert set(RECIPES) == {"paper", "original2012", "flowers17", "small", "finetune", "demo"}
    for name, (settings, text) in RECIPES.items():
        assert settings.name == name
        assert recipe(name) is settings
        assert text
        assert settings.model in VARIANTS


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"Unknown recipe 'flowers'; did you mean 'flowers17'\?"):
        recipe("flowers")


def test_the_paper_is_the_default() -> None:
    assert recipe("paper") == Recipe()


# Run 145 of the 2012 release, from its log: (epoch, weights' rate, conv1's rate, colour noise)
RUN_145 = [
    (0, 1e-2, 1e-2, True),
    (24, 1e-2, 1e-2, True),
    (25, 1e-3, 1e-3, True),
    (50, 1e-3, 1e-3, True),
    (51, 1e-4, 1e-4, True),
    (66, 1e-4, 1e-4, True),
    (67, 1e-4, 1e-5, False),
    (71, 1e-4, 1e-5, False),
    (72, 1e-4, 0.0, False),
    (78, 1e-4, 0.0, False),
    (79, 1e-5, 0.0, False),
    (90, 1e-5, 0.0, False),
]


@pytest.mark.parametrize(("epoch", "weights", "conv1", "noise"), RUN_145)
def test_original2012_falls_when_run_145_did(epoch: int, weights: float, conv1: float, noise: bool) -> None:
    settings = recipe("original2012")
    rate = base_rate(settings, epoch=epoch, progress=0.5, errors=())
    assert layer_rate(settings, "conv2", rate, epoch=epoch) == pytest.approx((weights, 0.02))
    assert layer_rate(settings, "conv1", rate, epoch=epoch) == pytest.approx((conv1, 0.02 if conv1 else 0.0))
    assert settings.colour_noise_epochs is not None
    assert (epoch < settings.colour_noise_epochs) == noise


def test_original2012_is_the_released_code() -> None:
    settings = recipe("original2012")
    assert (settings.epochs, settings.batch_size, settings.momentum, settings.weight_decay) == (91, 128, 0.9, 5e-4)
    # biases do not decay; one crop for 32 images; noisy images over 1.1; batches in the same order every epoch
    assert (settings.bias_decay, settings.crop_group, settings.noise_divisor) == (False, 32, 1.1)
    assert (settings.reshuffle, settings.colour_noise) == (False, 0.1)
    assert settings.model == "original2012"


def test_flowers17_is_the_program_of_1000_epochs() -> None:
    settings = recipe("flowers17")
    assert (settings.epochs, settings.batch_size, settings.lr, settings.holdout) == (1000, 64, 0.001, 0.1)
    assert (settings.momentum, settings.weight_decay, settings.schedule) == (0.9, 0.0, "constant")
    assert settings.model == "tflearn"
    # the program shows whole images as they are
    assert (settings.random_crop, settings.mirror, settings.colour_noise) == (False, False, 0.0)


def test_finetune_lets_the_new_layer_learn_at_ten_times_the_rate_of_the_others() -> None:
    settings = recipe("finetune")
    rate = base_rate(settings, epoch=0, progress=0.0, errors=())
    new = layer_rate(settings, "fc8", rate, epoch=0, last=True)
    old = layer_rate(settings, "fc7", rate, epoch=0)
    assert new == pytest.approx((10 * old.weight, 10 * old.bias))
