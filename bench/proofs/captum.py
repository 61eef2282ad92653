"""What `alexnet show saliency` draws beside captum: gradient, Grad-CAM and occlusion of one picture."""

from pathlib import Path

import numpy as np
from proofs.asking import Testimony, ask
from proofs.networks import seeded, views
from proofs.torchvision import LIMIT
from proofs.verdict import Proof, Row, alike, apart

from alexnet.data.statistics import InputStatistics
from alexnet.model.variants import variant
from alexnet.show.saliency import gradcam, gradient, occlusion
from alexnet.weights.export import export
from alexnet.weights.foreign.class_names import unnamed_classes
from alexnet.weights.model_dir import Model
from alexnet.weights.pytorch.torchvision import MEAN

WINDOW = 32
TOLERANCE = 1e-4
IN_WORDS = (
    "1e-4 of the largest value: fp32 sums in another order, forwards and backwards, and falls of a probability "
    "that are smaller than it"
)


def prove(folder: Path) -> tuple[list[Proof], Testimony]:
    """The proof, and what captum said."""
    net = seeded(variant("owt"))
    export(Model(net, unnamed_classes(1000), InputStatistics.of_mean(MEAN)), folder / "ours.pth", "torchvision")
    image = views(net.spec, 1, LIMIT)
    category = int(net(image).argmax())
    given = {"image": image.numpy(), "category": np.array(category), "window": np.array(WINDOW)}
    told = ask("captum_saliency.py", folder, given)
    # where two values are equal but for rounding, pooling may send a pixel's gradient elsewhere
    ours = {
        "gradient": gradient(net, image, category),
        "gradcam": gradcam(net, image, category),
        "occlusion": occlusion(net, image, category, WINDOW, WINDOW),
    }
    rows: list[Row] = [alike(name, found, told.found[name], TOLERANCE) for name, found in ours.items()]
    other = gradient(net, image, (category + 1) % 1000)
    rows.append(apart("the gradient of another class", other, told.found["gradient"], TOLERANCE))
    return [Proof("owt: saliency", told.witness, IN_WORDS, rows)], told
