"""Arithmetic that the network and its account share: sizes of outputs, and what the letters of LRN mean."""

from typing import NamedTuple

from alexnet.errors import ConfigError, unknown
from alexnet.model.spec import ResponseNorm

# What frameworks and texts mean by n and alpha: is alpha divided by n, and which maps surround map i.
CONVENTIONS = {
    "original": "alpha/n; i - n//2 … n maps (cuda-convnet, Caffe, PyTorch)",
    "printed": "alpha; i - n//2 … i + n//2 (the formula of the paper; n + 1 maps when n is even)",
    "onnx": "alpha/n; i - (n-1)//2 … n maps (ONNX; differs from the original for even n)",
    "tensorflow": "alpha; i - r … i + r with n = 2r + 1, n odd (tf.nn.lrn, MatConvNet)",
}


class Window(NamedTuple):
    """Response normalisation free of conventions: y = x · (k + alpha · Σ x²)^-beta over `below` + 1 + `above` maps."""

    below: int
    above: int
    k: float
    alpha: float
    beta: float


def norm_window(norm: ResponseNorm) -> Window:
    """The effective window and factor of `norm` under its convention.

    Raises ConfigError for an unknown convention, or for an even n where the convention knows none.
    """
    n = norm.n
    if n < 1:
        raise ConfigError(f"The window n of {norm.name} must be at least 1 map, not {n}.")
    match norm.convention:
        case "original":
            below, above, alpha = n // 2, (n - 1) // 2, norm.alpha / n
        case "printed":
            below, above, alpha = n // 2, n // 2, norm.alpha
        case "onnx":
            below, above, alpha = (n - 1) // 2, n // 2, norm.alpha / n
        case "tensorflow":
            if n % 2 == 0:
                raise ConfigError(
                    f"The window n of {norm.name} must be odd (2·depth_radius + 1) for TensorFlow, not {n}."
                )
            below, above, alpha = n // 2, n // 2, norm.alpha
        case _:
            raise unknown("convention of response normalisation", norm.convention, CONVENTIONS)
    return Window(below, above, norm.k, alpha, norm.beta)


def window_positions(size: int, kernel: int, stride: int) -> int:
    """The number of whole windows in `size` pixels: the floor rule."""
    return (size - kernel) // stride + 1


def ceil_padding(size: int, kernel: int, stride: int) -> int:
    """The zeros to append to `size` pixels so that the last window is whole: 3 for 224 pixels under 11/4, 0 for 227."""
    return -(size - kernel) % stride
