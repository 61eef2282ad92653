"""What the letters of response normalisation mean: conventions of frameworks and texts, and the window behind them."""

from dataclasses import replace
from typing import NamedTuple

from alexnet.errors import ConfigError, unknown
from alexnet.model.spec import ResponseNorm

# What frameworks and texts mean by n and alpha: is alpha divided by n, and which channels surround channel i.
CONVENTIONS = {
    "original": "alpha/n; i - n//2 … n channels (cuda-convnet, Caffe, PyTorch)",
    "printed": "alpha; i - n//2 … i + n//2 (the formula of the paper; n + 1 channels when n is even)",
    "onnx": "alpha/n; i - (n-1)//2 … n channels (ONNX; differs from the original for even n)",
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


def convert_norm(norm: ResponseNorm, convention: str) -> ResponseNorm:
    """`norm` in the words of another convention: the same function of its input.

    Raises ConfigError for an unknown convention, and for one that has no word for this window.
    """
    below, above, _, alpha, _ = norm_window(norm)
    n = below + above + 1
    divided = convention in ("original", "onnx")
    converted = replace(norm, n=n, alpha=alpha * n if divided else alpha, convention=convention)
    if norm_window(converted)[:2] != (below, above):
        raise ConfigError(
            f"{norm.name} looks at {below} maps below and {above} above its own; convention {convention!r} has no such "
            "window. Take an odd n, which all of them have."
        )
    return converted
