"""What other programs said, kept for tests that do not have them: tests/golden."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from proofs.asking import HERE, Testimony
from proofs.tensorflow import cases, to_first
from proofs.torchvision import MODULES

FOLDER: Final = HERE.parent / "tests" / "golden"
PICKED: Final = 16  # values of each stage
DIGITS: Final = 9  # enough for float32


def summary(array: ArrayLike) -> dict[str, Any]:
    """What is kept of a stage: its shape, the sums of its values and of their squares, values at even distances."""
    found = np.asarray(array, np.float64)
    return {
        "shape": list(found.shape),
        "largest": rounded([np.abs(found).max()])[0],
        "sums": rounded([found.sum(), np.square(found).sum()]),
        "picked": rounded(found.ravel()[picks(found.size)]),
    }


def picks(size: int) -> NDArray[np.int64]:
    """The places in a flattened stage that are kept: from the first to the last at even distances, or all."""
    return np.unique(np.linspace(0, size - 1, PICKED).round().astype(np.int64))


def rounded(values: Iterable[float]) -> list[float]:
    """Numbers with as many digits as float32 has."""
    return [float(f"{value:.{DIGITS}g}") for value in values]


def write_owt(told: Testimony) -> None:
    """The stages of torchvision's alexnet."""
    stages = told.of("ours/")
    write(
        "owt-torchvision",
        told,
        {
            "stages": {name: summary(stages[name]) for name in MODULES},
            "logits": [rounded(row) for row in stages[MODULES[-1]]],
        },
    )


def write_tflearn(told: Testimony) -> None:
    """The stages of the network in Keras, maps first."""
    stages = {name: to_first(array) for name, array in told.found.items() if "/" not in name}
    plain = {name: summary(array) for name, array in stages.items()}
    write("tflearn-tensorflow", told, {"stages": plain, "logits": [rounded(row) for row in stages["fc8"]]})


def write_lrn(told: Testimony) -> None:
    """tf.nn.lrn and its gradient in every case, maps first."""
    plain = {
        case.name: {what: summary(to_first(told.found[f"{what}/{case.name}"])) for what in ("y", "d")}
        for case in cases()
    }
    write("lrn-tensorflow", told, {"cases": plain})


def write(name: str, told: Testimony, content: Mapping[str, Any]) -> None:
    """The file, with who said it and how to ask again."""
    FOLDER.mkdir(exist_ok=True)
    head = {"made with": "make proofs PROOFS=--golden", "versions": told.versions}
    (FOLDER / f"{name}.json").write_text(json.dumps({**head, **content}, indent=1) + "\n", encoding="utf-8")
