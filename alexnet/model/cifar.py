"""The small networks that the authors tried their ideas on: CIFAR-10's pictures of 32 × 32 pixels, not photographs.

Each is a file of layers of cuda-convnet, which footnote 3 of the paper points to: dnouri/cuda-convnet, example-layers/,
layers-18pct.cfg as at commit 504490cf, layers-conv-local-13pct.cfg at 73454778 and layers-conv-local-11pct.cfg at
3878e8f3. Beside a layer are the lines of that file: of maps, kernel, padding and start; of a pooling's kind, kernel and
stride; of a nonlinearity. A pooling there starts at the left and top and has ⌈(side - 3) / 2⌉ + 1 positions a side
(layer.py, PoolLayerParser): "ceil" here. Biases start at 0 (layer.py, make_weights), and a locally connected layer has
one for each of its outputs (LocalUnsharedLayerParser).
"""

from alexnet.model.spec import Activation, AvgPool, Conv, Linear, Local, MaxPool, ResponseNorm, Spec

CIFAR_FOUR = Spec(
    name="cifar_four",
    layers=(
        Conv("conv1", 32, 5, padding=2, std=1e-4),  # lines 15, 18, 16, 19
        MaxPool("pool1", padding="ceil"),  # 25, 28, 29
        Activation("relu1"),  # 32, after the pooling
        Conv("conv2", 32, 5, padding=2, std=0.01),  # 43, 46, 44, 49
        Activation("relu2"),  # 48
        AvgPool("pool2", padding="ceil"),  # 55, 58, 59
        Conv("conv3", 64, 5, padding=2, std=0.01),  # 72, 75, 73, 78
        Activation("relu3"),  # 77
        AvgPool("pool3", padding="ceil"),  # 84, 87, 88
        Linear("fc4", None, std=0.01),  # 94, 96
    ),
    input_size=32,
    classes=10,
    summary="For 32 × 32 pictures: three convolutions and a fully connected layer; one pooling takes the maximum, two "
    "the average; no normalisation.",
    source="dnouri/cuda-convnet example-layers/layers-18pct.cfg without its two layers of type rnorm (lines 34 and 63)",
)

CIFAR_LOCAL = Spec(
    name="cifar_local",
    layers=(
        Conv("conv1", 64, 5, padding=2, std=1e-4),  # lines 15, 18, 16, 20
        Activation("relu1"),  # 19
        MaxPool("pool1", padding="ceil"),  # 26, 29, 30
        Conv("conv2", 64, 5, padding=2, std=0.01),  # 37, 40, 38, 43
        Activation("relu2"),  # 42
        MaxPool("pool2", padding="ceil"),  # 49, 52, 53
        Local("local3", 32, 3, padding=1, std=0.04),  # 60, 63, 61, 66
        Activation("relu3"),  # 65
        Local("local4", 32, 3, padding=1, std=0.04),  # 71, 74, 72, 77
        Activation("relu4"),  # 76
        Linear("fc5", None, std=0.01),  # 81, 83
    ),
    input_size=24,
    classes=10,
    summary="For 32 × 32 pictures, cropped to 24: two convolutions, two layers without shared weights, one fully "
    "connected. The paper's 13 % error on CIFAR-10 without normalisation (section 3.3).",
    source="dnouri/cuda-convnet example-layers/layers-conv-local-13pct.cfg; crops of 24 pixels as in its author's "
    "notes on training on translations, which layer-params-conv-local-11pct.cfg points to",
)

CIFAR_LOCAL_LRN = Spec(
    name="cifar_local_lrn",
    layers=(
        *CIFAR_LOCAL.layers[:2],  # conv1: lines 13, 16, 14, 18; 17
        ResponseNorm("norm1", n=5, k=1.0, alpha=1e-3, beta=0.75),  # 26, 28, 29; across maps: 27
        *CIFAR_LOCAL.layers[2:5],  # pool1: 33, 36, 37; conv2: 44, 47, 45, 50; 49
        ResponseNorm("norm2", n=5, k=1.0, alpha=1e-3, beta=0.75),  # 58, 60, 61; 59
        *CIFAR_LOCAL.layers[5:],  # pool2: 65, 68, 69; local3: 76, 79, 77, 82; local4: 87, 90, 88, 93; fc5: 97, 99
    ),
    input_size=24,
    classes=10,
    summary="`cifar_local` with response normalisation after its convolutions: the paper's 11 % error on CIFAR-10 "
    "(section 3.3).",
    source="dnouri/cuda-convnet example-layers/layers-conv-local-11pct.cfg; crops of 24 pixels as for `cifar_local`; "
    "k = 1 from the kernels, which add 1 to the sum (cudaconv2/conv_util.cu)",
)

CIFAR: dict[str, Spec] = {spec.name: spec for spec in (CIFAR_FOUR, CIFAR_LOCAL, CIFAR_LOCAL_LRN)}
"""By name; `alexnet.model.variants.variant` knows them too."""
