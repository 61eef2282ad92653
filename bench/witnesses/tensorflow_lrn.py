"""TensorFlow's tf.nn.lrn and its gradient.

Given for each case NAME: x/NAME and the gradient of the output g/NAME, both (N, H, W, C), and numbers/NAME: radius,
bias, alpha, beta. Found: y/NAME, and the gradient of the input d/NAME.
"""

from pathlib import Path

import tensorflow as tf
from testimony import Arrays, testify


def answer(given: Arrays, folder: Path) -> Arrays:
    """Every case."""
    found = {}
    for name in (key.removeprefix("x/") for key in given if key.startswith("x/")):
        radius, bias, alpha, beta = given[f"numbers/{name}"].tolist()
        numbers = {"depth_radius": int(radius), "bias": bias, "alpha": alpha, "beta": beta}
        x, upstream = given[f"x/{name}"], given[f"g/{name}"]
        y = tf.nn.lrn(x, **numbers)
        found[f"y/{name}"] = y.numpy()
        found[f"d/{name}"] = tf.raw_ops.LRNGrad(input_grads=upstream, input_image=x, output_image=y, **numbers).numpy()
    return found


if __name__ == "__main__":
    testify(answer, {"tensorflow": tf.__version__})
