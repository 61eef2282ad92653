"""torchvision's alexnet and its preparation of photographs.

Given: ours.pth, a state dict; images (N, 3, 224, 224) and labels (N,); photographs/*. Found: what every module of
`features` and `classifier` gives for the images ("ours/features.0" and so on), gradients of the mean cross-entropy in
training without dropout ("gradient/features.0.weight"), the prepared photographs ("photograph/NAME"). Two files:
loaded.pth, the state dict after ours was loaded, and own.pth, that of a network as torchvision starts it, whose
modules answer too ("own/features.0").
"""

from pathlib import Path

import PIL
import torch
import torchvision
from PIL import Image
from testimony import Arrays, testify
from torch import Tensor, nn
from torchvision.models import AlexNet_Weights, alexnet


def answer(given: Arrays, folder: Path) -> Arrays:
    """Everything that is asked for."""
    images, labels = torch.from_numpy(given["images"]), torch.from_numpy(given["labels"])
    torch.manual_seed(0)
    own = alexnet(weights=None).eval()
    torch.save(own.state_dict(), folder / "own.pth")
    found = {f"own/{name}": output for name, output in stages(own, images).items()}

    net = alexnet(weights=None).eval()
    net.load_state_dict(torch.load(folder / "ours.pth", weights_only=True), strict=True)
    torch.save(net.state_dict(), folder / "loaded.pth")
    found |= {f"ours/{name}": output for name, output in stages(net, images).items()}

    net.train()
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    nn.functional.cross_entropy(net(images), labels).backward()
    found |= {f"gradient/{name}": parameter.grad for name, parameter in net.named_parameters()}

    prepare = AlexNet_Weights.IMAGENET1K_V1.transforms()
    for path in sorted((folder / "photographs").iterdir()):
        with Image.open(path) as photograph:
            found[f"photograph/{path.name}"] = prepare(photograph.convert("RGB"))
    return {name: tensor.numpy() for name, tensor in found.items()}


def stages(net: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """The output of every module of the two halves."""
    found = {}
    for half in ("features", "classifier"):
        for number, module in net.get_submodule(half).named_children():
            if isinstance(module, nn.ReLU):
                module.inplace = False  # it would overwrite what the module before it gave
            module.register_forward_hook(lambda _, __, output, name=f"{half}.{number}": found.update({name: output}))
    with torch.no_grad():
        net(images)
    return found


if __name__ == "__main__":
    testify(answer, {"torchvision": torchvision.__version__, "torch": torch.__version__, "pillow": PIL.__version__})
