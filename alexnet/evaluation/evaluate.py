"""Top-1 and top-5 error as the paper measures them: centre crop or ten crops, one network or an average of several."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from alexnet.data.loader import Batch, InputLayout, evaluation_batches, shares
from alexnet.data.store import Store
from alexnet.errors import DataError, WeightsError
from alexnet.evaluation.metrics import Tally
from alexnet.evaluation.routes import take_fastest
from alexnet.model.device import Placement, frozen_copy, place
from alexnet.model.net import AlexNet
from alexnet.weights.loading import load
from alexnet.weights.model_dir import Model, check_categories, no_model

VIEWS_PER_BATCH = 160  # views run through a network at once, whatever the number of crops


@torch.inference_mode()
def mean_probabilities(net: AlexNet, views: Tensor, crops: int, placement: Placement) -> Tensor:
    """Class probabilities (N, K) fp32: the softmax of each view, averaged over a photograph's views (section 4.1).

    `views` are (N · crops, C, H, W), the views of a photograph in consecutive rows. `net` is in evaluation mode and in
    the placement's numbers. Raises WeightsError when the network answers NaN.
    """
    logits: Tensor = net(views.to(placement.device, placement.dtype, non_blocking=True))
    return averaged(logits, crops, net.spec.name)


def averaged(logits: Tensor, crops: int, name: str) -> Tensor:
    """Class probabilities (N, K) fp32 of the logits (N · crops, K) of views, a photograph's in consecutive rows.

    Raises WeightsError when there is NaN among them; `name` is the network's.
    """
    return votes(logits, crops, name).mean(1)


def votes(logits: Tensor, crops: int, name: str) -> Tensor:
    """As `averaged`, but each view's probabilities: (N, crops, K)."""
    probabilities = logits.float().softmax(1).view(-1, crops, logits.shape[1])
    if probabilities.isnan().any():
        raise damaged(name, "answers NaN instead of probabilities")
    return probabilities


def damaged(name: str, met: str) -> WeightsError:
    """The error for a network of that name in which something else than numbers was `met`."""
    return WeightsError(
        f"The network {name!r} {met}: its weights are damaged or its training diverged; take another model."
    )


class Sharers(Protocol):
    """Processes that share out the photographs, and a way to hear what the others found."""

    @property
    def rank(self) -> int:
        """This process's place among them, from 0."""

    @property
    def size(self) -> int:
        """How many there are."""

    def gather_rows(self, rows: Tensor, counts: Sequence[int]) -> Tensor:
        """The rows of all one under the other; `counts` says how many each has."""


class Alone:
    """One process, which has all the photographs."""

    rank, size = 0, 1

    def gather_rows(self, rows: Tensor, counts: Sequence[int]) -> Tensor:
        """The rows."""
        return rows


ALONE = Alone()


def shared_probabilities(
    net: AlexNet, batch: Batch, crops: int, placement: Placement, images_per_batch: int, sharers: Sharers
) -> Tensor:
    """`mean_probabilities` of all photographs in a batch of `evaluation_batches`, whoever they were given to."""
    counts = shares(len(batch.labels), images_per_batch, sharers.size)
    if counts[sharers.rank]:
        own = mean_probabilities(net, batch.images, crops, placement)
    else:
        own = torch.empty(0, net.spec.classes, device=placement.device)
    return sharers.gather_rows(own, counts)


def input_layout(net: AlexNet, placement: Placement) -> InputLayout:
    """The layout of images that `net` is fastest with there: space to depth on a CPU, pinned for CUDA, in its dtype."""
    block, padding = net.space_to_depth_block if placement.device.type == "cpu" else (1, 0)
    return InputLayout(placement.dtype, block, padding, placement.reads_pinned)


def other_pixels(models: Sequence[Model], store: Store) -> str | None:
    """A sentence for the reader when the store resized its photographs by another rule than a model asks for."""
    held = store.preparation
    asked = [model.preparation for model in models if model.preparation.side == held.side]  # others are refused
    asked = [preparation for preparation in asked if preparation.resizing != held.resizing]
    if not asked:
        return None
    wanted = asked[0]
    return (
        f"{store.path} holds photographs resized by another rule ({store.preparation.in_words['resize']}) than the "
        f"model takes ({wanted.in_words['resize']}), so errors on it are not the ones the model is known for; prepare "
        f"a store with --resize {wanted.resize} --interpolation {wanted.interpolation}."
    )


