"""The formats of other programs' weights by name, and the function that imports each; torch only when one does."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from alexnet.errors import unknown

if TYPE_CHECKING:
    from alexnet.weights.model_dir import Model


class Format(NamedTuple):
    """A format in the table: the file in `alexnet.weights` with `import_<format>`, and what its function takes."""

    file: str
    takes: tuple[str, ...]
    text: str


FORMATS: Final = {
    "torchvision": Format(
        "pytorch.torchvision", ("weights",), "a .pth or .safetensors file of torchvision's alexnet, checkpoints too"
    ),
    "safetensors": Format(
        "exported", ("weights",), "what alexnet export wrote; else a .safetensors file as torchvision's"
    ),
    "caffe": Format("caffe.importing", ("mean", "keep_bgr", "model"), "a .caffemodel of bvlc_alexnet or caffenet"),
    "npy": Format("caffe.npy", ("mean", "keep_bgr", "fc_rows"), "bvlc_alexnet.npy, as caffe-tensorflow converts"),
    "onnx": Format(
        "onnx.importing", ("mean", "keep_bgr"), "bvlc_alexnet or caffenet of the ONNX zoo; what alexnet export wrote"
    ),
}

SUFFIXES: Final = {
    ".pth": "torchvision",
    ".pt": "torchvision",
    ".safetensors": "safetensors",
    ".caffemodel": "caffe",
    ".onnx": "onnx",
    ".npy": "npy",
}
"""The format to import a file as, by its suffix."""


def import_weights(path: Path, form: str, **options: Any) -> "Model":
    """The model in a file of the format `form`, by that format's own function, whose arguments `options` are.

    Raises ConfigError for an unknown format, and what the function raises.
    """
    if form not in FORMATS:
        raise unknown("format", form, FORMATS)
    model: Model = getattr(import_module(f"alexnet.weights.{FORMATS[form].file}"), f"import_{form}")(path, **options)
    return model
