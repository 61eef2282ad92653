"""What a model brings that training starts from: its weights and the statistics of its inputs."""

from dataclasses import replace

from alexnet.data.statistics import InputStatistics
from alexnet.data.store import Store
from alexnet.errors import WeightsError
from alexnet.model.net import AlexNet
from alexnet.weights.model_dir import Model


def starting_statistics(start: Model | None, store: Store) -> InputStatistics:
    """Those of the model to start from, or the store's; the store's components where the model's has a mean alone."""
    if start is None:
        return store.statistics
    store.check_side(start.preparation, "the model to start from")
    if start.statistics.images:
        return start.statistics
    return replace(store.statistics, mean_image=start.statistics.mean_image)


def take_over(net: AlexNet, start: Model, store: Store) -> None:
    """Copies the weights of `start` into `net`; the last layer stays new unless both know the same classes."""
    mine, theirs = net.state_dict(), start.net.state_dict()
    if [category.key for category in start.categories] != [category.key for category in store.classes]:
        last = net.spec.layers[-1].name
        theirs |= {name: tensor for name, tensor in mine.items() if name.startswith(f"{last}.")}
    for name in (*mine, *theirs):
        wanted, found = (tuple(state[name].shape) if name in state else "none" for state in (mine, theirs))
        if wanted != found:
            raise WeightsError(
                f"The model to start from does not fit {net.spec.name!r}: its {name} has shape {found}, expected "
                f"{wanted}; train the network that the model is of."
            )
    net.load_state_dict(theirs)
