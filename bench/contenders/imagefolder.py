"""torchvision's ImageFolder with the usual transforms, in a DataLoader.

Settings: task ("load"), photographs (a folder of class folders), batch_size, threads.
"""

from typing import Any

import torch
from protocol import Made, contend


def make(settings: dict[str, Any]) -> Made:
    """A pass over the whole folder, as many worker processes as threads."""
    import PIL
    import torchvision
    from torchvision import datasets
    from torchvision.transforms import v2 as transforms

    chain = transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.PILToTensor(),
            transforms.ToDtype(torch.float32, scale=True),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    loader = torch.utils.data.DataLoader(
        datasets.ImageFolder(settings["photographs"], chain),
        batch_size=settings["batch_size"],
        shuffle=True,
        num_workers=settings["threads"],
        persistent_workers=True,
        drop_last=True,
    )
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "pillow": PIL.__version__}
    return Made(lambda: sum(len(labels) for _, labels in loader), {"versions": versions})


if __name__ == "__main__":
    contend(make)
