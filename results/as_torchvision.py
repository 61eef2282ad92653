"""A model of `owt` at few pixels as a stranger's file: a state dict of torchvision's alexnet, for torchvision's input.

    python results/as_torchvision.py RUN/model FILE.pth

Where one position of the last maps is left, torchvision's network gives fc6 36 copies of it; each has a 36th of the
weights. conv1 takes over the division by standard deviations, which is exact, and the difference of the mean pixels,
which is so but at the border, where zeros lie around the image.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

import alexnet
from alexnet.weights.pytorch.torchvision import MEAN, NAMES, STD

POSITIONS = 36  # that torchvision's network averages its last maps to


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    model = alexnet.load_model(arguments.model)
    torch.save(state_dict(dict(model.net.named_parameters()), model.statistics.mean_image.mean((0, 1))), arguments.file)


@torch.no_grad()
def state_dict(parameters: dict[str, Tensor], mean: object) -> dict[str, Tensor]:
    """Under torchvision's names, of `parameters` by our names, trained with the mean pixel `mean` (3,) subtracted."""
    ours = {name: tensor.detach().clone() for name, tensor in parameters.items()}
    conv1, fc6 = ours["conv1.weight"], ours["fc6.weight"]
    if fc6.shape[1] != ours["conv5.weight"].shape[0]:
        raise SystemExit(f"fc6 sees {fc6.shape[1]} numbers, not one for each map of conv5; build owt for 64 pixels.")
    moved = torch.tensor(MEAN) - torch.as_tensor(mean, dtype=torch.float32)
    ours["conv1.bias"] += (conv1 * moved[:, None, None]).sum((1, 2, 3))
    ours["conv1.weight"] = conv1 * torch.tensor(STD)[:, None, None]
    ours["fc6.weight"] = fc6.repeat_interleave(POSITIONS, 1) / POSITIONS
    return {theirs: ours[name].contiguous() for name, theirs in NAMES.items()}


if __name__ == "__main__":
    main()
