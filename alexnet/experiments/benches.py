"""The benches: data, pixels, network and settings that the runs of several experiments share."""

from dataclasses import replace

from alexnet.experiments.design import Bench

IMAGENET20 = Bench(
    name="imagenet20-64",
    data="ImageNet-20 (the 20 classes of Imagenette and Imagewoof, 18,494 training and 7,852 test photographs)",
    prepare="alexnet prepare imagenet20 imagenet20-72.store --side 72",
    side=72,
    input_size=64,
    settings={
        "model": "original2012",
        "epochs": "20",
        "batch_size": "128",
        "lr": "0.01",
        "warmup": "1",
        "schedule": "cosine",
        "weight_decay": "0.0005",
        "holdout": "0",
    },
    epoch_seconds=85.0,
    note="The paper's network of two GPUs as its authors ran it, at 64 pixels, for 20 epochs on 18,494 photographs: "
    "not 90 epochs on 1.2 million at 224 pixels. All arms learn at the rate of the base, which was chosen for it. "
    "The folder `imagenet20` is made by hand: the 20 class folders of Imagenette2 and Imagewoof2 (copies of 224 × 224 "
    "pixels), `val/` renamed to `test/`, without n02086240_9520 and n02089973_2860 of `test/`, which are training "
    "photographs of another class.",
)

CIFAR_LOCAL = Bench(
    name="cifar10-24",
    data="CIFAR-10 (a copy as JPEG files, 50,000 training and 10,000 test pictures)",
    prepare="alexnet prepare cifar10 cifar10-32.store --side 32",
    side=32,
    input_size=24,
    settings={
        "model": "cifar_local_lrn",
        "epochs": "60",
        "batch_size": "128",
        "lr": "0.001",
        "bias_rate": "2",
        "weight_decay": "0.004",
        "bias_decay": "false",
        "schedule": "steps",
        "lr_steps": "50,55",
        "colour_noise": "0",
        "holdout": "0",
    },
    epoch_seconds=75.0,
    note="The network, rates and crops of the files that the paper's footnote 3 points to, with 60 epochs where those "
    "have 470, the rate divided by ten after 50 and 55; one decay for all weights where the files spare the "
    "convolutions; measured on the centre crop, not on ten views. Both arms learn at the rate of the files.",
)

CIFAR_FOUR = Bench(
    name="cifar10-32",
    data="CIFAR-10 (a copy as JPEG files, 50,000 training and 10,000 test pictures)",
    prepare="alexnet prepare cifar10 cifar10-32.store --side 32",
    side=32,
    input_size=32,
    settings={
        "model": "cifar_four",
        "epochs": "60",
        "batch_size": "128",
        "bias_rate": "2",
        "weight_decay": "0",
        "schedule": "constant",
        "random_crop": "false",
        "mirror": "false",
        "colour_noise": "0",
        "holdout": "0",
    },
    epoch_seconds=55.0,
    note="Four layers with weights, as in the authors' file layers-18pct without its normalisation; the paper does not "
    "say which of their networks figure 1 is of. No regularisation of any kind, whole pictures, a constant rate.",
)

CIFAR_LOCAL_32 = replace(
    CIFAR_FOUR,
    name="cifar10-32-local",
    settings={**CIFAR_FOUR.settings, "model": "cifar_local"},
    epoch_seconds=140.0,
    note="The network of the authors' file layers-conv-local-13pct, whose four hidden layers may be what the paper "
    "calls four layers, on whole pictures of 32 pixels. No regularisation of any kind, a constant rate.",
)
