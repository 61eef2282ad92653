"""A model at few pixels, as torchvision's network computes it."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch
from as_torchvision import state_dict

from alexnet.model.net import AlexNet
from alexnet.model.variants import variant
from alexnet.weights.pytorch.torchvision import MEAN, STD, plain_network

ROOT = Path(__file__).parents[1]


def test_torchvisions_network_gives_the_same_answers() -> None:
    net = AlexNet(replace(variant("owt", input_size=64), classes=3), generator=torch.Generator().manual_seed(0)).eval()
    theirs = plain_network(3).eval()
    theirs.load_state_dict(state_dict(dict(net.named_parameters()), MEAN))
    pixels = 255 * torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    mean, std = (torch.tensor(each)[:, None, None] for each in (MEAN, STD))
    with torch.no_grad():
        ours, found = net(pixels - mean), theirs((pixels - mean) / std)
    assert (ours - found).abs().max() < 1e-5 * ours.abs().max()


def test_another_mean_is_taken_over_inside_the_border() -> None:
    net = AlexNet(replace(variant("owt", input_size=64), classes=3), generator=torch.Generator().manual_seed(0))
    mean = torch.tensor([120.0, 110.0, 100.0])
    found = state_dict(dict(net.named_parameters()), mean)
    pixels = 255 * torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    theirs_mean, std = (torch.tensor(each)[:, None, None] for each in (MEAN, STD))
    with torch.no_grad():
        ours = torch.conv2d(pixels - mean[:, None, None], *net.get_submodule("conv1").parameters(), stride=4, padding=2)
        weight, bias = found["features.0.weight"], found["features.0.bias"]
        theirs = torch.conv2d((pixels - theirs_mean) / std, weight, bias, stride=4, padding=2)
    inner = (..., slice(1, -1), slice(1, -1))
    assert (ours - theirs)[inner].abs().max() < 1e-5 * ours.abs().max()


def test_the_script_says_what_it_takes() -> None:
    script = ROOT / "results" / "as_torchvision.py"
    ended = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=True)
    assert "owt" in ended.stdout
