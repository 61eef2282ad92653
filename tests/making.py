"""Small things for tests to work on: a data set, a network, a recipe, a model; child processes can import it."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alexnet.data.images import resized
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.prepare import prepare
from alexnet.data.source import Category, Example, Prepared
from alexnet.data.store import Store
from alexnet.model.net import AlexNet
from alexnet.model.spec import Activation, Conv, Dropout, Linear, MaxPool, ResponseNorm, Spec
from alexnet.training.recipe import Recipe
from alexnet.weights.model_dir import Model

COLOURS = {
    "amber": (230, 150, 20),
    "blue": (30, 60, 220),
    "coal": (40, 40, 40),
    "drab": (120, 110, 80),
    "emerald": (20, 180, 90),
    "fuchsia": (220, 40, 200),
}
CLASSES = tuple(COLOURS)


@dataclass(frozen=True)
class Colours:
    """Noisy photographs that show the colour of their class and nothing else: a child could learn them."""

    counts: dict[str, int] = field(default_factory=lambda: {"train": 42, "val": 12, "test": 11})
    classes: tuple[str, ...] = CLASSES
    noise: float = 40.0
    name: str = "colours"
    default_split: dict[str, float] = field(default_factory=dict)

    @property
    def categories(self) -> tuple[Category, ...]:
        return tuple(Category(key, key.title()) for key in self.classes)

    @property
    def examples(self) -> tuple[Example, ...]:
        return tuple(
            Example(f"{split}/{number}.jpg", number % len(self.classes), split)
            for split, count in self.counts.items()
            for number in range(count)
        )

    @property
    def identity(self) -> str:
        return repr(self)

    def load(self, example: Example, preparation: Preparation = DEFAULT) -> Prepared:
        rng = np.random.default_rng([len(example.path), *os.fsencode(example.path)])
        # coarse noise: 8 × 8 blocks
        noise = rng.normal(0, self.noise, (32, 32, 3)).repeat(8, axis=0).repeat(8, axis=1)
        colour = COLOURS[self.classes[example.label]]
        return Prepared(resized((noise + colour).clip(0, 255).astype(np.uint8), preparation))


class Bytes(Colours):
    """The same with names that are no Unicode, as Python reads them from a disk: of files and of classes."""

    @property
    def categories(self) -> tuple[Category, ...]:
        return tuple(Category(f"{key}\udce9", f"{key.title()}\udce9") for key in self.classes)

    @property
    def examples(self) -> tuple[Example, ...]:
        return tuple(replace(each, path=each.path.replace(".", "\udce9.")) for each in super().examples)


def tiny_store(path: Path, source: Colours | None = None, preparation: Preparation = DEFAULT) -> Store:
    return prepare(source or Colours(), path, workers=1, preparation=preparation)


def tiny_spec(classes: int = len(CLASSES), *, dropout: float = 0.5) -> Spec:
    """AlexNet in miniature: 3,212 + 17·classes parameters, every kind of layer."""
    return Spec(
        name="tiny",
        layers=(
            Conv("conv1", 8, 5, stride=2, std=0.02),
            Activation("relu1"),
            ResponseNorm("norm1"),
            MaxPool("pool1"),  # (N, 8, 6, 6)
            Linear("fc2", 16, std=0.05, bias=0.1),
            Activation("relu2"),
            Dropout("drop2", dropout),
            Linear("fc3", None, std=0.1),
        ),
        input_size=32,
        classes=classes,
        summary="AlexNet in miniature.",
    )


def tiny_recipe(**changes: Any) -> Recipe:
    """A recipe in which little happens by itself: constant rate, three short epochs."""
    return replace(Recipe(name="tiny", epochs=3, batch_size=8, lr=0.0005, schedule="constant"), **changes)


def damaged(model: Model, name: str = "conv1.weight") -> Model:
    """The model with NaN in a tensor, as a training that diverged leaves it."""
    with torch.no_grad():
        model.net.get_parameter(name)[0] = float("nan")
    return model


def tiny_model(store: Store, *, seed: int = 0, spec: Spec | None = None) -> Model:
    net = AlexNet(spec or tiny_spec(len(store.classes)), generator=torch.Generator().manual_seed(seed))
    provenance = {"trained_with": "nothing", "errors": {"val_top1_error": 0.75}}
    return Model(net.eval(), store.classes, store.statistics, provenance, store.preparation)
