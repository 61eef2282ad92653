"""The experiments, as rows: what is claimed, what is compared on what, and what was expected before it was run.

No row has code. `tests/test_experiments_table.py` builds every arm. A row is changed before its first run, never after:
its outcome, seeds and expectation are what the results are held against.
"""

from alexnet.errors import unknown
from alexnet.experiments.design import BASE, GAP, TEST, TRAINING, Arm, Bench, Claim, Experiment, Pair

FIVE = (0, 1, 2, 3, 4)

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
    "not 90 epochs on 1.2 million at 224 pixels. All arms learn at the rate of the base, which was chosen for it.",
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

LRN_CIFAR = Experiment(
    name="lrn-cifar",
    claim=Claim(
        "a four-layer CNN achieved a 13% test error rate without normalization and 11% with normalization", "3.3", -2.0
    ),
    bench=CIFAR_LOCAL,
    arms=(Arm("model=cifar_local", {"model": "cifar_local"}),),
    pairs=(Pair("response normalisation", "response normalisation", BASE, "model=cifar_local", -2.0),),
    outcome=TEST,
    seeds=FIVE,
    expectation="Lower with it by one to two points; errors above the published ones, since the schedule is shorter.",
    smallest=1.0,
)

LRN = Experiment(
    name="lrn",
    claim=Claim("Response normalization reduces our top-1 and top-5 error rates by 1.4% and 1.2%", "3.3", -1.4),
    bench=IMAGENET20,
    arms=(Arm("norm=false", {"norm": "false"}),),
    pairs=(Pair("response normalisation", "response normalisation", BASE, "norm=false", -1.4),),
    outcome=TEST,
    seeds=FIVE,
    expectation="Nothing that five seeds can tell from 0: a pilot of two seeds on ten classes had +0.6 and +0.3 "
    "points, a public benchmark at 128 pixels had 0.",
    smallest=1.0,
)

OVERLAP = Experiment(
    name="overlap",
    claim=Claim("This scheme reduces the top-1 and top-5 error rates by 0.4% and 0.3%", "3.4", -0.4),
    bench=IMAGENET20,
    arms=(Arm("pooling=plain", {"pooling": "plain"}),),
    pairs=(Pair("overlapping pooling", "overlapping pooling", BASE, "pooling=plain", -0.4),),
    outcome=TEST,
    seeds=FIVE,
    expectation="Five seeds cannot tell 0.4 points from 0: an interval of about ±0.8 and no more.",
    smallest=0.8,
)

TOWERS = Experiment(
    name="towers",
    claim=Claim(
        "This scheme reduces our top-1 and top-5 error rates by 1.7% and 1.2%, respectively, as compared with a net "
        "with half as many kernels in each convolutional layer trained on one GPU",
        "3.2",
        -1.7,
    ),
    bench=IMAGENET20,
    arms=(Arm("groups=1", {"groups": "1"}),),
    pairs=(Pair("two towers, not one of full width", "a second tower that sees its own maps alone", BASE, "groups=1"),),
    outcome=TEST,
    seeds=FIVE,
    expectation="Against half the kernels lower by one to two points; against one tower of full width nothing that "
    "five seeds can tell from 0.",
    smallest=1.0,
)

DROPOUT = Experiment(
    name="dropout",
    claim=Claim("Without dropout, our network exhibits substantial overfitting", "4.2"),
    bench=IMAGENET20,
    arms=(Arm("dropout=0", {"dropout": "0"}),),
    pairs=(Pair("dropout", "dropout", BASE, "dropout=0"),),
    outcome=GAP,
    seeds=FIVE,
    expectation="The gap is smaller with dropout by more than five points; the test error changes by less than two, in "
    "a direction that 20 epochs cannot settle, since dropout learns more slowly.",
    smallest=2.0,
)

COLOUR = Experiment(
    name="colour",
    claim=Claim("This scheme [...] reduces the top-1 error rate by over 1%", "4.1", -1.0),
    bench=IMAGENET20,
    arms=(Arm("colour_noise=0", {"colour_noise": "0"}),),
    pairs=(Pair("colour noise", "colour noise", BASE, "colour_noise=0", -1.0),),
    outcome=TEST,
    seeds=FIVE,
    expectation="Borderline: less than one point either way.",
    smallest=1.0,
)

VIEWS = Experiment(
    name="views",
    claim=Claim(
        "Without this scheme, our network suffers from substantial overfitting, which would have forced us to use much "
        "smaller networks",
        "4.1",
    ),
    bench=IMAGENET20,
    arms=(
        Arm("no-crops", {"random_crop": "false"}),
        Arm("no-mirrors", {"mirror": "false"}),
        Arm("neither", {"random_crop": "false", "mirror": "false"}),
    ),
    pairs=(
        Pair("random crops and mirrors", "training on random crops and mirror images", BASE, "neither"),
        Pair("random crops", "training on random crops", BASE, "no-crops"),
        Pair("mirrors", "training on mirror images", BASE, "no-mirrors"),
    ),
    outcome=GAP,
    seeds=FIVE,
    expectation="The gap is smaller with both by more than ten points, and the test error lower by more than three.",
    smallest=2.0,
)

DECAY = Experiment(
    name="decay",
    claim=Claim("weight decay here is not merely a regularizer: it reduces the model's training error", "5"),
    bench=IMAGENET20,
    arms=(Arm("weight_decay=0", {"weight_decay": "0"}),),
    pairs=(Pair("weight decay 0.0005", "weight decay of 0.0005", BASE, "weight_decay=0"),),
    outcome=TRAINING,
    seeds=FIVE,
    expectation="Nothing that five seeds can tell from 0: in 20 epochs a weight that nothing feeds loses 1.5 per cent.",
    smallest=0.5,
)

DROPS = Experiment(
    name="drops",
    claim=Claim(
        "divide the learning rate by 10 when the validation error rate stopped improving with the current learning "
        "rate",
        "5",
    ),
    bench=IMAGENET20,
    arms=(
        Arm("constant", {"schedule": "constant"}),
        Arm("steps", {"schedule": "steps", "lr_steps": "12,17"}),
    ),
    pairs=(
        Pair("rate ÷ 10 twice, not constant", "dividing the rate by ten after 12 and 17 epochs", "steps", "constant"),
        Pair("cosine, not ÷ 10 twice", "letting the rate fall along a cosine", BASE, "steps"),
    ),
    outcome=TEST,
    seeds=FIVE,
    expectation="Lower by more than five points with the drops; cosine and drops within one point of each other.",
    smallest=1.0,
)

EXPERIMENTS: dict[str, Experiment] = {
    each.name: each for each in (LRN_CIFAR, LRN, OVERLAP, TOWERS, DROPOUT, COLOUR, VIEWS, DECAY, DROPS)
}
"""By name, in the order of the table."""


def experiment(name: str) -> Experiment:
    """The experiment called `name`. Raises ConfigError, naming the nearest, for a name that is not in the table."""
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name]
