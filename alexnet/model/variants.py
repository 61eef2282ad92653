"""The networks by name: one row each, with its source."""

from dataclasses import replace
from typing import Any

from alexnet.errors import unknown
from alexnet.model.spec import Activation, Conv, Dropout, Linear, MaxPool, ResponseNorm, Spec

PAPER = Spec(
    name="paper",
    layers=(
        Conv("conv1", 96, 11, stride=4, ceil=True),
        Activation("relu1"),
        ResponseNorm("norm1"),
        MaxPool("pool1"),
        Conv("conv2", 256, 5, padding=2, groups=2, bias=1.0),
        Activation("relu2"),
        ResponseNorm("norm2"),
        MaxPool("pool2"),
        Conv("conv3", 384, 3, padding=1),
        Activation("relu3"),
        Conv("conv4", 384, 3, padding=1, groups=2, bias=1.0),
        Activation("relu4"),
        Conv("conv5", 256, 3, padding=1, groups=2, bias=1.0),
        Activation("relu5"),
        MaxPool("pool5"),
        Linear("fc6", 4096, bias=1.0),
        Activation("relu6"),
        Dropout("drop6"),
        Linear("fc7", 4096, bias=1.0),
        Activation("relu7"),
        Dropout("drop7"),
        Linear("fc8", None),
    ),
    summary="The network as the paper prints it: two groups, ReLU → LRN → overlapping pooling, 224 pixels.",
    source="Krizhevsky, Sutskever, Hinton 2012, sections 3 to 5; right/bottom padding and alpha/n as the 2012 code ran",
)

VARIANTS: dict[str, Spec] = {spec.name: spec for spec in (PAPER,)}


def variant(
    name: str, *, classes: int | None = None, input_size: int | None = None, channels: int | None = None
) -> Spec:
    """The spec called `name`, with other numbers of classes, input pixels or input channels where given.

    Raises ConfigError, naming the nearest, for a name that is not in `VARIANTS`.
    """
    if name not in VARIANTS:
        raise unknown("model", name, VARIANTS)
    given: dict[str, Any] = {"classes": classes, "input_size": input_size, "channels": channels}
    return replace(VARIANTS[name], **{key: value for key, value in given.items() if value is not None})
