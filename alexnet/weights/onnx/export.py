"""A model as an ONNX file, which is run again and compared before it is left in its place."""

from pathlib import Path
from typing import Any

import torch

from alexnet.errors import AlexNetError, ConfigError
from alexnet.version import VERSION
from alexnet.weights.agreement import Agreement, agree, sample_photographs, views_of
from alexnet.weights.description import to_texts
from alexnet.weights.files import replacing
from alexnet.weights.model_dir import Model
from alexnet.weights.onnx.extra import onnx_package
from alexnet.weights.onnx.graph import IR_VERSION, OPSET, GraphOptions, build_graph
from alexnet.weights.onnx.session import OnnxModel

LARGEST = 2_000_000_000  # bytes of parameters; a protobuf message ends at 2^31


def export_onnx(model: Model, path: Path, options: GraphOptions) -> Agreement:
    """Writes the ONNX file and returns how ONNX Runtime's answers compare to PyTorch's.

    Classes and preparation are in its metadata (`alexnet.weights.description`). Raises WeightsError, and leaves no
    file, when the answers differ; ConfigError when the network cannot take the options, is too large for a file of this
    kind, or a package is missing.
    """
    onnx_package("onnxruntime")  # missing packages are told before work is done
    if (size := 4 * sum(tensor.numel() for tensor in model.net.state_dict().values())) > LARGEST:
        raise ConfigError(f"An ONNX file holds 2 GB at most, and this network has {size / 1e9:.1f} GB of parameters.")
    content = build_model(model, options).SerializeToString()
    photographs = sample_photographs(model.preparation.side)
    views = views_of(model, photographs)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
        inputs = torch.from_numpy(photographs) if options.input == "images" else views
        checker = onnx_package().checker
        try:
            checker.check_model(str(temporary), full_check=True)
            again = OnnxModel(temporary)
        except (OSError, checker.ValidationError) as error:
            raise AlexNetError(f"{path} was written but cannot be read again: {error}; try again.") from error
        return agree(model, again.logits, inputs, views, "ONNX Runtime")


def build_model(model: Model, options: GraphOptions) -> Any:
    """The ModelProto of `model`: graph, parameters, metadata."""
    onnx = onnx_package()
    content = onnx.helper.make_model(
        build_graph(model.net.spec, options, model.preparation, model.statistics),
        ir_version=IR_VERSION,
        opset_imports=[onnx.helper.make_operatorsetid("", OPSET)],
        producer_name="alexnet",
        producer_version=VERSION,
    )
    for name, tensor in model.net.state_dict().items():  # added one by one: each list on the way would be a copy of all
        array = tensor.detach().float().cpu().contiguous().numpy()
        content.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    onnx.helper.set_model_props(content, to_texts(model))
    return content
