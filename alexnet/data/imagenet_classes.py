"""The 1,000 classes of ImageNet, so that nobody has to look for them."""

from functools import cache
from importlib.resources import files

from alexnet.data.source import Category


@cache
def imagenet_classes() -> tuple[Category, ...]:
    """The classes of ILSVRC-2012 in the order of their wnids, keyed by them; a name is the first of its synset.

    Caffe's and torchvision's networks number their outputs in this order. Two pairs of classes share a name: there are
    a crane that flies and one that lifts, a maillot to swim in and one that is worn above.
    """
    lines = files("alexnet.data").joinpath("imagenet_classes.txt").read_text(encoding="utf-8").splitlines()
    rows = (line.partition(" ") for line in lines if not line.startswith("#"))
    return tuple(Category(wnid, name) for wnid, _, name in rows)
