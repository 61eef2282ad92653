import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_source import FakeSource
from making import Colours, tiny_recipe, tiny_spec, tiny_store

from alexnet.data.augment import Augmentation
from alexnet.data.prepare import prepare
from alexnet.data.store import Store
from alexnet.errors import AlexNetError, ConfigError, DataError
from alexnet.model.spec import Dropout, Linear
from alexnet.training.plan import frozen, memory_told, training_plan
from alexnet.training.recipe import LayerRate


@pytest.fixture(scope="module")
def unvalidated(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store without a val split: 60 train photographs, ten a class, and 6 test photographs."""
    return tiny_store(tmp_path_factory.mktemp("unvalidated") / "store", Colours({"train": 60, "test": 6}))


def test_a_val_split_is_what_validation_takes(colours: Store) -> None:
    plan = training_plan(tiny_spec(), tiny_recipe(holdout=0.5), colours)
    assert np.array_equal(plan.train, colours.split("train"))
    assert np.array_equal(plan.val, colours.split("val"))


def test_without_one_a_share_of_each_class_is_held_out(unvalidated: Store) -> None:
    plan = training_plan(tiny_spec(), tiny_recipe(holdout=0.2), unvalidated)
    together = np.concatenate([plan.train, plan.val])
    assert np.array_equal(np.sort(together), unvalidated.split("train"))
    assert np.array_equal(np.bincount(unvalidated.labels[plan.val]), [2] * 6)
    other = training_plan(tiny_spec(), tiny_recipe(holdout=0.2, seed=1), unvalidated)
    assert not np.array_equal(plan.val, other.val)


def test_a_network_without_a_number_for_each_class_is_refused(colours: Store) -> None:
    wide = replace(tiny_spec(), layers=(*tiny_spec().layers[:-1], Linear("fc3", 10)))
    with pytest.raises(ConfigError, match="The last layer fc3 of 'tiny' makes 10 numbers, not 6"):
        training_plan(wide, tiny_recipe(), colours)


def test_a_holdout_of_zero_validates_nothing(unvalidated: Store) -> None:
    plan = training_plan(tiny_spec(), tiny_recipe(holdout=0.0), unvalidated)
    assert len(plan.val) == 0
    assert np.array_equal(plan.train, unvalidated.split("train"))


def test_test_photographs_are_never_used(colours: Store, unvalidated: Store) -> None:
    for store in (colours, unvalidated):
        for overfit in (0, 40):
            plan = training_plan(tiny_spec(), tiny_recipe(holdout=0.3), store, overfit=overfit)
            assert not set(store.split("test")) & {*plan.train, *plan.val}


def test_a_plateau_needs_validation(unvalidated: Store, colours: Store) -> None:
    recipe = tiny_recipe(schedule="plateau", holdout=0.0)
    with pytest.raises(ConfigError, match=r"plateau schedule watches .* set holdout=0\.1, or choose another schedule"):
        training_plan(tiny_spec(), recipe, unvalidated)
    training_plan(tiny_spec(), replace(recipe, holdout=0.1), unvalidated)
    training_plan(tiny_spec(), recipe, colours)


def test_as_many_outputs_as_classes(colours: Store) -> None:
    with pytest.raises(ConfigError, match=r"has 7 outputs, but .* has 6 classes; leave the number of classes away"):
        training_plan(tiny_spec(7), tiny_recipe(), colours)


def test_a_store_without_training_photographs_is_a_sentence(colours: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "splits", {"val": 12})
    with pytest.raises(DataError, match="no photographs in split 'train'"):
        training_plan(tiny_spec(), tiny_recipe(), colours)


@pytest.mark.parametrize("layer", ["relu1", "pool1", "norm1", "drop2"])
def test_a_layer_without_weights_cannot_be_frozen(colours: Store, layer: str) -> None:
    with pytest.raises(ConfigError, match=f"The layer {layer} has no weights to set a rate for or to freeze"):
        training_plan(tiny_spec(), frozen(tiny_recipe(), (layer,)), colours)


def test_an_unknown_layer_names_the_nearest(colours: Store) -> None:
    with pytest.raises(ConfigError, match=r"Unknown layer of 'tiny' 'con1'; did you mean 'conv1'"):
        training_plan(tiny_spec(), frozen(tiny_recipe(), ("con1",)), colours)


def test_something_must_be_left_to_learn(colours: Store) -> None:
    training_plan(tiny_spec(), frozen(tiny_recipe(), ("conv1", "fc2")), colours)
    with pytest.raises(ConfigError, match="All 3 layers with weights are frozen from epoch 0 on"):
        training_plan(tiny_spec(), frozen(tiny_recipe(), ("conv1", "fc2", "fc3")), colours)
    later = tuple(LayerRate(layer, epoch, 0.0) for epoch, layer in enumerate(("conv1", "fc2", "fc3")))
    with pytest.raises(ConfigError, match="frozen from epoch 2 on"):
        training_plan(tiny_spec(), tiny_recipe(layer_rates=later), colours)


def test_a_frozen_layer_stays_frozen_whatever_the_recipe_plans_for_it() -> None:
    recipe = tiny_recipe(layer_rates=(LayerRate("conv1", 67, 1e-5), LayerRate("fc2", 3, 1e-3)))
    assert frozen(recipe, ("conv1",)).layer_rates == (LayerRate("fc2", 3, 1e-3), LayerRate("conv1", 0, 0.0))
    assert frozen(recipe, ()) == recipe


def test_the_recipes_dropout_takes_the_place_of_the_networks(colours: Store) -> None:
    def rates(dropout: float | None) -> list[float]:
        plan = training_plan(tiny_spec(dropout=0.4), tiny_recipe(dropout=dropout), colours)
        return [layer.rate for layer in plan.spec.layers if isinstance(layer, Dropout)]

    assert (rates(None), rates(0.0), rates(0.7)) == ([0.4], [0.0], [0.7])


def test_views_are_drawn_as_the_recipe_says(colours: Store) -> None:
    recipe = tiny_recipe(random_crop=False, mirror=False, colour_noise=0.3, noise_divisor=1.1, crop_group=32)
    recipe = replace(recipe, crop_area=0.5, crop_aspect=1.2)
    augmentation = training_plan(tiny_spec(), recipe, colours).augmentation
    assert augmentation == Augmentation(
        crop=32,
        random_crop=False,
        mirror=False,
        colour_noise=0.3,
        noise_divisor=1.1,
        group=32,
        least_area=0.5,
        aspect=1.2,
    )


def test_overfitting_sees_a_few_photographs_unchanged(colours: Store) -> None:
    recipe = tiny_recipe(schedule="plateau", label_smoothing=0.1, mixup=0.2, crop_area=0.5, early_stop=3)
    plan = training_plan(tiny_spec(), recipe, colours, overfit=12)
    assert len(plan.train) == len(set(plan.train)) == 12
    assert set(plan.train) <= set(colours.split("train"))
    assert len(plan.val) == 0
    augmentation = plan.augmentation
    assert (augmentation.random_crop, augmentation.mirror, augmentation.colour_noise) == (False, False, 0.0)
    assert not augmentation.zooms
    assert plan.recipe.early_stop is None
    longer = training_plan(tiny_spec(), replace(recipe, epochs=300), colours, overfit=12)
    assert (plan.recipe.epochs, longer.recipe.epochs) == (200, 300)
    assert (plan.recipe.schedule, plan.recipe.label_smoothing, plan.recipe.mixup) == ("constant", 0.0, 0.0)
    assert [layer.rate for layer in plan.spec.layers if isinstance(layer, Dropout)] == [0.0]


def test_overfitting_on_more_than_there_are_takes_all(colours: Store) -> None:
    plan = training_plan(tiny_spec(), tiny_recipe(), colours, overfit=1000)
    assert np.array_equal(plan.train, colours.split("train"))


def test_a_plan_made_of_a_plans_recipe_is_the_same(colours: Store, tmp_path: Path) -> None:
    first = training_plan(tiny_spec(), tiny_recipe(dropout=0.2), colours, overfit=9)
    again = training_plan(tiny_spec(), first.recipe, colours, overfit=9)
    assert (again.spec, again.recipe) == (first.spec, first.recipe)
    assert np.array_equal(again.train, first.train)


def test_a_holdout_parts_no_copies(tmp_path: Path) -> None:
    source = FakeSource(80, classes=2, same_as={row: row - 40 for row in range(40, 80)}, default_split={})
    store = prepare(source, tmp_path / "store", workers=1)
    plan = training_plan(tiny_spec(2), tiny_recipe(holdout=0.2), store)
    originals = {position % 40 for position in plan.val.tolist()}
    assert len(plan.val) == 2 * len(originals) == 16
    assert not originals & {position % 40 for position in plan.train.tolist()}
    assert store.parties(np.array([3, 43, 5])).tolist() == [0, 0, 2]


def test_want_of_memory_names_the_batch_and_what_takes_less() -> None:
    def starve(error: Exception, **changes: int) -> None:
        with memory_told(tiny_recipe(**changes)):
            raise error

    no_memory = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
    for error in (no_memory, MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory")):
        with pytest.raises(AlexNetError, match=r"for batches of 128 photographs: give --set accumulate=4, .* 32 at a"):
            starve(error, batch_size=128)
    with pytest.raises(AlexNetError, match=r"for batches of 3 photographs: give --set accumulate=10, .* 1 at a time"):
        starve(no_memory, batch_size=10, accumulate=4)
    with pytest.raises(AlexNetError, match=r"for batches of 1 photographs: end other programs"):
        starve(no_memory, batch_size=10, accumulate=10)
    with pytest.raises(RuntimeError, match="sizes differ"):
        starve(RuntimeError("sizes differ"))
