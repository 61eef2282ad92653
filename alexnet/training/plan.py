"""A training run before it starts: network, recipe and photographs, checked against one another."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from alexnet.data.augment import Augmentation, border
from alexnet.data.split import holdout
from alexnet.data.store import Store
from alexnet.errors import AlexNetError, ConfigError, wants_memory
from alexnet.model.account import check_classes
from alexnet.model.options import with_options
from alexnet.model.spec import Learned, Spec
from alexnet.training.recipe import LayerRate, Recipe
from alexnet.training.schedule import layer_rate


@dataclass(frozen=True)
class TrainingPlan:
    """What to train on what: positions are those of photographs in the store."""

    spec: Spec
    recipe: Recipe
    train: NDArray[np.int64]
    val: NDArray[np.int64]  # empty when nothing is validated

    @property
    def augmentation(self) -> Augmentation:
        """How training views are drawn."""
        recipe = self.recipe
        return Augmentation(
            crop=self.spec.input_size,
            random_crop=recipe.random_crop,
            mirror=recipe.mirror,
            colour_noise=recipe.colour_noise,
            noise_divisor=recipe.noise_divisor,
            group=recipe.crop_group,
            least_area=recipe.crop_area,
            aspect=recipe.crop_aspect,
        )


def training_plan(spec: Spec, recipe: Recipe, store: Store, *, overfit: int = 0) -> TrainingPlan:
    """The plan for training `spec` with `recipe` on the "train" photographs of `store`.

    Validation takes the store's "val" split, else a share `holdout` of each class of "train", which
    parts no copies of a photograph and nothing that preparation kept together. With `overfit`, that many
    photographs are seen over and over in the same centre crop, without dropout, to see that the network can learn.
    Raises ConfigError when network, recipe and store do not fit together.
    """
    if spec.classes != len(store.classes):
        raise ConfigError(
            f"The network has {spec.classes} outputs, but {store.path} has {len(store.classes)} classes; "
            "leave the number of classes away to take the data's."
        )
    train = store.split("train")
    val = np.empty(0, dtype=np.int64)
    if overfit:
        recipe = _overfitting(recipe)
        train = train[np.linspace(0, len(train) - 1, min(overfit, len(train))).round().astype(np.int64)]
    elif "val" in store.splits:
        val = store.split("val")
    elif recipe.holdout:
        kept, held = holdout(store.labels[train], recipe.holdout, recipe.seed, store.parties(train))
        train, val = train[kept], train[held]
    if recipe.schedule == "plateau" and not len(val):
        raise ConfigError(
            "The plateau schedule watches the validation error, but there are no validation photographs; prepare a val "
            "split, set holdout=0.1, or choose another schedule (--set schedule=steps --set lr_steps=30,60)."
        )
    if recipe.early_stop and not len(val):
        raise ConfigError(
            "Stopping early watches the validation error, but there are no validation photographs; prepare a val "
            "split, set holdout=0.1, or leave early_stop out."
        )
    spec = with_options(spec, **recipe.network_options)
    check_classes(spec)
    _check_layers(spec, recipe)
    border(store.preparation.side, spec.input_size)  # raises where the photographs are too small
    return TrainingPlan(spec, recipe, train, val)


def frozen(recipe: Recipe, layers: tuple[str, ...]) -> Recipe:
    """The recipe with `layers` frozen from the first epoch to the last."""
    others = tuple(rate for rate in recipe.layer_rates if rate.layer not in layers)
    return replace(recipe, layer_rates=others + tuple(LayerRate(layer, 0, 0.0) for layer in layers))


@contextmanager
def memory_told(recipe: Recipe) -> Iterator[None]:
    """A block of training in which want of memory is an AlexNetError that names what would take less."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not wants_memory(error):
            raise
        size = -(-recipe.batch_size // recipe.accumulate)
        parts = min(4 * recipe.accumulate, recipe.batch_size)
        less = (
            f"give --set accumulate={parts}, which works through {-(-recipe.batch_size // parts)} at a time, or a "
            "smaller --batch-size; or end"
        )
        raise AlexNetError(
            f"The memory does not suffice for batches of {size} photographs: {less if size > 1 else 'end'} other "
            "programs."
        ) from error


def _overfitting(recipe: Recipe) -> Recipe:
    return replace(
        recipe,
        random_crop=False,
        mirror=False,
        colour_noise=0.0,
        dropout=0.0,
        mixup=0.0,
        label_smoothing=0.0,
        early_stop=None,
        schedule="constant",
        epochs=max(recipe.epochs, 200),
    )


def _check_layers(spec: Spec, recipe: Recipe) -> None:
    for rate in recipe.layer_rates:
        if not isinstance(spec.layer(rate.layer), Learned):
            raise ConfigError(f"The layer {rate.layer} has no weights to set a rate for or to freeze.")
    weighted = [layer.name for layer in spec.layers if isinstance(layer, Learned)]
    for epoch in sorted({rate.epoch for rate in recipe.layer_rates}):
        if not any(layer_rate(recipe, name, recipe.lr, epoch=epoch).weight for name in weighted):
            raise ConfigError(
                f"All {len(weighted)} layers with weights are frozen from epoch {epoch} on, so nothing is left to "
                "learn; freeze fewer."
            )
