"""A model from wherever one lies: a model directory, a run directory, a file that was exported."""

from pathlib import Path

from alexnet.weights.model_dir import Model, finished_model, load_model
from alexnet.weights.onnx.importing import import_onnx


def load(path: str | Path) -> Model:
    """The model at `path`, on the CPU in fp32, in evaluation mode.

    `path` is a model directory, a run directory, of which it is the finished model, or an ONNX file that `alexnet
    export` wrote, which holds the weights bit for bit. Raises WeightsError when there is none, or a damaged one.
    """
    path = Path(path)
    if path.suffix == ".onnx" and not path.is_dir():
        return import_onnx(path)
    return load_model(finished_model(path))
