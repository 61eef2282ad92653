"""Input statistics as tensors, the form in which model directories and checkpoints hold them."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alexnet.data.statistics import InputStatistics


def to_tensors(statistics: InputStatistics) -> dict[str, Tensor]:
    """One tensor a field; `from_tensors` gives the statistics back."""
    return {each.name: torch.tensor(np.asarray(getattr(statistics, each.name))) for each in fields(statistics)}


def from_tensors(tensors: Mapping[str, Tensor]) -> InputStatistics:
    """The statistics that `to_tensors` took apart. Raises KeyError or TypeError for other tensors."""
    arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in tensors.items()}
    return InputStatistics(**{**arrays, "images": int(arrays["images"])})
