"""Ranked classes from an exported ONNX file, as from the model that it was made of."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet.data.augment import fixed_views, view_means
from alexnet.data.loader import view_batch
from alexnet.errors import ConfigError
from alexnet.evaluation.evaluate import averaged
from alexnet.evaluation.predict import Prediction, ranked
from alexnet.weights.onnx.session import OnnxModel


def predict_onnx(
    model: OnnxModel, images: Iterable[tuple[str, Callable[[], bytes]]], *, top: int = 5, crops: int = 1
) -> Iterator[Prediction]:
    """As `alexnet.evaluation.predict.predict`, by ONNX Runtime.

    Raises ConfigError when ten crops are asked of a file that takes photographs, for it looks at their centre itself.
    """
    known = model.description
    if model.input == "images":
        if crops != 1:
            raise ConfigError(
                "This ONNX file takes whole photographs and looks at their centre alone; for ten crops, export the "
                "model with --input views."
            )

        def batch(photographs: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
            return torch.from_numpy(np.stack(photographs))

    else:
        views = fixed_views(known.spec.input_size, known.preparation.side, crops)
        mean = view_means(known.statistics, known.spec.input_size, views, known.preparation)

        def batch(photographs: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
            return view_batch(photographs, views, mean, preparation=known.preparation)

    def answer(photographs: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        return averaged(model.logits(batch(photographs)), crops, known.spec.name)

    return ranked(images, answer, known.categories, known.preparation, top=top, crops=crops)
