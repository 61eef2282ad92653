"""The program that tflearn has for 17 flowers, in Keras on TensorFlow: SAME padding, pooling before tf.nn.lrn.

Given: images (N, H, W, 3), labels (N,) and the parameters in PyTorch's order: conv1.weight (out, in, h, w), fc6.weight
(out, in) with inputs in C, H, W order, and so on. Found: what every layer gives, channels last, under its name; and
gradients of the mean cross-entropy without dropout, "gradient/conv1.weight" and so on, in the order given.
"""

from pathlib import Path

import keras
import tensorflow as tf
from testimony import Arrays, testify

CONVOLUTIONS = {"conv1": (11, 4), "conv2": (5, 1), "conv3": (3, 1), "conv4": (3, 1), "conv5": (3, 1)}  # kernel, stride
POOLED = ("conv1", "conv2", "conv5")
FULL = ("fc6", "fc7", "fc8")


class Norm(keras.layers.Layer):
    """tflearn's local_response_normalization as it is by default."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """The same shape."""
        return tf.nn.lrn(x, depth_radius=5, bias=1.0, alpha=1e-4, beta=0.75)


def network(given: Arrays) -> keras.Model:
    """The network with an output for every layer."""
    layers = keras.layers
    x = image = keras.Input(given["images"].shape[1:])
    outputs = {"scale0": (x := layers.Rescaling(1 / 255)(x))}
    for name, (kernel, stride) in CONVOLUTIONS.items():
        number = name[-1]
        maps = len(given[f"{name}.bias"])
        outputs[name] = x = layers.Conv2D(maps, kernel, strides=stride, padding="same", name=name)(x)
        outputs[f"relu{number}"] = x = layers.ReLU()(x)
        if name in POOLED:
            outputs[f"pool{number}"] = x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
            outputs[f"norm{number}"] = x = Norm()(x)
    x = layers.Flatten()(x)
    for name in FULL:
        outputs[name] = x = layers.Dense(len(given[f"{name}.bias"]), name=name)(x)
        if name != "fc8":
            outputs[f"relu{name[-1]}"] = x = layers.ReLU()(x)
    model = keras.Model(image, outputs)
    rows = tuple(outputs["norm5"].shape[1:])
    for name in (*CONVOLUTIONS, *FULL):
        kernel = to_keras(name, given[f"{name}.weight"], rows)
        model.get_layer(name).set_weights([kernel, given[f"{name}.bias"]])
    return model


def to_keras(name: str, weight: tf.Tensor, rows: tuple[int, int, int]) -> tf.Tensor:
    """A weight in Keras' order; `rows` is the height, width and depth that fc6 takes in."""
    if name in CONVOLUTIONS:
        return weight.transpose(2, 3, 1, 0)
    if name == "fc6":
        height, width, maps = rows
        weight = weight.reshape(-1, maps, height, width).transpose(0, 2, 3, 1).reshape(len(weight), -1)
    return weight.T


def from_keras(name: str, weight: tf.Tensor, rows: tuple[int, int, int]) -> tf.Tensor:
    """The inverse of `to_keras`."""
    if name in CONVOLUTIONS:
        return weight.transpose(3, 2, 0, 1)
    if name == "fc6":
        height, width, maps = rows
        weight = weight.reshape(height, width, maps, -1).transpose(2, 0, 1, 3).reshape(len(weight), -1)
    return weight.T


def answer(given: Arrays, folder: Path) -> Arrays:
    """Outputs and gradients."""
    model = network(given)
    with tf.GradientTape() as tape:
        outputs = model(given["images"])
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(given["labels"], outputs["fc8"])
        loss = tf.reduce_mean(losses)
    found = {name: output.numpy() for name, output in outputs.items()}
    rows = found["norm5"].shape[1:]
    names = (*CONVOLUTIONS, *FULL)
    variables = [model.get_layer(name).trainable_variables for name in names]
    for name, (kernel, bias) in zip(names, tape.gradient(loss, variables), strict=True):
        found[f"gradient/{name}.weight"] = from_keras(name, kernel.numpy(), rows)
        found[f"gradient/{name}.bias"] = bias.numpy()
    return found


if __name__ == "__main__":
    testify(answer, {"tensorflow": tf.__version__, "keras": keras.__version__})
