"""What to train on what, from the words for it: names of networks and recipes, paths of stores and models."""

from dataclasses import replace
from pathlib import Path

from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.model.compare import first_difference, functional
from alexnet.model.options import with_options
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
    ConfigError for an unknown name, when two models are given to start from, and for a network beside `init_from` that
    is another than its own; DataError and WeightsError when a path is that of no store or model.
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
    if start is not None:
        check_network(network, start, recipe)
    if isinstance(network, Spec):
        return store, network, recipe, start
    if start is not None:
        recipe = replace(recipe, model=start.net.spec.name)
    elif network is not None:
        recipe = replace(recipe, model=network)
    spec = variant(recipe.model) if start is None else start.net.spec
    return store, replace(spec, classes=len(store.classes)), recipe, start


def check_network(asked: Spec | str | None, start: Model, recipe: Recipe) -> None:
    """Raises ConfigError when the network asked for, by name or spec, is another than that of the model to start from.

    Weights mean nothing in layers that compute anything else. What matters to training only may differ, and so may what
    `recipe` changes in both. So it does when a layer of the model was replaced.
    """
    start.net.check_layers()
    own = start.net.spec
    if isinstance(asked, str) and asked != own.name:
        variant(asked)  # a name that is none is a fault of its own
        raise ConfigError(
            f"The network {asked!r} was asked for, but the model to start from is {own.name!r}; leave the network out."
        )
    if isinstance(asked, Spec):
        wanted, found = (functional(with_options(spec, **recipe.network_options)) for spec in (asked, own))
        if other := first_difference(found, wanted):
            raise ConfigError(
                f"The network {asked.name!r} was asked for, but the model to start from is another: {other}; leave the "
                "network out to train the model's own."
            )