def evaluate(
    models: Model | str | Path | Sequence[Model | str | Path],
    store: Store | str | Path,
    *,
    split: str = "val",
    crops: int = 1,
    placement: Placement | None = None,
    progress: Callable[[int, int], None] | None = None,
    answers: Callable[[Sequence[str], Tensor, Tensor], None] | None = None,
    sharers: Sharers = ALONE,
) -> Tally:
    """The errors of `models`, their probabilities averaged, on every photograph of a split once ("all": of the store).

    `models` are one or several, `store` a store; a path stands for what lies there. `placement` None is the best of
    this machine. The models' networks stay as they are.

    Labels are matched by the classes' keys, not by their order. A store may have some of the models' classes alone;
    then the tally has an `among`. Photographs are taken as the store has resized them, by whatever rule: see
    `other_pixels`. `progress` is told (photographs done, in all); `answers` is given, batch by batch, the photographs'
    paths, the probabilities (N, K) and the labels (N,) in the model's order. The `sharers` share out the photographs
    and all get the same tally. Raises DataError when the models do not know the same classes or lack one of the
    store's, when its photographs are of another side than a model takes, or for a split that the store lacks;
    ConfigError for what is no model; ConfigError and WeightsError as `frozen_copy` does, the latter also for more or
    fewer classes than outputs.
    """
    given = models if isinstance(models, Sequence) and not isinstance(models, str) else [models]
    if strange := [each for each in given if not isinstance(each, Model | str | Path)]:
        raise no_model(strange[0])
    loaded = [each if isinstance(each, Model) else load(each) for each in given]
    store = store if isinstance(store, Store) else Store.open(store)
    placement = placement or place()
    reference, nets = loaded[0], [frozen_copy(model.net, placement) for model in loaded]
    for model in loaded:
        check_categories(model)
        _check_classes(reference, model, store)
        store.check_side(model.preparation, "the model")
    positions = store.split(split)
    place_of = {category.key: index for index, category in enumerate(reference.categories)}
    labels_of = torch.tensor([place_of[category.key] for category in store.classes])
    for net in nets:
        take_fastest(net, [max(1, VIEWS_PER_BATCH // crops) * crops], placement)
    tally = Tally(len(reference.categories), sorted(labels_of.tolist()))
    images_per_batch = max(1, VIEWS_PER_BATCH // crops)
    # models with other inputs than the first one's each get their own views
    streams = [
        evaluation_batches(
            store,
            positions,
            statistics=model.statistics,
            crop=model.net.spec.input_size,
            crops=crops,
            images_per_batch=images_per_batch,
            layout=input_layout(model.net, placement),
            preparation=model.preparation,
            rank=sharers.rank,
            sharers=sharers.size,
        )
        for model in loaded
    ]
    for batches in zip(*streams, strict=True):
        each = [
            shared_probabilities(net, batch, crops, placement, images_per_batch, sharers)
            for net, batch in zip(nets, batches, strict=True)
        ]
        probabilities, labels = torch.stack(each).mean(0), labels_of[batches[0].labels]
        if answers:
            rows = positions[tally.images : tally.images + len(labels)].tolist()
            answers([store.paths[row] for row in rows], probabilities.cpu(), labels)
        tally.add(probabilities, labels)
        if progress:
            progress(tally.images, len(positions))
    return tally


def _check_classes(reference: Model, model: Model, store: Store) -> None:
    known = [category.key for category in model.categories]
    if known != [category.key for category in reference.categories]:
        raise DataError("The models do not have the same classes in the same order, so they cannot be averaged.")
    if strange := sorted({category.key for category in store.classes}.difference(known)):
        raise DataError(
            f"The model knows {len(known)} classes and {store.path} has {len(store.classes)}, of which it does not "
            f"know {', '.join(strange[:5])}{', …' if len(strange) > 5 else ''}. Give data of the model's classes."
        )
