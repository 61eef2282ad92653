"""The packages of the extra `onnx`, imported where they are first needed."""

from importlib import import_module
from typing import Any

from alexnet.errors import ConfigError


def onnx_package(name: str = "onnx") -> Any:
    """The module `onnx` or `onnxruntime`. Raises ConfigError, saying what to install, when it cannot be imported."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f'ONNX files take the package {name}, which cannot be imported ({error}): pip install "alexnet[onnx]".'
        ) from error
