"""GFLOP/s of the paper's convolutions, forward and backward, each in several formulations of the same sums.

    .venv/bin/python bench/convolutions.py                      # all layers, batch 128, the machine's own numbers
    .venv/bin/python bench/convolutions.py --passes weight --rounds 7 --json

PyTorch's own is the first of each pass, and the last column is a rate over that one's. Let nothing else run
meanwhile. N images, C maps in, O maps out, H×W pixels, K×K kernels, T groups.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from typing import Any, Final

from alexnet.process import set_up, thread_count

if __name__ == "__main__":
    set_up(os.environ)  # before torch is imported

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.cli.terminal import print_table
from alexnet.experiments.bench.machine import machine
from alexnet.experiments.bench.timing import Rounds, in_turns
from alexnet.kernels.winograd import winograd
from alexnet.model.device import DTYPES, place


@dataclass(frozen=True)
class Layer:
    """A convolution of stride 1 as the training step runs it: the first one over images in blocks."""

    name: str
    maps_in: int
    maps_out: int
    side: int  # of its input
    kernel: int
    padding: int
    groups: int

    @property
    def side_out(self) -> int:
        """The side of its output."""
        return self.side + 2 * self.padding - self.kernel + 1

    def flops(self, count: int) -> float:
        """Of one pass over so many images."""
        return 2.0 * count * self.maps_out * self.side_out**2 * self.maps_in // self.groups * self.kernel**2


LAYERS: Final = (
    Layer("conv1", 48, 96, 57, 3, 0, 1),
    Layer("conv2", 96, 256, 27, 5, 2, 2),
    Layer("conv3", 256, 384, 13, 3, 1, 1),
    Layer("conv4", 384, 384, 13, 3, 1, 2),
    Layer("conv5", 384, 256, 13, 3, 1, 2),
)


@dataclass(frozen=True)
class Case:
    """A layer with numbers: input x (N, C, H, W), weight w (O, C/T, K, K), gradient g of the output (N, O, H', W')."""

    layer: Layer
    x: Tensor
    w: Tensor
    g: Tensor

    @classmethod
    def random(cls, layer: Layer, count: int, dtype: torch.dtype) -> "Case":
        """Noise, maps innermost in memory; gradients of the size that sums of so many have."""
        draw = torch.Generator().manual_seed(0)

        def noise(*shape: int) -> Tensor:
            return torch.randn(shape, generator=draw).to(dtype, memory_format=torch.channels_last)

        inputs = layer.maps_in // layer.groups
        return cls(
            layer,
            noise(count, layer.maps_in, layer.side, layer.side),
            noise(layer.maps_out, inputs, layer.kernel, layer.kernel) / (inputs * layer.kernel**2) ** 0.5,
            noise(count, layer.maps_out, layer.side_out, layer.side_out) / layer.side_out,
        )

    def towers(self) -> list["Case"]:
        """The groups as layers of their own; their maps lie among those of the others."""
        layer, groups = self.layer, self.layer.groups
        alone = Layer(
            layer.name,
            layer.maps_in // groups,
            layer.maps_out // groups,
            layer.side,
            layer.kernel,
            layer.padding,
            groups=1,
        )
        parts = (self.x.chunk(groups, 1), self.w.chunk(groups), self.g.chunk(groups, 1))
        return [Case(alone, *part) for part in zip(*parts, strict=True)]

    def outermost(self) -> "Case":
        """The same with maps outermost in memory, PyTorch's usual order."""
        return Case(self.layer, self.x.contiguous(), self.w.contiguous(), self.g.contiguous())


Formulation = Callable[[Case], Tensor]


def forward(case: Case) -> Tensor:
    """(N, O, H', W'), by the library's convolution."""
    return F.conv2d(case.x, case.w, padding=case.layer.padding, groups=case.layer.groups)


def backward(case: Case, wanted: int) -> Tensor:
    """The gradient of input (0) or weight (1), by the library's convolution, asked for this one alone."""
    padding, groups = [case.layer.padding] * 2, case.layer.groups
    mask = [number == wanted for number in range(3)]
    numbers = (None, [1, 1], padding, [1, 1], False, [0, 0], groups, mask)
    gradient: Tensor = torch.ops.aten.convolution_backward(case.g, case.x, case.w, *numbers)[wanted]
    return gradient


