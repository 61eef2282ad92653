"""What answers when a photograph is asked about: a network in PyTorch, or an ONNX file in ONNX Runtime.

N photographs, S the side of a prepared one in pixels, V views of each, K classes.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alexnet.data.augment import Views
from alexnet.data.loader import view_batch
from alexnet.errors import ConfigError
from alexnet.evaluation.evaluate import damaged, input_layout, mean_probabilities, votes
from alexnet.evaluation.routes import take_fastest
from alexnet.model.device import Placement, frozen_copy
from alexnet.weights.model_dir import Model
from alexnet.weights.onnx.session import OnnxModel

Squares = Sequence[NDArray[np.uint8]]
"""Prepared photographs, (S, S, 3) each."""


class Network(Protocol):
    """What a `Predictor` works with. Threads may share one; `mean` is what `alexnet.data.augment.view_means` gives."""

    def check(self, crops: int) -> None:
        """Raises ConfigError for a number of views that it cannot be shown."""

    def probabilities(self, squares: Squares, views: Views, mean: NDArray[np.float32]) -> Tensor:
        """Class probabilities (N, K) on the CPU in fp32, averaged over the views of each photograph."""

    def votes(self, squares: Squares, views: Views, mean: NDArray[np.float32]) -> Tensor:
        """Class probabilities (N, V, K) of each view, on the CPU in fp32."""

    def stages(self, squares: Squares, views: Views, mean: NDArray[np.float32], names: Sequence[str]) -> list[Tensor]:
        """The outputs of the named layers, (N · V, …) each, on the CPU in fp32."""


ROWS = (1, 10)  # one photograph at a time, by one crop and by ten: what is asked most often


class InPyTorch:
    """A model's network, copied into the placement's numbers once."""

    def __init__(self, model: Model, placement: Placement, *, share: bool) -> None:
        self.net = frozen_copy(model.net, placement, share=share)
        take_fastest(self.net, ROWS, placement)
        self.preparation = model.preparation
        self.placement = placement
        self.layout = input_layout(self.net, placement)

    def check(self, crops: int) -> None:
        """Nothing: a network takes any number."""

    def probabilities(self, squares: Squares, views: Views, mean: NDArray[np.float32]) -> Tensor:
        """See `Network`."""
        batch = view_batch(squares, views, mean, self.layout, self.preparation)
        with self._own_numbers():
            return mean_probabilities(self.net, batch, len(views), self.placement).cpu()

    @torch.inference_mode()
    def votes(self, squares: Squares, views: Views, mean: NDArray[np.float32]) -> Tensor:
        """See `Network`."""
        batch = view_batch(squares, views, mean, self.layout, self.preparation)
        batch = batch.to(self.placement.device, self.placement.dtype, non_blocking=True)
        with self._own_numbers():
            return votes(self.net(batch), len(views), self.net.spec.name).cpu()

    @torch.inference_mode()
    def stages(self, squares: Squares, views: Views, mean: NDArray[np.float32], names: Sequence[str]) -> list[Tensor]:
        """See `Network`. Raises WeightsError for NaN or infinity in them."""
        batch = view_batch(squares, views, mean, self.layout, self.preparation)
        batch = batch.to(self.placement.device, self.placement.dtype, non_blocking=True)
        with self._own_numbers():
            found = self.net.stages(batch, names)
        for name in names:
            if not bool(found[name].isfinite().all()):
                raise damaged(self.net.spec.name, f"has NaN or infinity in {name}")
        return [found[name].float().cpu().contiguous() for name in names]

    def _own_numbers(self) -> torch.autocast:
        """A block in the placement's numbers, whatever torch.autocast asks for around it."""
        return torch.autocast(self.placement.device.type, enabled=False)


class InOnnxRuntime:
    """An exported file, which gives logits and nothing else."""

    def __init__(self, model: OnnxModel) -> None:
        self.model = model

    def check(self, crops: int) -> None:
        """Raises ConfigError for ten crops of a file that takes photographs, for it looks at their centre itself."""
        if self.model.input == "images" and crops != 1:
            raise ConfigError(
                "This ONNX file takes whole photographs and looks at their centre alone; for ten crops, export the "
                "model with --input views."
            )

    def probabilities(self, squares: Squares, views: Views, mean: NDArray[np.float32]) -> Tensor:
        """See `Network`."""
        return self.votes(squares, views, mean).mean(1)

    def votes(self, squares: Squares, views: Views, mean: NDArray[np.float32]) -> Tensor:
        """See `Network`."""
        if self.model.input == "images":
            batch = torch.from_numpy(np.stack(squares))
        else:
            batch = view_batch(squares, views, mean, preparation=self.model.description.preparation)
        return votes(self.model.logits(batch), len(views), self.model.description.spec.name)

    def stages(self, squares: Squares, views: Views, mean: NDArray[np.float32], names: Sequence[str]) -> list[Tensor]:
        """Raises ConfigError: a file has one output."""
        raise ConfigError(
            "An ONNX file gives its answers and nothing before them; for a stage, take the model that it was made from "
            "(alexnet.load gives it back from the file)."
        )
