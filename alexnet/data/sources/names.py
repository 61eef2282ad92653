"""What the sources are called and what they are, readable without importing them: for the help of the command line."""

from typing import Final

DESCRIPTIONS: Final = {
    "cifar10": "CIFAR-10: 60,000 pictures of 32×32 pixels, 10 classes",
    "flowers17": "Oxford 17 Category Flowers: 1,360 photographs, 17 classes",
    "folder": "your photographs, one sub-folder per class",
    "imagenet": "ILSVRC2012: 1.2 million photographs, 1,000 classes",
    "shapes": "built in: drawn pictures of everyday things, 10 classes",
}
"""A line on each source of `alexnet.data.sources.table`, by name."""