def together(case: Case) -> Tensor:
    """Both gradients in one call, as autograd asks for them: that of the input (N, C, H, W)."""
    padding, groups = [case.layer.padding] * 2, case.layer.groups
    numbers = (None, [1, 1], padding, [1, 1], False, [0, 0], groups, [True, True, False])
    gradient: Tensor = torch.ops.aten.convolution_backward(case.g, case.x, case.w, *numbers)[0]
    return gradient


def one_by_one(case: Case) -> Tensor:
    """Both gradients in two calls: that of the input."""
    backward(case, 1)
    return backward(case, 0)


def in_tiles(case: Case) -> Tensor:
    """`forward` in Winograd's tiles, which take fewer products; its rate counts those of the others."""
    bias = case.w.new_zeros(len(case.w))
    return winograd(case.x, case.w, bias, (case.layer.padding,) * 2, case.layer.groups)


def backward_in_tiles(case: Case, wanted: int) -> Tensor:
    """`backward` in Winograd's tiles."""
    where = *[case.layer.padding] * 2, case.layer.groups
    if wanted == 0:
        gradient: Tensor = torch.ops.alexnet.winograd_input(case.g, case.w, *case.x.shape[2:], *where)
    else:
        gradient = torch.ops.alexnet.winograd_weight(case.g, case.x, case.w, *where)
    return gradient


def input_as_forward(case: Case) -> Tensor:
    """The gradient of the input as a forward convolution of `g` with the turned kernel, maps in and out exchanged."""
    layer = case.layer
    turned = torch.cat([w.flip(2, 3).transpose(0, 1) for w in case.w.chunk(layer.groups)])  # (C, O/T, K, K)
    turned = turned.contiguous(memory_format=torch.channels_last)
    return F.conv2d(case.g, turned, padding=layer.kernel - 1 - layer.padding, groups=layer.groups)


def weight_as_forward(case: Case) -> Tensor:
    """The gradient of a dense weight as a forward convolution whose images are maps and whose kernel is `g`."""
    x, g = (t.transpose(0, 1) for t in (case.x, case.g))
    return F.conv2d(x, g, padding=case.layer.padding).transpose(0, 1)  # (O, C, K, K)


def weight_by_columns(case: Case, images: int = 0) -> Tensor:
    """The gradient of a dense weight as gᵀ · columns, the windows of so many images (0: all) copied out at a time."""
    layer, k = case.layer, case.layer.kernel
    x = F.pad(case.x, [layer.padding] * 4).permute(0, 2, 3, 1)  # (N, H, W, C)
    g = case.g.permute(0, 2, 3, 1)  # (N, H', W', O)
    total = torch.zeros(layer.maps_out, k * k * layer.maps_in)
    for some, gradient in zip(x.split(images or len(x)), g.split(images or len(g)), strict=True):
        windows = some.unfold(1, k, 1).unfold(2, k, 1).permute(0, 1, 2, 4, 5, 3)  # (n, H', W', K, K, C)
        columns = windows.reshape(-1, k * k * layer.maps_in)
        total += gradient.reshape(-1, layer.maps_out).t() @ columns  # summed in fp32
    return total.view(layer.maps_out, k, k, layer.maps_in).permute(0, 3, 1, 2).to(case.x.dtype)


def weight_by_shifts(case: Case) -> Tensor:
    """The gradient of a dense weight as K² products of two whole maps, one moved against the other: no windows.

    Both are padded to one size, `g` by zeros at the right and bottom, so that a move is an offset in memory. The zeros
    are multiplied too.
    """
    layer, k = case.layer, case.layer.kernel
    x = F.pad(case.x, [layer.padding] * 4).permute(0, 2, 3, 1).contiguous()  # (N, H, W, C)
    g = F.pad(case.g, [0, k - 1, 0, k - 1]).permute(0, 2, 3, 1).contiguous()  # (N, H, W, O)
    width = x.shape[2]
    pixels, gradient = x.view(-1, layer.maps_in), g.view(-1, layer.maps_out).t()  # (N·H·W, C), (O, N·H·W)
    places = [row * width + column for row in range(k) for column in range(k)]
    moved = [gradient[:, : len(pixels) - place] @ pixels[place:] for place in places]
    return torch.stack(moved, -1).view(layer.maps_out, layer.maps_in, k, k)


def by_towers(formulation: Formulation, case: Case, axis: int = 0) -> Tensor:
    """`formulation` of each group as a layer of its own; `axis` is that of the groups in what it gives."""
    return torch.cat([formulation(tower) for tower in case.towers()], axis)


