"""Keras on TensorFlow: the network of 2012 with tf.nn.lrn, ungrouped, as programs for Keras have it.

Settings: task ("step"), dtype ("fp32" or "bf16": the policy mixed_bfloat16), batch_size, threads. Whether XLA compiles
the step is what is faster on a small batch; it depends on the processor.
"""

from math import prod
from typing import Any

from protocol import Made, Work, contend, one_round

SIZE = 227
SMALL = 16  # images


def make(settings: dict[str, Any]) -> Made:
    """The contender of these settings."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(settings["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if settings["dtype"] == "bf16" else "float32")

    def training_step(jit: bool, count: int) -> tuple[Work, Any]:
        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        model = network(keras, tf)
        model.compile(
            keras.optimizers.SGD(1e-4, momentum=0.9, weight_decay=5e-4),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=jit,
        )
        images = tf.random.normal((count, SIZE, SIZE, 3))
        labels = tf.random.uniform((count,), maxval=1000, dtype=tf.int32)

        def step() -> float:
            model.train_on_batch(images, labels)
            return count

        return step, model

    def rate(jit: bool) -> float:
        step, _ = training_step(jit, min(SMALL, settings["batch_size"]))
        step()
        amount, seconds = one_round(step, 0.0)
        return amount / seconds

    jit = rate(True) > rate(False)
    step, model = training_step(jit, settings["batch_size"])
    versions = {"tensorflow": tf.__version__, "keras": keras.__version__}
    facts = {"parameters": model.count_params(), "macs": macs(keras, model), "xla": jit}
    return Made(step, {"versions": versions, **facts})


def network(keras: Any, tf: Any) -> Any:
    """The layers in channels-last order, TensorFlow's own."""
    layers = keras.layers

    class Norm(layers.Layer):
        def call(self, x: Any) -> Any:
            # tf.nn.lrn takes no bf16 on a CPU, and does not divide alpha by the five maps
            y = tf.nn.lrn(tf.cast(x, tf.float32), depth_radius=2, bias=2.0, alpha=1e-4 / 5, beta=0.75)
            return tf.cast(y, x.dtype)

    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            *(layers.Conv2D(96, 11, strides=4, activation="relu"), Norm(), layers.MaxPool2D(3, 2)),
            *(layers.Conv2D(256, 5, padding="same", activation="relu"), Norm(), layers.MaxPool2D(3, 2)),
            layers.Conv2D(384, 3, padding="same", activation="relu"),
            layers.Conv2D(384, 3, padding="same", activation="relu"),
            *(layers.Conv2D(256, 3, padding="same", activation="relu"), layers.MaxPool2D(3, 2)),
            layers.Flatten(),
            *(layers.Dense(4096, activation="relu"), layers.Dropout(0.5)),
            *(layers.Dense(4096, activation="relu"), layers.Dropout(0.5)),
            layers.Dense(1000, dtype="float32"),
        ]
    )


def macs(keras: Any, model: Any) -> int:
    """Multiply-adds an image."""
    weighted = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)]
    return sum(prod(layer.kernel.shape) * prod(layer.output.shape[1:-1]) for layer in weighted)


if __name__ == "__main__":
    contend(make)
