"""The rows that look at networks of the row `towers`, figures 3 and 4 of the paper among them: see `table`."""

from math import inf

from alexnet.experiments.benches import IMAGENET20
from alexnet.experiments.design import (
    ALIKE,
    APART,
    BASE,
    FIVE,
    TOGETHER,
    UNTOLD,
    Arm,
    Claim,
    Experiment,
    Pair,
)

TOWERS = "towers"

ENSEMBLES = Experiment(
    name="ensembles",
    claim=Claim(
        "Averaging the predictions of five similar CNNs gives an error rate of 16.4%",
        "6, beside 18.2 %",
        -2.6,
    ),
    bench=IMAGENET20,
    arms=(),
    pairs=(
        Pair(
            "5 networks, not 1",
            "averaging five networks, not taking one,",
            BASE,
            BASE,
            -2.6,
            networks=5,
            expected=(-4, -2),
        ),
        Pair("3 networks, not 1", "averaging three networks, not taking one,", BASE, BASE, networks=3),
    ),
    outcome=TOGETHER,
    seeds=FIVE,
    expectation="Lower by two to four points with five networks, by two thirds of that or more with three.",
    smallest=0.5,
    note="By the first answer the paper has 38.1 % beside 40.7 %. The networks of the seeds are joined in all ways "
    "that there are, ten of three and one of five. Intervals are over photographs with these networks kept: what other "
    "networks would do together is not in them.",
    of=TOWERS,
)

SPECIALISE = Experiment(
    name="specialise",
    claim=Claim(
        "The kernels on GPU 1 are largely color-agnostic, while the kernels on GPU 2 are largely color-specific. "
        "This kind of specialization occurs during every run and is independent of any particular random weight "
        "initialization",
        "6.1",
    ),
    bench=IMAGENET20,
    arms=(Arm("groups=1", {"groups": "1"}),),
    pairs=(
        Pair("two towers, not one", "having two towers, not one of full width,", BASE, "groups=1", expected=UNTOLD),
    ),
    outcome=APART,
    seeds=FIVE,
    expectation="Nothing that five seeds can tell from 0, and p at most 0.05 in one or two of the five networks with "
    "two towers: a pilot of 12 epochs had it in one of five, for the kernels grow little from noise in so few.",
    smallest=5.0,
    note="In a network of one tower the halves are any halves.",
    of=TOWERS,
)

NEIGHBOURS = Experiment(
    name="neighbours",
    claim=Claim(
        "If two images produce feature activation vectors with a small Euclidean separation, we can say that the "
        "higher levels of the neural network consider them to be similar. [...] Notice that at the pixel level, the "
        "retrieved training images are generally not close in L2 to the query images",
        "6.1",
    ),
    bench=IMAGENET20,
    arms=(),
    pairs=(
        Pair("by fc7, not by pixels", "looking for neighbours by fc7, not by pixels,", BASE, BASE, expected=(30, inf)),
    ),
    outcome=ALIKE,
    seeds=FIVE,
    expectation="Higher by 30 points or more: about 45 % by fc7, 10 to 15 % by pixels, 5 % by chance.",
    smallest=5.0,
    note="At most 2,000 of the test photographs are asked, evenly spread.",
    of=TOWERS,
)
