"""torchvision's alexnet in a race, with the settings of torchvision's training reference. Runs in bench/.venv.

Settings: photographs (a folder with train/ and the split to measure), kept (a folder for weights), lr, epochs, minutes,
save_every (seconds), threads, began (time.time() at the start), channels_last (if true, in memory; the reference has no
such flag). With "measure": the split whose errors the weights in `kept` are to be measured by; nothing is trained then.

The reference: SGD at 0.01 with momentum 0.9 and decay 0.0001, batches of 32, 90 epochs with the rate divided by ten
after 30 and 60, crops of 8 to 100 % of a photograph, mirrors; no dropout beyond the network's, no label smoothing. Here
the drops come after a third and two thirds of the epochs there are.
"""

import json
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision import datasets, models
from torchvision.transforms import v2 as transforms

MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # of ImageNet, as the reference has them
BATCH = 32


def photographs(folder: Path, *, augmented: bool) -> datasets.ImageFolder:
    """The reference's transforms of a folder of class folders."""
    views = (
        [transforms.RandomResizedCrop(224, antialias=True), transforms.RandomHorizontalFlip()]
        if augmented
        else [transforms.Resize(256, antialias=True), transforms.CenterCrop(224)]
    )
    numbers = [transforms.PILToTensor(), transforms.ToDtype(torch.float32, scale=True)]
    return datasets.ImageFolder(folder, transforms.Compose([*views, *numbers, transforms.Normalize(MEAN, DEVIATION)]))


def train(settings: dict[str, Any]) -> None:
    """Trains until the epochs or the minutes are over; keeps weights every `save_every` seconds."""
    torch.manual_seed(settings["seed"])
    data = photographs(Path(settings["photographs"]) / "train", augmented=True)
    net = models.alexnet(weights=None, num_classes=len(data.classes))
    layout = torch.channels_last if settings.get("channels_last") else torch.contiguous_format
    net = net.to(memory_format=layout)
    optimiser = torch.optim.SGD(net.parameters(), lr=settings["lr"], momentum=0.9, weight_decay=1e-4)
    third = settings["epochs"] / 3
    drops = sorted({max(1, round(third)), max(1, round(2 * third))})
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, drops, gamma=0.1)
    loader = torch.utils.data.DataLoader(
        data, batch_size=BATCH, shuffle=True, num_workers=settings["threads"], persistent_workers=True
    )
    kept, saved, recent = Path(settings["kept"]), time.time(), deque[float](maxlen=100)  # losses

    def keep(epochs: float) -> None:
        minutes = (time.time() - settings["began"]) / 60
        torch.save(net.state_dict(), kept / f"{minutes:07.3f}.pt")
        print(json.dumps({"minutes": minutes, "epochs": epochs, "train_loss": sum(recent) / len(recent)}), flush=True)

    net.train()
    for epoch in range(settings["epochs"]):
        for step, (images, labels) in enumerate(loader, 1):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(net(images.to(memory_format=layout)), labels)
            loss.backward()
            optimiser.step()
            recent.append(loss.item())
            if time.time() - settings["began"] > 60 * settings["minutes"]:
                keep(epoch + step / len(loader))
                return
            if time.time() - saved > settings["save_every"]:
                keep(epoch + step / len(loader))
                saved = time.time()
        schedule.step()
    keep(settings["epochs"])


def measure(settings: dict[str, Any]) -> None:
    """Tells the top-1 error of each of the weights kept, by the centre crop."""
    data = photographs(Path(settings["photographs"]) / settings["measure"], augmented=False)
    loader = torch.utils.data.DataLoader(data, batch_size=128, num_workers=settings["threads"])
    nets = []
    for path in sorted(Path(settings["kept"]).glob("*.pt")):
        net = models.alexnet(weights=None, num_classes=len(data.classes)).eval()
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True, mmap=True), assign=True)
        nets.append((float(path.stem), net.to(memory_format=torch.channels_last)))
    wrong = [0] * len(nets)
    with torch.inference_mode():
        for given, labels in loader:
            images = given.to(memory_format=torch.channels_last)
            for place, (_, net) in enumerate(nets):
                wrong[place] += int((net(images).argmax(1) != labels).sum())
    for (minutes, _), count in zip(nets, wrong, strict=True):
        print(json.dumps({"minutes": minutes, "wrong": count, "images": len(data)}), flush=True)


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    torch.set_num_threads(told["threads"])
    measure(told) if told.get("measure") else train(told)
