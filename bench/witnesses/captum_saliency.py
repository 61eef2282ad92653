"""captum on torchvision's alexnet: what in a picture speaks for a class.

Given: ours.pth, a state dict; image (1, 3, 224, 224), the class `category` and the side `window` of what is hidden.
Found: "gradient" (224, 224), "gradcam" (13, 13), the maps of features.11 weighted, and "occlusion" (n, n): by how much
the class's probability falls when one of the windows is set to 0 that are centred on every `window`-th pixel.
"""

from pathlib import Path

import captum
import torch
import torchvision
from captum.attr import FeatureAblation, LayerGradCam, Saliency
from testimony import Arrays, testify
from torch import nn
from torchvision.models import alexnet


def answer(given: Arrays, folder: Path) -> Arrays:
    """Everything that is asked for."""
    image, category, window = torch.from_numpy(given["image"]), int(given["category"]), int(given["window"])
    net = alexnet(weights=None).eval()
    net.load_state_dict(torch.load(folder / "ours.pth", weights_only=True), strict=True)
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    gradient = Saliency(net).attribute(image.clone().requires_grad_(), target=category, abs=True)[0].amax(0)
    # without its sum over maps captum gives each map's part
    gradcam = LayerGradCam(net, net.features[11]).attribute(image, target=category, relu_attributions=False)[0].sum(0)
    side = torch.arange(image.shape[-1])
    cell = (side + window // 2) // window
    count = int(cell.max()) + 1
    mask = cell[:, None] * count + cell[None]
    ablation = FeatureAblation(nn.Sequential(net, nn.Softmax(1)))
    falls = ablation.attribute(image, target=category, feature_mask=mask)[0, 0]
    occlusion = torch.zeros(count * count).index_copy(0, mask.flatten(), falls.flatten()).view(count, count)
    return {"gradient": gradient.numpy(), "gradcam": gradcam.detach().numpy(), "occlusion": occlusion.detach().numpy()}


if __name__ == "__main__":
    testify(answer, {"captum": captum.__version__, "torchvision": torchvision.__version__, "torch": torch.__version__})
