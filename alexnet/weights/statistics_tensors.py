"""Input statistics as tensors, the form in which model directories and checkpoints hold them."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alexnet.data.statistics import InputStatistics

_SHAPES: dict[str, tuple[torch.dtype, tuple[int, ...] | None]] = {
    "mean_image": (torch.float32, None),
    "covariance": (torch.float64, (3, 3)),
    "eigenvalues": (torch.float64, (3,)),
    "eigenvectors": (torch.float64, (3, 3)),
    "images": (torch.int64, ()),
}


def to_tensors(statistics: InputStatistics) -> dict[str, Tensor]:
    """One tensor a field; `from_tensors` gives the statistics back."""
    return {each.name: torch.tensor(np.asarray(getattr(statistics, each.name))) for each in fields(statistics)}


def from_tensors(tensors: Mapping[str, Tensor]) -> InputStatistics:
    """The statistics that `to_tensors` took apart. Raises KeyError, TypeError or ValueError for other tensors."""
    for name, (dtype, shape) in _SHAPES.items():
        found = tensors[name]
        if not isinstance(found, Tensor):
            raise TypeError(f"{name} is no tensor")
        if found.dtype is not dtype or (shape is not None and tuple(found.shape) != shape):
            raise ValueError(f"{name} is {found.dtype} of shape {tuple(found.shape)}")
        if not bool(found.isfinite().all()):
            raise ValueError(f"{name} holds NaN or infinity")
    mean = tensors["mean_image"]
    if mean.ndim != 3 or mean.shape[2] != 3:
        raise ValueError(f"mean_image is of shape {tuple(mean.shape)}")
    if not 0 <= int(tensors["images"]) < 2**48 or bool((tensors["eigenvalues"] < 0).any()):
        raise ValueError("images or eigenvalues are below 0")
    arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in tensors.items()}
    return InputStatistics(**{**arrays, "images": int(arrays["images"])})
