"""What to train on what, from the words for it: names of networks and recipes, paths of stores and models."""

from dataclasses import replace
from pathlib import Path

from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.model.spec import Spec
from alexnet.model.variants import variant
from alexnet.training.recipe import Recipe
from alexnet.training.recipes import recipe as named_recipe
from alexnet.training.recipes import usual
from alexnet.weights.loading import load
from alexnet.weights.model_dir import Model


def what_to_train(
    store: Store | str | Path,
    network: Spec | Model | str | None,
    recipe: Recipe | str | None,
    init_from: Model | str | Path | None,
) -> tuple[Store, Spec, Recipe, Model | None]:
    """The store, the network's spec, the recipe, and the model to start from.

    A network that is named, or that a model is of, gets as many outputs as the store has classes; a spec is taken as it
    is. Without one, the network is that of `init_from`, else the recipe's. Without a recipe it is `usual`. Raises
    ConfigError for an unknown name, and when two models are given to start from; DataError and WeightsError when a path
    is that of no store or model.
    """
    store = store if isinstance(store, Store) else Store.open(store)
    start = load(init_from) if isinstance(init_from, str | Path) else init_from
    if isinstance(network, Model):
        if start is not None:
            raise ConfigError("A model was given as the network, and another one with init_from; leave one out.")
        start, network = network, None
    if recipe is None:
        recipe = usual(start is not None)
    recipe = named_recipe(recipe) if isinstance(recipe, str) else recipe
    if isinstance(network, Spec):
        return store, network, recipe, start
    if isinstance(network, str):
        recipe = replace(recipe, model=network)
    elif start is not None:
        recipe = replace(recipe, model=start.net.spec.name)
    spec = start.net.spec if network is None and start is not None else variant(recipe.model)
    return store, replace(spec, classes=len(store.classes)), recipe, start
