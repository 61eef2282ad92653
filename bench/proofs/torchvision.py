"""`owt` beside torchvision's alexnet: weights both ways, every stage, gradients, preparation of photographs."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from proofs.asking import Testimony, ask
from proofs.networks import gradients, seeded, views
from proofs.verdict import Proof, Row, alike, apart, holds
from torch import Tensor

from alexnet.data.augment import centre_mean, fixed_views
from alexnet.data.images import load_photograph
from alexnet.data.jpeg import encode_jpeg
from alexnet.data.loader import view_batch
from alexnet.data.preparation import Preparation
from alexnet.data.statistics import InputStatistics
from alexnet.model.net import AlexNet
from alexnet.model.variants import variant
from alexnet.weights.export import export, torchvision_state
from alexnet.weights.foreign.class_names import unnamed_classes
from alexnet.weights.model_dir import Model
from alexnet.weights.pytorch.torchvision import MEAN, NAMES, import_torchvision

# torchvision's modules in order; `owt` has a layer for each.
MODULES = (*(f"features.{number}" for number in range(13)), *(f"classifier.{number}" for number in range(7)))
IMAGES = 2
LIMIT = 2.2  # about what prepared photographs reach

STAGE = 1e-5
STAGES = (
    "1e-5 of the largest value of the stage: fp32 sums of up to 9,216 products in another order differ by some 1e-7 of "
    "it, and eight layers add that up"
)
GRADIENT = 1e-4
GRADIENTS = (
    "1e-4 of the largest value: as for stages, once more backwards; and where two values are equal but for rounding, "
    "ReLU and pooling may send the gradient of a position elsewhere"
)
LEVEL = (1 + 1e-4) / 255
LEVELS = (
    "one of 255 grey levels: Pillow rounds to whole levels between the rows and the columns, and may begin with the "
    "others where it resizes only the part of a photograph that is kept; 1e-4 of a level more for fp32"
)

SIZES = ((375, 500), (500, 375), (256, 256), (301, 300), (257, 999), (999, 257), (31, 47), (225, 224), (1203, 802))


def prove(folder: Path) -> tuple[list[Proof], Testimony]:
    """The proofs, and what torchvision said of the network of `proofs.networks.seeded`."""
    net = seeded(variant("owt"))
    model = Model(net, unnamed_classes(1000), InputStatistics.of_mean(MEAN))
    export(model, folder / "ours.pth", "torchvision")
    photographs = write_photographs(folder / "photographs")
    images, labels = views(net.spec, IMAGES, LIMIT), torch.tensor([3, 997])
    told = ask("torchvision_alexnet.py", folder, {"images": images.numpy(), "labels": labels.numpy()})
    own = import_torchvision(folder / "own.pth").net
    stages = [
        *compared_stages(net, images, told.of("ours/"), "our weights"),
        *compared_stages(own, images, told.of("own/"), "its weights"),
        *controls(own, images, told.of("own/")),
    ]
    proofs = [
        Proof("owt: state dicts of torchvision.models.alexnet", told.witness, "none", list(round_trip(folder, net))),
        Proof("owt: every stage of torchvision.models.alexnet", told.witness, STAGES, stages),
        Proof(
            "owt: gradients in training without dropout",
            told.witness,
            GRADIENTS,
            list(compared_gradients(images, labels, told.of("gradient/"))),
        ),
        Proof(
            "owt: photographs through AlexNet_Weights.IMAGENET1K_V1.transforms()",
            told.witness,
            LEVELS,
            list(compared_photographs(photographs, folder, told.of("photograph/"))),
        ),
    ]
    return proofs, told


def round_trip(folder: Path, net: AlexNet) -> Iterator[Row]:
    """What was exported, loaded there and saved there, imported here; and theirs, imported and exported again."""
    theirs = {name: torch.load(folder / f"{name}.pth", weights_only=True) for name in ("ours", "loaded", "own")}
    yield holds("what we write has its keys in its order", list(theirs["ours"]) == list(theirs["own"]))
    yield holds("what it loads of ours and saves is bit for bit ours", same(theirs["loaded"], torchvision_state(net)))
    again = import_torchvision(folder / "loaded.pth").net
    yield holds("imported again it is the network that was exported", same(again.state_dict(), net.state_dict()))
    own = torchvision_state(import_torchvision(folder / "own.pth").net)
    yield holds("its own, imported and exported, is bit for bit its own", same(own, theirs["own"]))
    yield holds("its own beside ours", not same(own, theirs["ours"]), control=True)


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    """Whether names, order, types and bits are the same."""
    return list(left) == list(right) and all(
        tensor.dtype == right[name].dtype and torch.equal(tensor, right[name]) for name, tensor in left.items()
    )


def compared_stages(
    net: AlexNet, images: Tensor, theirs: dict[str, NDArray[np.float32]], weights: str
) -> Iterator[Row]:
    """A row for every layer, each alone; and one for the logits as the network computes them in use."""
    with torch.no_grad():
        ours = net.stages(images, net.names)
        logits = net(images)
    ours["drop5"] = ours["drop5"].flatten(1)  # torchvision flattens before it
    for name, module in zip(net.names, MODULES, strict=True):
        yield alike(f"{name} = {module}, {weights}", ours[name], theirs[module], STAGE)
    yield alike(f"logits in use, {weights}", logits, theirs[MODULES[-1]], STAGE)


def controls(net: AlexNet, images: Tensor, theirs: dict[str, NDArray[np.float32]]) -> Iterator[Row]:
    """Mistakes of which the comparison must be able to tell."""
    state = net.state_dict()
    exchanged = state | {"conv4.bias": state["conv5.bias"].clone(), "conv5.bias": state["conv4.bias"].clone()}
    net.load_state_dict(exchanged)
    with torch.no_grad():
        yield apart("biases of conv4 and conv5 exchanged", net(images), theirs[MODULES[-1]], STAGE)


def compared_gradients(images: Tensor, labels: Tensor, theirs: dict[str, NDArray[np.float32]]) -> Iterator[Row]:
    """A row for every parameter, and a control."""
    net = seeded(variant("owt", dropout=0.0)).train()
    for name, ours in gradients(net, images, labels).items():
        yield alike(f"{name} = {NAMES[name]}", ours, theirs[NAMES[name]], GRADIENT)
    torch.manual_seed(0)
    dropping = gradients(seeded(variant("owt")).train(), images, labels)["conv1.weight"]
    yield apart("conv1.weight with dropout", dropping, theirs[NAMES["conv1.weight"]], GRADIENT)


def write_photographs(folder: Path) -> dict[str, bytes]:
    """Files of odd sizes: ramps, coarse noise and fine noise on top of each other; the last one is a JPEG."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    files = {}
    for height, width in SIZES:
        ramp = np.linspace(0, 120, height)[:, None, None] + np.linspace(60, 0, width)[None, :, None]
        coarse = rng.integers(0, 80, (height // 8 + 1, width // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)[:height, :width]
        fine = rng.integers(-30, 30, (height, width, 3))
        pixels = (ramp + coarse + fine).clip(0, 255).astype(np.uint8)
        name, content = f"{height}x{width}.png", BytesIO()
        if (height, width) == SIZES[-1]:
            name, content = f"{height}x{width}.jpg", BytesIO(encode_jpeg(pixels))
        else:
            Image.fromarray(pixels).save(content, "PNG")
        files[name] = content.getvalue()
        (folder / name).write_bytes(files[name])
    return files


def compared_photographs(
    files: dict[str, bytes], folder: Path, theirs: dict[str, NDArray[np.float32]]
) -> Iterator[Row]:
    """A row for every file, in grey levels, and a control."""
    model = import_torchvision(folder / "own.pth")
    crop, std = model.net.spec.input_size, np.array(model.preparation.std)[:, None, None]
    mean = centre_mean(model.statistics, crop)

    def levels(name: str, preparation: Preparation) -> NDArray[np.float64]:
        pixels = load_photograph(files[name], name, preparation).pixels
        view = view_batch([pixels], fixed_views(crop, preparation.side, 1), mean, preparation=preparation)[0].numpy()
        return np.asarray(view * std)

    for name in files:
        ours, expected = levels(name, model.preparation), theirs[name] * std
        share = float((np.abs(ours - expected) > 0.5).mean())
        yield alike(f"{name}: {share:.1%} of the values differ", ours, expected, LEVEL, scale=255.0)
    bicubic = levels(name, replace(model.preparation, interpolation="bicubic"))
    yield apart(f"{name} with another interpolation", bicubic, expected, LEVEL)
