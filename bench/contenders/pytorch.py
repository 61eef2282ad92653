"""PyTorch's own layers: the network of 2012 with nn.LocalResponseNorm, and torchvision's network of the same name.

Settings: task ("step" or "forward"), network ("2012" or "torchvision"), dtype ("fp32" or "bf16"), tuned (channels-last,
fused SGD), batch_size, threads.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from protocol import Made, Work, contend
from torch import Tensor, nn

SIZES = {"2012": 227, "torchvision": 224}


def network_of_2012() -> nn.Sequential:
    """The network as the paper prints it, for 227 pixels, in PyTorch's own layers and channels-first order."""

    def norm() -> nn.Module:
        return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)

    return nn.Sequential(
        *(nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(inplace=True), norm(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(inplace=True), norm(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(inplace=True)),
        *(nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        nn.Flatten(),
        *(nn.Linear(9216, 4096), nn.ReLU(inplace=True), nn.Dropout()),
        *(nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout()),
        nn.Linear(4096, 1000),
    )


def torchvision_network() -> nn.Module:
    """Torchvision's `alexnet`: no response normalisation, no groups, fewer maps."""
    import torchvision

    return torchvision.models.alexnet(weights=None)


NETWORKS = {"2012": network_of_2012, "torchvision": torchvision_network}


def make(settings: dict[str, Any]) -> Made:
    """The contender of these settings."""
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(0)
    net = NETWORKS[settings["network"]]()
    size = SIZES[settings["network"]]
    facts = {"versions": {"torch": torch.__version__}, **count(net, size)}
    images = torch.randn(settings["batch_size"], 3, size, size)
    if settings["tuned"]:
        net, images = net.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    works = {"step": training_step, "forward": forward_pass}
    return Made(works[settings["task"]](net, images, settings), facts)


def training_step(net: nn.Module, images: Tensor, settings: dict[str, Any]) -> Work:
    """Forward, loss, backward and update."""
    labels = torch.randint(1000, (len(images),))
    fused = {"fused": True} if settings["tuned"] else {}
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4, **fused)
    net.train()

    def step() -> float:
        optimiser.zero_grad()
        with numbers(settings["dtype"]):
            loss = F.cross_entropy(net(images).float(), labels)
        loss.backward()
        optimiser.step()
        return len(images)

    return step


def forward_pass(net: nn.Module, images: Tensor, settings: dict[str, Any]) -> Work:
    """Answers in evaluation mode."""
    net.eval()
    autocast = settings["dtype"]
    if autocast == "bf16" and settings["network"] == "torchvision":  # nn.LocalResponseNorm takes no bf16
        net, images, autocast = net.bfloat16(), images.bfloat16(), "fp32"

    @torch.inference_mode()
    def forward() -> float:
        with numbers(autocast):
            net(images)
        return len(images)

    return forward


def numbers(dtype: str) -> AbstractContextManager[Any]:
    """Autocast for bf16, nothing for fp32."""
    return torch.autocast("cpu", torch.bfloat16) if dtype == "bf16" else nullcontext()


def count(net: nn.Module, size: int) -> dict[str, int]:
    """Parameters and multiply-adds an image."""
    macs = 0

    def add(layer: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal macs
        positions = output[0, 0].numel() if output.ndim == 4 else 1
        macs += layer.weight.numel() * positions

    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(add) for layer in layers]
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    return {"parameters": sum(parameter.numel() for parameter in net.parameters()), "macs": macs}


if __name__ == "__main__":
    contend(make)
