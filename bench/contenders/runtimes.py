"""ONNX Runtime and OpenVINO on the network that this project exports.

Settings: task ("forward"), runtime ("onnxruntime" or "openvino"), dtype ("fp32" or "bf16"), onnx (the exported file,
for views of 227 pixels), batch_size, threads.
"""

from typing import Any

import numpy as np
from protocol import Made, Unable, Work, contend

SIZE = 227


def make(settings: dict[str, Any]) -> Made:
    """The contender of these settings."""
    if settings["onnx"] is None:
        raise Unable("the network could not be exported as ONNX")
    images = np.random.default_rng(0).standard_normal((settings["batch_size"], 3, SIZE, SIZE), np.float32)
    builders = {"onnxruntime": onnx_runtime, "openvino": openvino}
    work, version = builders[settings["runtime"]](settings, images)
    return Made(work, {"versions": {settings["runtime"]: version}})


def onnx_runtime(settings: dict[str, Any], images: np.ndarray) -> tuple[Work, str]:
    """A session on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings["threads"]
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    session = onnxruntime.InferenceSession(settings["onnx"], options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def forward() -> float:
        session.run(None, {name: images})
        return len(images)

    return forward, onnxruntime.__version__


def openvino(settings: dict[str, Any], images: np.ndarray) -> tuple[Work, str]:
    """A model compiled for this batch, all threads on one request."""
    import openvino

    core = openvino.Core()
    model = core.read_model(settings["onnx"])
    model.reshape(list(images.shape))
    options = {
        "INFERENCE_NUM_THREADS": settings["threads"],
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[settings["dtype"]],
    }
    request = core.compile_model(model, "CPU", options).create_infer_request()

    def forward() -> float:
        request.infer([images])
        return len(images)

    return forward, openvino.__version__


if __name__ == "__main__":
    contend(make)
