"""The network and training step of the 2012 code in NumPy, float64, from the facts of its configuration 145.

Two columns, as the configuration has them: what is one layer in `original2012` is two here, and joins only where the
configuration names inputs of both. Each function below is one of its layers, written as a formula and a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]
Back = Callable[[Array], Array]


@dataclass
class Value:
    """The output of a layer; `inputs` are those it was made of, each with what turns this gradient into theirs."""

    array: Array
    inputs: list[tuple[Value, Back]] = field(default_factory=list)
    gradient: Array | None = None

    def backward(self, gradient: Array) -> None:
        order: list[Value] = []

        def visit(value: Value) -> None:
            if all(value is not seen for seen in order):
                for inner, _ in value.inputs:
                    visit(inner)
                order.append(value)

        visit(self)
        self.gradient = gradient
        for value in reversed(order):
            for inner, back in value.inputs:
                part = back(value.gradient)
                inner.gradient = part if inner.gradient is None else inner.gradient + part


def conv(x: Value, weight: Value, bias: Value, stride: int = 1, padding: int = 0) -> Value:
    """Zeros on all sides, then at the right and bottom until 1 + ⌈(size - kernel) / stride⌉ windows are whole."""
    w, kernel = weight.array, weight.array.shape[-1]
    size = x.array.shape[-1] + 2 * padding
    count = 1 + -(-(size - kernel) // stride)
    missing = (count - 1) * stride + kernel - size
    padded = np.pad(x.array, ((0, 0), (0, 0), *[(padding, padding + missing)] * 2))
    windows = sliding_window_view(padded, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]
    y = np.einsum("nchwij,ocij->nohw", windows, w) + bias.array[:, None, None]

    def to_input(g: Array) -> Array:
        gp, reach = np.zeros_like(padded), stride * count
        for i in range(kernel):
            for j in range(kernel):
                gp[:, :, i : i + reach : stride, j : j + reach : stride] += np.einsum("nohw,oc->nchw", g, w[:, :, i, j])
        end = padding + x.array.shape[-1]
        return gp[:, :, padding:end, padding:end]

    to_weight = lambda g: np.einsum("nchwij,nohw->ocij", windows, g)  # noqa: E731
    return Value(y, [(x, to_input), (weight, to_weight), (bias, lambda g: g.sum((0, 2, 3)))])


def relu(x: Value) -> Value:
    return Value(np.maximum(x.array, 0), [(x, lambda g: g * (x.array > 0))])


def maps_norm(x: Value, size: int = 5, k: float = 2.0, scale: float = 1e-4, power: float = 0.75) -> Value:
    """cmrnorm: maps i - size/2 to i + size/2 of this column; scale is divided by size."""
    maps = range(x.array.shape[1])
    near = [[j for j in maps if abs(i - j) <= size // 2] for i in maps]
    return _norm(x, lambda a: np.stack([a[:, near[i]].sum(1) for i in maps], 1), k, scale / size, power)


def positions_norm(x: Value, size: int = 5, k: float = 1.0, scale: float = 1e-3, power: float = 0.75) -> Value:
    """rnorm: size × size positions of one map; scale is divided by size²."""
    half = size // 2

    def sums(a: Array) -> Array:
        padded = np.pad(a, ((0, 0), (0, 0), (half, half), (half, half)))
        return sliding_window_view(padded, (size, size), (2, 3)).sum((-2, -1))

    return _norm(x, sums, k, scale / size**2, power)


def _norm(x: Value, sums: Back, k: float, factor: float, power: float) -> Value:
    a = x.array
    base = k + factor * sums(a**2)

    def to_input(g: Array) -> Array:
        # windows are symmetric: a is in the window of b where b is in that of a
        return g * base**-power - 2 * factor * power * a * sums(g * a * base ** (-power - 1))

    return Value(a * base**-power, [(x, to_input)])


def pool(x: Value, size: int = 3, stride: int = 2) -> Value:
    """Maximum over windows that end with the map: 1 + ⌈(side - size) / stride⌉ of them."""
    a = x.array
    count = 1 + -(-(a.shape[-1] - size) // stride)
    y, places = np.empty((*a.shape[:2], count, count)), {}
    for i in range(count):
        for j in range(count):
            window = a[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
            flat = window.reshape(*window.shape[:2], -1)
            y[:, :, i, j] = flat.max(-1)
            places[i, j] = np.divmod(flat.argmax(-1), window.shape[-1])

    def to_input(g: Array) -> Array:
        gx = np.zeros_like(a)
        n, c = np.ogrid[: a.shape[0], : a.shape[1]]
        for (i, j), (row, column) in places.items():
            np.add.at(gx, (n, c, i * stride + row, j * stride + column), g[:, :, i, j])
        return gx

    return Value(y, [(x, to_input)])


def fully(x: Value, weight: Value, bias: Value) -> Value:
    y = x.array @ weight.array.T + bias.array
    return Value(y, [(x, lambda g: g @ weight.array), (weight, lambda g: g.T @ x.array), (bias, lambda g: g.sum(0))])


def times(x: Value, factor: Array | float) -> Value:
    return Value(x.array * factor, [(x, lambda g: g * factor)])


def join(a: Value, b: Value) -> Value:
    """Both columns: inputs "pool2a, pool2b" and the like."""
    half = a.array.shape[1]
    return Value(
        np.concatenate([a.array, b.array], 1), [(a, lambda g: g[:, :half].copy()), (b, lambda g: g[:, half:].copy())]
    )


def flat(x: Value) -> Value:
    return Value(x.array.reshape(len(x.array), -1), [(x, lambda g: g.reshape(x.array.shape))])


def network(
    parameters: dict[str, Array], images: Array, masks: dict[str, Array] | None = None
) -> tuple[dict[str, Value], dict[str, list[Value]]]:
    """The output of every layer, columns joined, and the columns' parameters by name.

    `parameters` have the names and shapes of `original2012`, the first half of a layer's outputs being column a. With
    `masks`, of 0 and 1 and by the name of the dropout layer, it is the network in training; else outputs are halved.
    """
    split = {name: np.split(array, 1 if name.startswith("fc8") else 2) for name, array in parameters.items()}
    p = {name: [Value(half.astype(np.float64)) for half in halves] for name, halves in split.items()}
    stages: dict[str, Value] = {}

    def columns(name: str, layer: Callable[[int], Value]) -> list[Value]:
        pair = [layer(0), layer(1)]
        stages[name] = join(*pair)
        return pair

    def dropped(name: str, below: list[Value]) -> Value:
        factor = np.split(masks[name], 2, 1) if masks else [0.5, 0.5]
        columns(name, lambda c: times(below[c], factor[c]))
        return stages[name]

    def weights(name: str, column: int) -> tuple[Value, Value]:
        return p[f"{name}.weight"][column], p[f"{name}.bias"][column]

    image = Value(images)
    conv1 = columns("conv1", lambda c: conv(image, *weights("conv1", c), stride=4))
    norm1 = columns("norm1", lambda c: maps_norm(conv1[c]))
    pool1 = columns("pool1", lambda c: pool(norm1[c]))
    relu1 = columns("relu1", lambda c: relu(pool1[c]))
    conv2 = columns("conv2", lambda c: conv(relu1[c], *weights("conv2", c), padding=2))
    relu2 = columns("relu2", lambda c: relu(conv2[c]))
    norm2 = columns("norm2", lambda c: maps_norm(relu2[c]))
    spatial2 = columns("spatial2", lambda c: positions_norm(norm2[c]))
    columns("pool2", lambda c: pool(spatial2[c]))
    conv3 = columns("conv3", lambda c: conv(stages["pool2"], *weights("conv3", c), padding=1))
    relu3 = columns("relu3", lambda c: relu(conv3[c]))
    conv4 = columns("conv4", lambda c: conv(relu3[c], *weights("conv4", c), padding=1))
    relu4 = columns("relu4", lambda c: relu(conv4[c]))
    conv5 = columns("conv5", lambda c: conv(relu4[c], *weights("conv5", c), padding=1))
    pool5 = columns("pool5", lambda c: pool(conv5[c]))
    columns("relu5", lambda c: relu(pool5[c]))
    below = flat(stages["relu5"])
    fc6 = columns("fc6", lambda c: fully(below, *weights("fc6", c)))
    relu6 = columns("relu6", lambda c: relu(fc6[c]))
    drop6 = dropped("drop6", relu6)
    fc7 = columns("fc7", lambda c: fully(drop6, *weights("fc7", c)))
    relu7 = columns("relu7", lambda c: relu(fc7[c]))
    stages["fc8"] = fully(dropped("drop7", relu7), *weights("fc8", 0))
    return stages, p


def training_step(
    parameters: dict[str, Array],
    increments: dict[str, Array],
    images: Array,
    labels: NDArray[np.int64],
    masks: dict[str, Array],
    *,
    eps_w: dict[str, float],
    eps_b: float,
    mom: float = 0.9,
    wc: float = 5e-4,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Parameters and increments after one batch.

    increment ← mom · increment + ε · gradient of the log-probability - wc · ε · weight, then weight ← weight +
    increment; the gradient is the batch's mean, biases do not decay, and a layer with epsW 0 is left out altogether.
    """
    stages, p = network(parameters, images, masks)
    logits = stages["fc8"].array
    probabilities = np.exp(logits - logits.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    target = np.eye(logits.shape[1])[labels]
    stages["fc8"].backward((target - probabilities) / len(labels))
    after, moved = dict(parameters), dict(increments)
    for name, array in parameters.items():
        layer, kind = name.split(".")
        if eps_w[layer] == 0:
            continue
        gradient = np.concatenate([half.gradient for half in p[name]])
        if kind == "weight":
            moved[name] = mom * increments[name] + eps_w[layer] * gradient - wc * eps_w[layer] * array
        else:
            moved[name] = mom * increments[name] + eps_b * gradient
        after[name] = array + moved[name]
    return after, moved
