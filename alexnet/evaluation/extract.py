"""The stages of a network for images: features for other programs. N images."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet.data.inputs import ImageInput
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import Placement, place
from alexnet.weights.model_dir import Model


def extract(
    model: Model | str | Path,
    images: ImageInput | Iterable[ImageInput],
    stages: str | Sequence[str],
    *,
    crops: int = 1,
    placement: Placement | None = None,
) -> dict[str, NDArray[np.float32]]:
    """The outputs of the named layers for the images: (N, …) each, (N, 10, …) for ten crops.

    `model` and `images` are what `Predictor` takes. The layer `relu7` is the last hidden one as the paper means it;
    `fc7` is the same before its ReLU. `placement` None is the best device of this machine in fp32: bf16 is off by some
    tenths of a per cent. All is held in memory: for more, go through `Predictor.stages_of` in batches. Raises what
    `Predictor.stages` does.
    """
    return Predictor(model, placement=placement or place("auto", "fp32")).stages(images, stages, crops)
