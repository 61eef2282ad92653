"""ONNX Runtime and OpenVINO on files that this project exports.

Given: photographs (N, 256, 256, 3), uint8, and files *.onnx that take them. Found: for every output of every file
"RUNTIME/FILE/OUTPUT".
"""

from pathlib import Path

import numpy as np
import onnxruntime
import openvino
from testimony import Arrays, testify


def answer(given: Arrays, folder: Path) -> Arrays:
    """Every file in both."""
    found = {}
    for path in sorted(folder.glob("*.onnx")):
        for runtime, run in (("onnxruntime", in_onnxruntime), ("openvino", in_openvino)):
            outputs = run(path, given["photographs"])
            found |= {f"{runtime}/{path.stem}/{name}": array for name, array in outputs.items()}
    return found


def in_onnxruntime(path: Path, photographs: np.ndarray) -> Arrays:
    """The file's outputs in ONNX Runtime."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": photographs}), strict=True))


def in_openvino(path: Path, photographs: np.ndarray) -> Arrays:
    """The file's outputs in OpenVINO, in fp32 also where the processor has faster numbers."""
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled([photographs])
    return {name: found[output].copy() for output in compiled.outputs for name in output.get_names()}


if __name__ == "__main__":
    testify(answer, {"onnxruntime": onnxruntime.__version__, "openvino": openvino.__version__.split("-")[0]})
