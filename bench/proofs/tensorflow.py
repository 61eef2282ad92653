"""Response normalisation beside tf.nn.lrn, and `tflearn` beside the same network in Keras."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from proofs.asking import Testimony, ask
from proofs.networks import gradients, narrow, seeded, views
from proofs.seeded import uniform
from proofs.torchvision import GRADIENT, GRADIENTS, STAGE, STAGES
from proofs.verdict import Proof, Row, alike, apart, holds
from torch import Tensor

from alexnet import kernels
from alexnet.model.lrn import CONVENTIONS, convert_norm, norm_window
from alexnet.model.net import AlexNet
from alexnet.model.spec import ResponseNorm, Spec
from alexnet.model.variants import variant

LRN = 2e-6
LRN_REASON = (
    "2e-6 of the largest value: a sum of at most 11 squares and one power in fp32, each of which two libraries round "
    "some 1e-7 apart"
)
POSITIONS = (57, 29, 15, 8)  # of conv1, pool1, pool2, pool5, as TensorFlow pads 227 pixels
IMAGES = 2
LIMIT = 15_000.0  # far beyond pixels: what the normalisations of tflearn do to those is next to nothing
LARGE = 100.0  # maps of this size are changed by alpha = 0.0001
KINDS = (  # n, maps, k, alpha, beta
    (5, 96, 2.0, 1e-4, 0.75),  # the paper's
    (11, 96, 1.0, 1e-4, 0.75),  # tflearn's
    (11, 7, 1.0, 1.0, 0.5),  # what tf.nn.lrn has by default; fewer maps than the window
)


@dataclass(frozen=True)
class Case:
    """One normalisation of some maps: ours, and the numbers that tf.nn.lrn takes for the same function."""

    name: str
    norm: ResponseNorm
    maps: int
    radius: int
    bias: float
    alpha: float
    beta: float

    @property
    def input(self) -> NDArray[np.float32]:
        """Maps (N, C, H, W) of either sign."""
        return uniform(f"{self.maps} maps", (2, self.maps, 5, 7), LARGE)

    @property
    def upstream(self) -> NDArray[np.float32]:
        """The gradient of the output, of the input's shape."""
        return uniform(f"{self.maps} maps: gradient", (2, self.maps, 5, 7), 1.0)

    def ours(self) -> tuple[Tensor, Tensor]:
        """Output and gradient of the input, each (2, N, C, H, W): by the kernels and by PyTorch alone."""
        found = [self._ours()]
        with kernels.use_twin():
            found.append(self._ours())
        outputs, inputs = zip(*found, strict=True)
        return torch.stack(outputs), torch.stack(inputs)

    def _ours(self) -> tuple[Tensor, Tensor]:
        x = torch.from_numpy(self.input).requires_grad_()
        below, above, k, alpha, beta = norm_window(self.norm)
        y = kernels.response_norm(x, below, above, k, alpha, beta)
        return y.detach(), torch.autograd.grad(y, x, torch.from_numpy(self.upstream))[0]

    def given(self) -> dict[str, Any]:
        """What TensorFlow is asked."""
        return {
            f"x/{self.name}": to_last(self.input),
            f"g/{self.name}": to_last(self.upstream),
            f"numbers/{self.name}": np.array([self.radius, self.bias, self.alpha, self.beta]),
        }


def cases() -> Iterator[Case]:
    """Every convention with odd n, as its definition says; and the original one as `convert_norm` turns it."""
    for n, maps, k, alpha, beta in KINDS:
        numbers = f"n={n} k={k:g} alpha={alpha:g} beta={beta:g}, {maps} maps"
        for convention in CONVENTIONS:
            norm = ResponseNorm("norm", n, k, alpha, beta, convention)
            divided = alpha / n if convention in ("original", "onnx") else alpha
            yield Case(f"{convention} {numbers}", norm, maps, n // 2, k, divided, beta)
        norm = ResponseNorm("norm", n, k, alpha, beta)
        turned = convert_norm(norm, "tensorflow")
        yield Case(f"convert_norm {numbers}", norm, maps, turned.n // 2, turned.k, turned.alpha, turned.beta)


def to_last(array: NDArray[Any]) -> NDArray[Any]:
    """(N, C, H, W) → (N, H, W, C)."""
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1))


