"""An exported ONNX file at work, in ONNX Runtime on the CPU."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alexnet.errors import WeightsError
from alexnet.weights.description import Description, from_texts
from alexnet.weights.onnx.extra import onnx_package
from alexnet.weights.onnx.graph import FORMS


@contextmanager
def _silent() -> Iterator[None]:
    """A block in which nothing reaches standard output: ONNX Runtime's C++ says there what is raised anyhow."""
    if os.name != "posix":
        yield
        return
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


class OnnxModel:
    """The network in an ONNX file that `alexnet export` wrote, with what its outputs mean and what it takes in.

    Raises WeightsError when there is no such file, ONNX Runtime cannot read it, or another program wrote it;
    ConfigError when ONNX Runtime is not installed.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise WeightsError(f"There is no file {path}; write one with `alexnet export MODEL --format onnx`.")
        runtime = onnx_package("onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is raised, and told once
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            with _silent():
                self._session: Any = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # a class of its own for every kind of damage
            raise WeightsError(f"ONNX Runtime cannot read {path}: {error}") from error
        try:
            texts = self._session.get_modelmeta().custom_metadata_map
        except UnicodeDecodeError as error:
            raise WeightsError(f"What {path} says of its model is damaged: {error}.") from error
        self.description: Description = from_texts(texts, path)
        self.input: str = self._session.get_inputs()[0].name  # one of `FORMS`
        self._logits: str = self._session.get_outputs()[0].name
        if self.input not in FORMS:
            raise WeightsError(f"{path} takes {self.input!r}, which is no input that this version knows.")

    def logits(self, batch: Tensor) -> Tensor:
        """Logits (N, K) of photographs or of views, as `FORMS` describes the file's `input`."""
        (found,) = self._session.run([self._logits], {self.input: batch.contiguous().numpy()})
        return torch.from_numpy(found)
