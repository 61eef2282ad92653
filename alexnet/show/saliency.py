"""Which parts of a photograph speak for a class: three methods, each with its own unit, and honest when it has nothing.

The photograph's centre view is H×W pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alexnet.data.augment import fixed_views, view_means
from alexnet.data.decode import MAX_PIXELS
from alexnet.data.inputs import ImageInput, read_image
from alexnet.data.loader import view_batch
from alexnet.data.source import Category, told_apart
from alexnet.errors import ConfigError, unknown
from alexnet.evaluation.evaluate import averaged
from alexnet.model.net import AlexNet
from alexnet.show.maps import usual_stages
from alexnet.weights.model_dir import Model, check_categories

METHODS = ("gradient", "gradcam", "occlusion")
UNITS = {
    "gradient": "change of the logit for a grey level, either way",
    "gradcam": "contribution to the logit",
    "occlusion": "drop of the probability",
}
BATCH = 32


@dataclass(frozen=True)
class Heat:
    """One method's values (h, w) over the view, in `UNITS`; what is not positive speaks for nothing and is 0."""

    method: str
    values: NDArray[np.float64]

    @property
    def empty(self) -> bool:
        """Whether nothing in the picture speaks for the class."""
        return not bool((self.values > 0).any())


@dataclass(frozen=True)
class Saliency:
    """What speaks for a class, which has probability `share`, in the view of a photograph that lies at `box`.

    `box` is left, top, right, bottom in pixels of the photograph, `window` the side of what occlusion hides.
    """

    model: str
    image: str
    square: NDArray[np.uint8]  # (S, S, 3)
    box: tuple[int, int, int, int]
    category: str
    share: float
    window: int
    heats: tuple[Heat, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types, without pixels."""
        told = [
            {"method": heat.method, "unit": UNITS[heat.method], "empty": heat.empty, "values": heat.values.tolist()}
            for heat in self.heats
        ]
        return {
            "model": self.model,
            "image": self.image,
            "box": list(self.box),
            "class": self.category,
            "probability": self.share,
            "window": self.window,
            "methods": told,
        }


def saliency(
    model: Model,
    image: ImageInput,
    name: str,
    methods: Sequence[str] = METHODS,
    *,
    category: str | int | None = None,
    window: int = 32,
    stride: int = 8,
    max_pixels: int = MAX_PIXELS,
) -> Saliency:
    """What speaks for a class in the centre of an image: by key, name or number from 0; None is the first answer.

    In fp32 on the processor, whatever the machine. Raises ConfigError for an unknown class or method, for a name that
    several classes have and for a window that does not fit, ImageError for an image that cannot be used, WeightsError
    when the network answers NaN, or has more or fewer outputs than the model names classes.
    """
    check_categories(model)
    spec, preparation = model.net.spec, model.preparation
    for method in methods:
        if method not in METHODS:
            raise unknown("method", method, METHODS)
    if not 1 <= window <= spec.input_size or stride < 1:
        raise ConfigError(f"The window is from 1 to {spec.input_size} pixels and the stride at least 1.")
    square = read_image(image, preparation, max_pixels).pixels
    views = fixed_views(spec.input_size, preparation.side, 1)
    x = view_batch(
        [square], views, view_means(model.statistics, spec.input_size, views, preparation), preparation=preparation
    )
    with torch.no_grad():
        answer = averaged(model.net(x), 1, spec.name)[0]
    chosen = int(answer.argmax()) if category is None else _index(model.categories, category)
    heats = []
    for method in methods:
        values = {
            "gradient": lambda: gradient(model.net, x, chosen),
            "gradcam": lambda: gradcam(model.net, x, chosen),
            "occlusion": lambda: occlusion(model.net, x, chosen, window, stride),
        }[method]()
        heats.append(Heat(method, values.clamp_min(0).double().numpy()))
    left, top = int(views.left[0]), int(views.top[0])
    box = (left, top, left + spec.input_size, top + spec.input_size)
    told = told_apart(model.categories)[chosen]
    return Saliency(spec.name, name, square, box, told, float(answer[chosen]), window, tuple(heats))


def gradient(net: AlexNet, x: Tensor, category: int) -> Tensor:
    """The largest absolute derivative of the class's logit by the colours of each pixel (H, W) of a view (1, C, H, W).

    Simonyan, Vedaldi and Zisserman 2014, section 3.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (found,) = torch.autograd.grad(net(x)[0, category], x)
    return found[0].abs().amax(0)


def gradcam(net: AlexNet, x: Tensor, category: int) -> Tensor:
    """The last convolution's maps (h, w), each weighted by the mean derivative of the class's logit by it.

    Selvaraju and others 2017, before the final ReLU: negative where a place speaks against the class.
    """
    stage = usual_stages(net.spec)[-1]
    with torch.enable_grad():
        # what passes between layers has a graph only where something before it has
        found = net.stages(x.detach().requires_grad_(), (stage, net.names[-1]))
        (slope,) = torch.autograd.grad(found[net.names[-1]][0, category], found[stage])
    return (slope.mean((2, 3), keepdim=True) * found[stage].detach()).sum(1)[0]


@torch.no_grad()
def occlusion(net: AlexNet, x: Tensor, category: int, window: int, stride: int) -> Tensor:
    """By how much the class's probability falls when a window of mean colour hides a place, (h, w).

    Windows are centred on every `stride`-th pixel, cut off at the border. Zeiler and Fergus 2014, section 4.2.
    """
    side = x.shape[-1]
    centres = range(0, side + 1, stride)
    places = [(down, across) for down in centres for across in centres]
    whole = net(x).softmax(1)[0, category]
    falls = []
    for first in range(0, len(places), BATCH):
        batch = x.repeat(len(places[first : first + BATCH]), 1, 1, 1)
        for row, (down, across) in enumerate(places[first : first + BATCH]):
            top, left = max(0, down - window // 2), max(0, across - window // 2)
            batch[row, :, top : down - window // 2 + window, left : across - window // 2 + window] = 0
        falls.append(whole - net(batch).softmax(1)[:, category])
    return torch.cat(falls).view(len(centres), len(centres))


def _index(classes: Sequence[Category], category: str | int) -> int:
    if isinstance(category, int):
        if not 0 <= category < len(classes):
            raise ConfigError(f"There is no class {category}; the model's are 0 to {len(classes) - 1}.")
        return category
    for known in ([each.key for each in classes], told_apart(classes)):
        if category in known:
            return known.index(category)
    if keys := [each.key for each in classes if each.name == category]:
        raise ConfigError(f"{len(keys)} classes are named {category!r}; give the key of one: {', '.join(keys)}.")
    raise unknown("class", category, (each.name for each in classes))
