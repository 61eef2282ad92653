"""bvlc_alexnet.npy: Caffe's bvlc_alexnet as caffe-tensorflow converted it for the University of Toronto's script.

A pickled dict of layers: kernels in H, W, in, out order, fully connected weights (in, out), all still in BGR. The rows
of fc6 follow the maps as TensorFlow flattens them, H, W, C: the converter turns them (its DataReshaper), and the script
flattens that way. Converters that did not are served by `fc_rows`. The script's own SAME padding is not followed: the
geometry is Caffe's, for which the weights were made.
"""

from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet.errors import WeightsError, unknown
from alexnet.model.spec import Conv, Linear
from alexnet.model.variants import variant
from alexnet.weights.caffe.importing import caffe_model
from alexnet.weights.caffe.pickled import read_pickled
from alexnet.weights.foreign.class_names import Names
from alexnet.weights.foreign.importing import Foreign
from alexnet.weights.model_dir import Model

FC_ROWS = ("hwc", "chw")


def import_npy(
    path: Path,
    *,
    classes: Names = None,
    mean: Path | None = None,
    keep_bgr: bool = False,
    fc_rows: str = "hwc",
) -> Model:
    """The model in a .npy file like the one above; `fc_rows` is the order of fc6's rows, one of `FC_ROWS`.

    A layer is [weights, biases] or {"weights": …, "biases": …}. For the other arguments see `import_caffe`, for errors
    `make_model`; nothing from the file is executed.
    """
    if fc_rows not in FC_ROWS:
        raise unknown("order of rows", fc_rows, FC_ROWS)
    spec = variant("bvlc_alexnet")
    content = read_pickled(path)
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path} holds no layers by name, but {type(content).__name__}.")
    found = {
        f"{name}.{part}": array
        for name, layer in content.items()
        for part, array in zip(("weights", "biases"), _parts(path, name, layer), strict=True)
    }
    names: dict[str, str] = {}
    for layer in spec.layers:
        if isinstance(layer, Conv | Linear):
            names |= {f"{layer.name}.weight": f"{layer.name}.weights", f"{layer.name}.bias": f"{layer.name}.biases"}
    tensors = {name: torch.from_numpy(_turned(array)) for name, array in found.items()}
    said = ("kernels and matrices turned to (out, in, …)", f"fc6's rows taken in {', '.join(fc_rows.upper())} order")
    model = caffe_model(
        spec,
        Foreign(path, "caffe-tensorflow, npy", names, tensors, said),
        classes=classes,
        mean=mean,
        keep_bgr=keep_bgr,
    )
    if fc_rows == "hwc":
        fc6, maps = model.net.get_parameter("fc6.weight"), len(model.net.get_parameter("conv5.bias"))
        side = isqrt(fc6.shape[1] // maps)
        by_place = fc6.data.view(-1, side, side, maps)  # (out, H, W, C)
        fc6.data = by_place.permute(0, 3, 1, 2).flatten(1)  # (out, C · H · W)
    return model


def _parts(path: Path, name: object, layer: Any) -> list[NDArray[np.generic]]:
    """Weights and biases of a layer of the file."""
    if isinstance(layer, Mapping) and set(layer) == {"weights", "biases"}:
        layer = [layer["weights"], layer["biases"]]
    parts = list(layer) if isinstance(layer, list) else []
    if len(parts) != 2 or not all(isinstance(part, np.ndarray) and part.dtype.kind == "f" for part in parts):
        raise WeightsError(f"{path}: the layer {name!r} is not a list of weights and biases.")
    return parts


def _turned(array: NDArray[np.generic]) -> NDArray[np.float32]:
    """Kernels as (out, in, H, W) and matrices as (out, in); biases as they are."""
    order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(array.ndim, range(array.ndim))
    return np.array(array.transpose(tuple(order)), dtype=np.float32)