def to_first(array: NDArray[Any]) -> NDArray[Any]:
    """(N, H, W, C) → (N, C, H, W); matrices as they are."""
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


def prove_lrn(folder: Path) -> tuple[list[Proof], Testimony]:
    """The proof, and what TensorFlow said."""
    asked = list(cases())
    control = Case("control", ResponseNorm("norm"), 96, 2, 2.0, 1e-4, 0.75)  # alpha as the original convention says it
    given = {key: array for case in (*asked, control) for key, array in case.given().items()}
    told = ask("tensorflow_lrn.py", folder, given)
    rows = []
    for case in asked:
        for letter, what, ours in zip("yd", ("", ": gradient"), case.ours(), strict=True):
            theirs = to_first(told.found[f"{letter}/{case.name}"])
            rows.append(alike(case.name + what, ours, np.stack([theirs, theirs]), LRN))
    control_y = to_first(told.found["y/control"])
    rows.append(apart("alpha not divided by n", control.ours()[0][0], control_y, LRN))
    return [Proof("response normalisation: tf.nn.lrn and its gradient", told.witness, LRN_REASON, rows)], told


def prove_tflearn(folder: Path) -> tuple[list[Proof], Testimony]:
    """The proofs, and what Keras said of the network of `tflearn_spec`."""
    net = seeded(tflearn_spec())
    images, labels = views(net.spec, IMAGES, LIMIT), torch.tensor([3, 7])
    parameters = {name: parameter.detach().numpy() for name, parameter in net.named_parameters()}
    given = {"images": to_last(images.numpy()), "labels": labels.numpy(), **parameters}
    told = ask("tensorflow_tflearn.py", folder, given)
    stages = list(compared_stages(net, images, told.found))
    net = seeded(tflearn_spec(dropout=0.0)).train()
    theirs = told.of("gradient/")
    slopes = [alike(name, ours, theirs[name], GRADIENT) for name, ours in gradients(net, images, labels).items()]
    other = gradients(seeded(net.spec.with_norm(convention="original")).train(), images, labels)
    slopes.append(apart("conv1.weight, alpha divided by n", other["conv1.weight"], theirs["conv1.weight"], GRADIENT))
    return [
        Proof("tflearn: every stage of the network in Keras, an eighth of the maps", told.witness, STAGES, stages),
        Proof("tflearn: gradients in training without dropout", told.witness, GRADIENTS, slopes),
    ], told


def tflearn_spec(**options: Any) -> Spec:
    """The network of tflearn at its own size with an eighth of the maps."""
    return narrow(variant("tflearn", **options))


def compared_stages(net: AlexNet, images: Tensor, theirs: dict[str, NDArray[np.float32]]) -> Iterator[Row]:
    """A row for every layer but dropout, one for the logits in use, and what is known of the sizes."""
    names = [name for name in net.names if not name.startswith("drop")]
    with torch.no_grad():
        ours = net.stages(images, names)
        logits = net(images)
    for name in names:
        yield alike(name, ours[name], to_first(theirs[name]), STAGE)
    yield alike("logits in use", logits, theirs["fc8"], STAGE)
    sizes = tuple(theirs[name].shape[1] for name in ("conv1", "pool1", "pool2", "pool5"))
    yield holds(f"positions of conv1, pool1, pool2, pool5: {', '.join(map(str, sizes))}", sizes == POSITIONS)
    other = seeded(net.spec.with_norm(convention="original"))
    with torch.no_grad():
        yield apart("alpha divided by n", other(images), theirs["fc8"], STAGE)
