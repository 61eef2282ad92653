"""A network by its name, new or with published weights, together with what its images need."""

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import Any

import torch

from alexnet.data.source import Category
from alexnet.data.statistics import InputStatistics
from alexnet.errors import ConfigError, WeightsError
from alexnet.home import home
from alexnet.model.account import check_classes
from alexnet.model.compare import first_difference
from alexnet.model.net import AlexNet
from alexnet.model.options import with_options
from alexnet.model.spec import Spec
from alexnet.model.variants import variant
from alexnet.weights.foreign.cache import find_kept
from alexnet.weights.foreign.class_names import unnamed_classes
from alexnet.weights.loading import load
from alexnet.weights.model_dir import Model

GREY = 127.5  # in the middle of 0 to 255


def create(
    network: str | Spec,
    *,
    classes: int | Sequence[str] | None = None,
    weights: str | Path | None = None,
    seed: int = 0,
    **options: Any,
) -> Model:
    """The network with what its images need, on the CPU in fp32, in evaluation mode.

    `network` is a name of `alexnet.VARIANTS` or a spec; `classes` the number of its outputs or their names; `options`
    are those of `alexnet.variant`. Without `weights` they are drawn from `seed`, and a constant grey is subtracted.
    `weights` is what `alexnet.load` takes, or the name of a file that `alexnet weights` keeps; then the preparation of
    images is theirs, and with another number of classes the last layer is drawn anew. A name takes whatever widths and
    input size they bring; a spec has to be theirs but for the classes. torch's own generator is not used. Raises
    ConfigError for what is not known or does not fit, WeightsError for weights of another network.
    """
    if isinstance(classes, str):
        raise ConfigError(
            f"classes is a number or several names: {classes!r} is one name, not several; give [{classes!r}]."
        )
    names = None if classes is None or isinstance(classes, int | Integral) else tuple(classes)
    count = int(classes) if isinstance(classes, int | Integral) else None if names is None else len(names)
    if names is not None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"{twice!r} is the name of two classes; give each its own.")
    spec = with_options(variant(network) if isinstance(network, str) else network, classes=count, **options)
    check_classes(spec)
    generator = torch.Generator().manual_seed(seed)
    if weights is None:
        net = AlexNet(spec, generator=generator).eval()
        provenance = {"weights": f"drawn from seed {seed}"}
        return Model(net, _named(names, spec.classes), InputStatistics.of_mean([GREY] * 3), provenance)
    if options:
        raise ConfigError(f"Weights fix all but the classes of a network; leave {', '.join(sorted(options))} out.")
    found = load(_kept(weights))
    if found.net.spec.name != spec.name:
        raise WeightsError(f"{weights} holds weights of {found.net.spec.name!r}, not of {spec.name!r}.")
    if isinstance(network, Spec) and (other := _unlike(found.net.spec, spec)):
        raise WeightsError(
            f"{weights} holds weights of another network than the {spec.name!r} given: {other}; give its name alone, "
            "and the network is as the weights have it."
        )
    if count is None or (count == found.net.spec.classes and names is None):
        return found
    if count != found.net.spec.classes:
        found.net.reset_classifier(count, generator=generator)
    return replace(found, net=found.net.eval(), categories=_named(names, count))


def _unlike(found: Spec, asked: Spec) -> str:
    """What is not the same about two networks of one name, the number of classes aside; "" where all is."""
    for name in ("input_size", "channels"):
        if getattr(found, name) != getattr(asked, name):
            return f"{name} is {getattr(found, name)}, not {getattr(asked, name)}"
    return first_difference(found.layers, asked.layers)


def _named(names: tuple[str, ...] | None, count: int) -> tuple[Category, ...]:
    return unnamed_classes(count) if names is None else tuple(Category(name, name) for name in names)


def _kept(weights: str | Path) -> Path:
    """The place of weights: as given, or of the kept file of that name where there is nothing at that path."""
    if isinstance(weights, str) and not Path(weights).exists():
        return find_kept(weights, home() / "weights") or Path(weights)
    return Path(weights)
