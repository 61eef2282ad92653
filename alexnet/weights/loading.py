"""A model from wherever one lies: a model directory, a run directory, a file of weights."""

from pathlib import Path

from alexnet.errors import WeightsError
from alexnet.weights.formats import SUFFIXES, import_weights
from alexnet.weights.model_dir import Model, load_model, model_of_run


def load(path: str | Path) -> Model:
    """The model at `path`, on the CPU in fp32, in evaluation mode.

    `path` is a model directory; a run directory, of which it is the model, the best so far while it is unfinished; or a
    file of weights, whose format its ending tells: an ONNX or safetensors file that `alexnet export` wrote,
    torchvision's, Caffe's. What other programs wrote does not name its classes: see `alexnet.weights.formats`. Raises
    WeightsError when there is no model, or a damaged one.
    """
    path = Path(path)
    if not path.is_file():
        return load_model(model_of_run(path))
    if path.suffix.lower() not in SUFFIXES:
        raise WeightsError(f"{path} ends in none of {', '.join(SUFFIXES)}, so its format is unknown.")
    return import_weights(path, SUFFIXES[path.suffix.lower()])