def by_copied_towers(formulation: Formulation, case: Case) -> Tensor:
    """The same for weights, with each group's maps copied together first."""

    def copied(maps: Tensor) -> Tensor:
        return maps.contiguous(memory_format=torch.channels_last)

    return torch.cat([formulation(Case(c.layer, copied(c.x), c.w, copied(c.g))) for c in case.towers()])


TILES: Final = "in tiles"  # of fp32 alone

PASSES: Final[dict[str, dict[str, Formulation]]] = {
    "forward": {
        "convolution": forward,
        TILES: in_tiles,
        "by towers": partial(by_towers, forward, axis=1),
    },
    "input": {
        "convolution_backward": partial(backward, wanted=0),
        TILES: partial(backward_in_tiles, wanted=0),
        "by towers": partial(by_towers, partial(backward, wanted=0), axis=1),
        "as a forward convolution": input_as_forward,
    },
    "both": {
        "one convolution_backward": together,
        "two": one_by_one,
    },
    "weight": {
        "convolution_backward": partial(backward, wanted=1),
        TILES: partial(backward_in_tiles, wanted=1),
        "by towers": partial(by_towers, partial(backward, wanted=1)),
        "by copied towers": partial(by_copied_towers, partial(backward, wanted=1)),
        "as a forward convolution": partial(by_towers, weight_as_forward),
        "columns of all images": partial(by_towers, weight_by_columns),
        "columns of 8 images": partial(by_towers, partial(weight_by_columns, images=8)),
        "shifts": partial(by_towers, weight_by_shifts),
    },
}
MAPS_OUTERMOST: Final = {
    "forward": forward,
    "input": partial(backward, wanted=0),
    "weight": partial(backward, wanted=1),
}


def works_of(case: Case, name: str) -> dict[str, Callable[[], float]]:
    """The formulations of a pass over `case`, each a work that returns its FLOPs."""
    flops = case.layer.flops(len(case.x)) * (2 if name == "both" else 1)

    def work(formulation: Formulation, numbers: Case) -> float:
        formulation(numbers)
        return flops

    alone, tiled = case.layer.groups == 1, case.x.dtype == torch.float32
    found = {
        title: partial(work, formulation, case)
        for title, formulation in PASSES[name].items()
        if not (alone and "towers" in title) and (tiled or title != TILES)
    }
    usual = next(iter(PASSES[name].values()))
    return found | {"the first, maps outermost": partial(work, usual, case.outermost())}


def main(words: list[str]) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dtype", choices=["auto", *DTYPES], default="auto")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a round, at least")
    parser.add_argument("--layers", nargs="*", default=[layer.name for layer in LAYERS])
    parser.add_argument("--passes", nargs="*", choices=list(PASSES), default=list(PASSES))
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(words)
    if threads := asked.threads or thread_count(os.environ):
        torch.set_num_threads(threads)
    placement = place("cpu", asked.dtype)
    rows: list[dict[str, Any]] = []
    for layer in (layer for layer in LAYERS if layer.name in asked.layers):
        case = Case.random(layer, asked.batch, placement.dtype)
        for name in asked.passes:
            if name in ("input", "both") and layer is LAYERS[0]:
                continue  # images need no gradient
            rates = in_turns(works_of(case, name), Rounds(asked.rounds, asked.seconds))
            rows += [{"layer": layer.name, "pass": name, "how": how, "rates": found} for how, found in rates.items()]
    if asked.json:
        told = {
            "command": " ".join(["python bench/convolutions.py", *words]),
            "batch": asked.batch,
            "layers": [asdict(layer) for layer in LAYERS],
            "machine": machine(placement),
        }
        print(json.dumps({**told, "rows": rows}, indent=1))
        return
    usual = {(row["layer"], row["pass"]): median(row["rates"]) for row in reversed(rows)}
    cells = []
    for row in rows:
        rate, ratio = median(row["rates"]), median(row["rates"]) / usual[row["layer"], row["pass"]]
        spread = (max(row["rates"]) - min(row["rates"])) / rate
        cells.append([row["layer"], row["pass"], row["how"], f"{rate / 1e9:,.0f}", f"{spread:.0%}", f"{ratio:.2f}"])
    print(
        f"batch {asked.batch}, {placement.dtype_name}, threads {torch.get_num_threads()}, torch {torch.__version__}\n"
    )
    print_table(["layer", "pass", "formulation", ">GFLOP/s", ">spread", ">ratio"], cells)


if __name__ == "__main__":
    main(sys.argv[1:])
