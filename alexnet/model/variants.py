"""The networks by name: one row each, with a sentence on how it differs from `paper` and its source.

Sources beginning CHM are files of the 2012 code as the Computer History Museum released it.
"""

from alexnet.errors import unknown
from alexnet.model.cifar import CIFAR
from alexnet.model.options import with_options
from alexnet.model.spec import (
    Activation,
    Conv,
    Dropout,
    Linear,
    MaxPool,
    ResponseNorm,
    Scale,
    SpatialNorm,
    Spec,
)

PAPER = Spec(
    name="paper",
    layers=(
        Conv("conv1", 96, 11, stride=4, padding="ceil"),
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

ORIGINAL2012 = Spec(
    name="original2012",
    layers=(
        Conv("conv1", 96, 11, stride=4, padding="ceil"),
        ResponseNorm("norm1", towers=2),
        MaxPool("pool1", padding="ceil"),
        Activation("relu1"),
        Conv("conv2", 256, 5, padding=2, groups=2, bias=1.0),
        Activation("relu2"),
        ResponseNorm("norm2", towers=2),
        SpatialNorm("spatial2"),
        MaxPool("pool2", padding="ceil"),
        Conv("conv3", 384, 3, padding=1, std=0.03),
        Activation("relu3"),
        Conv("conv4", 384, 3, padding=1, groups=2, std=0.03, bias=1.0),
        Activation("relu4"),
        Conv("conv5", 256, 3, padding=1, groups=2, std=0.03, bias=1.0),
        MaxPool("pool5", padding="ceil"),
        Activation("relu5"),
        Linear("fc6", 4096, bias=1.0),
        Activation("relu6"),
        Dropout("drop6", inverted=False),
        Linear("fc7", 4096, bias=1.0),
        Activation("relu7"),
        Dropout("drop7", inverted=False),
        Linear("fc8", None),
    ),
    summary="What the 2012 code ran and the paper's figures come from: LRN and pooling before ReLU in layer 1, an "
    "unpublished spatial normalisation in layer 2, LRN inside each tower, conv3 to conv5 started at 0.03, dropout "
    "halved at test.",
    source="CHM layers/layers-145.cfg, layer-params-145.cfg, layer.py, src/layer.cu; k = 1 of the spatial "
    "normalisation from public copies of the kernels, which are not in the release",
)

ONE_COLUMN_HALF = Spec(
    name="one_column_half",
    layers=(
        Conv("conv1", 48, 11, stride=4, padding="ceil"),
        Activation("relu1"),
        ResponseNorm("norm1"),
        MaxPool("pool1"),
        Conv("conv2", 128, 5, padding=2, bias=1.0),
        Activation("relu2"),
        ResponseNorm("norm2"),
        MaxPool("pool2"),
        Conv("conv3", 192, 3, padding=1),
        Activation("relu3"),
        Conv("conv4", 192, 3, padding=1, bias=1.0),
        Activation("relu4"),
        Conv("conv5", 256, 3, padding=1, bias=1.0),
        *PAPER.layers[13:],
    ),
    summary="The one-GPU network that the paper compares with: one tower of half the kernels in conv1 to conv4.",
    source="Krizhevsky, Sutskever, Hinton 2012, section 3.2; widths also from CHM layer-params-145-half.cfg; order and "
    "initialisation as printed, since its layer file was not read",
)

BVLC_ALEXNET = Spec(
    name="bvlc_alexnet",
    layers=(
        Conv("conv1", 96, 11, stride=4),
        Activation("relu1"),
        ResponseNorm("norm1", k=1.0),
        MaxPool("pool1", padding="ceil"),
        Conv("conv2", 256, 5, padding=2, groups=2, bias=0.1),
        Activation("relu2"),
        ResponseNorm("norm2", k=1.0),
        MaxPool("pool2", padding="ceil"),
        Conv("conv3", 384, 3, padding=1),
        Activation("relu3"),
        Conv("conv4", 384, 3, padding=1, groups=2, bias=0.1),
        Activation("relu4"),
        Conv("conv5", 256, 3, padding=1, groups=2, bias=0.1),
        Activation("relu5"),
        MaxPool("pool5", padding="ceil"),
        Linear("fc6", 4096, std=0.005, bias=0.1),
        Activation("relu6"),
        Dropout("drop6"),
        Linear("fc7", 4096, std=0.005, bias=0.1),
        Activation("relu7"),
        Dropout("drop7"),
        Linear("fc8", None),
    ),
    input_size=227,
    summary="Caffe's replication: 227 pixels without padding, k = 1, biases initialised to 0.1.",
    source="BVLC/caffe models/bvlc_alexnet/train_val.prototxt and readme.md",
)

CAFFENET = Spec(
    name="caffenet",
    layers=(
        Conv("conv1", 96, 11, stride=4),
        Activation("relu1"),
        MaxPool("pool1", padding="ceil"),
        ResponseNorm("norm1", k=1.0),
        Conv("conv2", 256, 5, padding=2, groups=2, bias=1.0),
        Activation("relu2"),
        MaxPool("pool2", padding="ceil"),
        ResponseNorm("norm2", k=1.0),
        Conv("conv3", 384, 3, padding=1),
        Activation("relu3"),
        Conv("conv4", 384, 3, padding=1, groups=2, bias=1.0),
        Activation("relu4"),
        Conv("conv5", 256, 3, padding=1, groups=2, bias=1.0),
        Activation("relu5"),
        MaxPool("pool5", padding="ceil"),
        Linear("fc6", 4096, std=0.005, bias=1.0),
        Activation("relu6"),
        Dropout("drop6"),
        Linear("fc7", 4096, std=0.005, bias=1.0),
        Activation("relu7"),
        Dropout("drop7"),
        Linear("fc8", None),
    ),
    input_size=227,
    summary="Caffe's reference network: 227 pixels without padding, k = 1, pooling before LRN.",
    source="BVLC/caffe models/bvlc_reference_caffenet/train_val.prototxt and readme.md",
)

OWT = Spec(
    name="owt",
    layers=(
        Conv("conv1", 64, 11, stride=4, padding=2, initialisation="pytorch"),
        Activation("relu1"),
        MaxPool("pool1"),
        Conv("conv2", 192, 5, padding=2, initialisation="pytorch"),
        Activation("relu2"),
        MaxPool("pool2"),
        Conv("conv3", 384, 3, padding=1, initialisation="pytorch"),
        Activation("relu3"),
        Conv("conv4", 256, 3, padding=1, initialisation="pytorch"),
        Activation("relu4"),
        Conv("conv5", 256, 3, padding=1, initialisation="pytorch"),
        Activation("relu5"),
        MaxPool("pool5"),
        Dropout("drop5"),
        Linear("fc6", 4096, initialisation="pytorch"),
        Activation("relu6"),
        Dropout("drop6"),
        Linear("fc7", 4096, initialisation="pytorch"),
        Activation("relu7"),
        Linear("fc8", None, initialisation="pytorch"),
    ),
    summary="torchvision's alexnet: one tower of other widths, no LRN, dropout before fc6 and fc7, two zeros on every "
    "side.",
    source="torchvision/models/alexnet.py, after Krizhevsky 2014, arXiv:1404.5997",
)

OWT_LRN = Spec(
    name="owt_lrn",
    layers=(
        Conv("conv1", 64, 11, stride=4, padding="ceil"),
        ResponseNorm("norm1"),
        MaxPool("pool1", padding="ceil"),
        Activation("relu1"),
        Conv("conv2", 192, 5, padding=2, bias=1.0),
        Activation("relu2"),
        ResponseNorm("norm2"),
        MaxPool("pool2", padding="ceil"),
        Conv("conv3", 384, 3, padding=1, std=0.03),
        Activation("relu3"),
        Conv("conv4", 256, 3, padding=1, std=0.03, bias=1.0),
        Activation("relu4"),
        Conv("conv5", 256, 3, padding=1, std=0.03, bias=1.0),
        MaxPool("pool5", padding="ceil"),
        Activation("relu5"),
        Linear("fc6", 4096, bias=1.0),
        Activation("relu6"),
        Dropout("drop6", inverted=False),
        Linear("fc7", 4096, bias=1.0),
        Activation("relu7"),
        Dropout("drop7", inverted=False),
        Linear("fc8", None, bias=-7.0),
    ),
    summary="The network of `One weird trick` as its author's code has it: one tower of other widths, LRN and pooling "
    "before ReLU in layer 1.",
    source="akrizhevsky/cuda-convnet2 layers/layers-223-1gpu.cfg, layer-params-223-ce2-1gpu.cfg (later renamed "
    "imagenet-1gpu), src/layer.cu; the final layers-imagenet-1gpu.cfg was seen in a fork only",
)

UNGROUPED = Spec(
    name="ungrouped",
    layers=(
        Conv("conv1", 96, 11, stride=4, padding=(1, 2)),
        Activation("relu1"),
        ResponseNorm("norm1", convention="printed"),
        MaxPool("pool1"),
        Conv("conv2", 256, 5, padding=2, bias=1.0),
        Activation("relu2"),
        ResponseNorm("norm2", convention="printed"),
        MaxPool("pool2"),
        Conv("conv3", 384, 3, padding=1),
        Activation("relu3"),
        Conv("conv4", 384, 3, padding=1, bias=1.0),
        Activation("relu4"),
        Conv("conv5", 256, 3, padding=1, bias=1.0),
        *PAPER.layers[13:],
    ),
    summary="The network of many tutorials: the paper's widths in one tower, one zero at the left and top and two at "
    "the right and bottom, LRN by the printed formula.",
    source="the course bilibili.com/video/BV1p7411T7Pc and notes taken from it; the initialisation, which they leave "
    "open, is the paper's",
)

TFLEARN = Spec(
    name="tflearn",
    layers=(
        Scale("scale0", 1 / 255),
        Conv("conv1", 96, 11, stride=4, padding="same", initialisation="unit"),
        Activation("relu1"),
        MaxPool("pool1", padding="same"),
        ResponseNorm("norm1", n=11, k=1.0, convention="tensorflow"),
        Conv("conv2", 256, 5, padding="same", initialisation="unit"),
        Activation("relu2"),
        MaxPool("pool2", padding="same"),
        ResponseNorm("norm2", n=11, k=1.0, convention="tensorflow"),
        Conv("conv3", 384, 3, padding="same", initialisation="unit"),
        Activation("relu3"),
        Conv("conv4", 384, 3, padding="same", initialisation="unit"),
        Activation("relu4"),
        Conv("conv5", 256, 3, padding="same", initialisation="unit"),
        Activation("relu5"),
        MaxPool("pool5", padding="same"),
        ResponseNorm("norm5", n=11, k=1.0, convention="tensorflow"),
        Linear("fc6", 4096, initialisation="truncated", std=0.02),
        Activation("relu6"),
        Dropout("drop6"),
        Linear("fc7", 4096, initialisation="truncated", std=0.02),
        Activation("relu7"),
        Dropout("drop7"),
        Linear("fc8", None, initialisation="truncated", std=0.02),
    ),
    input_size=227,
    classes=17,
    summary="The often copied program for 17 flowers as it really computes: SAME padding (57, 29, 15, 8 positions), "
    "one tower, pooling before three LRNs over 11 channels.",
    source="tflearn examples/images/alexnet.py with ReLU in place of tanh, as its copies have it; padding, LRN, "
    "initialisation and scale from tflearn/layers, initializations.py and data_utils.py, which subtracts no mean",
)

VARIANTS: dict[str, Spec] = {
    spec.name: spec
    for spec in (PAPER, ORIGINAL2012, ONE_COLUMN_HALF, BVLC_ALEXNET, CAFFENET, OWT, OWT_LRN, UNGROUPED, TFLEARN)
}

"""The networks called AlexNet: for photographs."""


def networks() -> dict[str, Spec]:
    """All networks that have a name: those of `VARIANTS`, then those of `alexnet.model.cifar.CIFAR`."""
    return {**VARIANTS, **CIFAR}


def variant(
    name: str,
    *,
    classes: int | None = None,
    input_size: int | None = None,
    channels: int | None = None,
    half: bool | None = None,
    without: str | None = None,
    activation: str | None = None,
    norm: bool | None = None,
    pooling: str | None = None,
    pool_kind: str | None = None,
    groups: int | None = None,
    batch_norm: bool | None = None,
    pixels: str | None = None,
    start: str | None = None,
    relu_first: bool | None = None,
    spatial: bool | None = None,
    biases: str | None = None,
    dropout: float | None = None,
) -> Spec:
    """The spec called `name`, with options changed where given; `alexnet.model.options.OPTIONS` says what each means.

    Raises ConfigError, naming the nearest, for a name that is not in `networks`, and for options that do not fit.
    """
    known = networks()
    if name not in known:
        raise unknown("model", name, known)
    return with_options(
        known[name],
        classes=classes,
        input_size=input_size,
        channels=channels,
        half=half,
        without=without,
        activation=activation,
        norm=norm,
        pooling=pooling,
        pool_kind=pool_kind,
        groups=groups,
        batch_norm=batch_norm,
        pixels=pixels,
        start=start,
        relu_first=relu_first,
        spatial=spatial,
        biases=biases,
        dropout=dropout,
    )
