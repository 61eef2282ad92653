"""`owt` against what torchvision's alexnet said; `make proofs` compares with torchvision itself."""

import numpy as np
import pytest
import torch
from golden_files import check, golden
from proofs.networks import seeded, views
from proofs.torchvision import IMAGES, LIMIT, MODULES, STAGE
from torch import Tensor

from alexnet.model.net import AlexNet
from alexnet.model.variants import variant

GOLDEN = golden("owt-torchvision")


@pytest.fixture(scope="module")
def net() -> AlexNet:
    return seeded(variant("owt"))


@pytest.fixture(scope="module")
def images(net: AlexNet) -> Tensor:
    return views(net.spec, IMAGES, LIMIT)


# fp32 sums of up to 9,216 products in another order differ by some 1e-7 of the largest value, and eight layers add
# that up: 2e-6 was seen
def test_every_stage_is_torchvisions(net: AlexNet, images: Tensor) -> None:
    assert list(GOLDEN["stages"]) == list(MODULES)
    with torch.inference_mode():
        stages = net.stages(images, net.names)
    stages["drop5"] = stages["drop5"].flatten(1)
    for (name, ours), (module, theirs) in zip(stages.items(), GOLDEN["stages"].items(), strict=True):
        check(ours, theirs, STAGE, f"{name} = {module}")


def test_every_logit_is_torchvisions_and_no_mistake_would_pass(net: AlexNet, images: Tensor) -> None:
    theirs = np.array(GOLDEN["logits"])
    largest = np.abs(theirs).max()
    with torch.inference_mode():
        assert np.abs(net(images).numpy() - theirs).max() <= STAGE * largest
        left, right = net.get_parameter("conv4.bias"), net.get_parameter("conv5.bias")
        kept = left.clone()
        left.copy_(right)
        wrong = net(images).numpy()
        left.copy_(kept)
    assert np.abs(wrong - theirs).max() > 1000 * STAGE * largest
