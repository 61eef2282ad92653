"""The bare training step, and the ceilings above it. N images, K classes."""

from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.evaluation.evaluate import input_layout
from alexnet.experiments.bench.counting import multiplied_flops, training_flops
from alexnet.experiments.bench.timing import Measurement, Rounds, Work, in_turns, rate_of
from alexnet.hardware import page_faults, peak_memory
from alexnet.kernels import ceiling, space_to_depth, use_routes
from alexnet.kernels.routes import choose, products
from alexnet.model.device import DTYPES, Placement, bf16_is_fast, working_copy
from alexnet.model.modules import full_connections
from alexnet.model.net import AlexNet
from alexnet.model.spec import Spec
from alexnet.training.optimiser import MomentumSGD
from alexnet.training.recipe import Recipe
from alexnet.training.schedule import Rate

SIDES = (1024, 2048, 3072)  # of the square matrices
SLOW_SIDES = (512,)  # for bf16 without instructions for it: a thousandth of the speed
LOOP_ROUNDS = 1_000_000  # some milliseconds
RATE = Rate(1e-4, 1e-4)  # small enough that random labels never make the numbers infinite


@dataclass
class BareStep:
    """A training step and nothing around it: forward, loss, backward and update, on one random batch again and again.

    The batch is in the layout in which the loader delivers it. On a CPU the fully connected layers take the routes that
    are the fastest for them now, as `alexnet train` finds them.
    """

    spec: Spec
    batch_size: int
    placement: Placement

    def __post_init__(self) -> None:
        recipe, device = Recipe(), self.placement.device
        torch.manual_seed(0)
        net = AlexNet(self.spec).to(device)
        self._working = working_copy(net, self.placement).train()
        self._optimiser = MomentumSGD(
            net,
            self._working,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            bias_decay=recipe.bias_decay,
        )
        self._images = random_images(net, self.batch_size, self.placement)
        self._labels = torch.randint(self.spec.classes, (self.batch_size,), device=device)
        layers = full_connections(net).values() if device.type == "cpu" else ()
        self.routes = choose(products(layers, [self.batch_size], self.placement.dtype))

    def __call__(self) -> float:
        """The number of images, after one step."""
        with use_routes(self.routes):
            return self._step()

    def plain(self) -> float:
        """The same with `F.linear` and its gradients for the fully connected layers."""
        with use_routes(None):
            return self._step()

    def multiplied(self) -> float:
        """The FLOPs of an image as they are made: fewer than `training_flops` where convolutions are in tiles.

        Zeros that fill blocks are no work.
        """
        return min(training_flops(self.spec), multiplied_flops(self) / self.batch_size)

    def _step(self) -> float:
        self._optimiser.zero_grad()
        loss = F.cross_entropy(self._working(self._images).float(), self._labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step(lambda layer: RATE)
        settle(self.placement.device)
        return self.batch_size


def random_images(net: AlexNet, count: int, placement: Placement) -> Tensor:
    """Noise with the spread of photographs, in the layout that `net` takes images in there."""
    spec, layout = net.spec, input_layout(net, placement)
    images = 60 * torch.randn(count, spec.channels, spec.input_size, spec.input_size)
    return space_to_depth(images, layout.block, layout.padding).to(placement.device, layout.dtype)


def settle(device: torch.device) -> None:
    """Waits until the device has done what it was told to; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def memory_of(device: torch.device) -> int:
    """The most bytes in use so far: on a CUDA device there, else in this process."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory()


def squares(dtype: torch.dtype, device: torch.device) -> dict[str, Work]:
    """Products of two square matrices by side, each a work that returns its FLOPs."""

    def multiply(a: Tensor, b: Tensor, out: Tensor) -> float:
        torch.mm(a, b, out=out)
        settle(device)
        return 2.0 * len(a) ** 3

    works: dict[str, Work] = {}
    slow = dtype is torch.bfloat16 and not bf16_is_fast(device)
    for side in SLOW_SIDES if slow else SIDES:
        a, b = (torch.randn(side, side, dtype=dtype, device=device) for _ in range(2))
        works[f"{side}"] = partial(multiply, a, b, torch.empty_like(a))
    return works


def loop(dtype: str, device: torch.device) -> Work | None:
    """Multiply-adds in registers (`alexnet.kernels.ceiling`) as a work that returns its FLOPs; None where none run."""
    if device.type != "cpu" or not ceiling.run(dtype, 1)[0]:
        return None
    return lambda: ceiling.run(dtype, LOOP_ROUNDS)[0]


def fastest_product(rates: dict[str, list[float]], dtype: str) -> Measurement:
    """The row of the fastest of the `squares` of a dtype, whose names are the dtype and a side."""
    rows = [
        Measurement(f"matrix product, {name.split()[1]}²", "FLOP/s", samples, dtype=dtype)
        for name, samples in rates.items()
        if name.startswith(f"{dtype} ") and name.split()[1].isdigit()
    ]
    return max(rows, key=lambda row: row.median)


def bench_step(spec: Spec, batch_size: int, placement: Placement, rounds: Rounds, **_: Any) -> list[Measurement]:
    """The bare step, and for both types the ceilings of what the machine can do.

    They are the fastest of some matrix products, and a loop of multiply-adds in registers where there is one. The
    step's share is of the higher of those of its type, by the products that are made. On a CPU the last row is the step
    with `F.linear`.
    """
    bare_step = BareStep(spec, batch_size, placement)
    rate_of(bare_step, 0)
    peak = memory_of(placement.device)  # before the matrices come
    works: dict[str, Work] = {"step": bare_step}
    if placement.device.type == "cpu":
        works["plain"] = bare_step.plain
    for name, dtype in DTYPES.items():
        works |= {f"{name} {side}": work for side, work in squares(dtype, placement.device).items()}
        if (looped := loop(name, placement.device)) is not None:
            works[f"{name} loop"] = looped
    rates = in_turns(works, rounds)
    ceilings = [fastest_product(rates, name) for name in DTYPES]
    ceilings += [
        Measurement("multiply-adds in registers", "FLOP/s", rates[f"{name} loop"], dtype=name)
        for name in DTYPES
        if f"{name} loop" in rates
    ]
    highest = max(row.median for row in ceilings if row.dtype == placement.dtype_name)
    bare = Measurement("training step", "images/s", rates["step"])
    asked, made = training_flops(spec), bare_step.multiplied()
    facts = {
        "flops_per_image": asked,
        "flops_per_second": bare.median * asked,
        "multiplied": made / asked,
        "share_of_ceiling": bare.median * made / highest,
    }
    numbers = bare.what, bare.unit, bare.samples, batch_size, placement.dtype_name, peak, facts
    if "plain" not in works:
        return [Measurement(*numbers), *ceilings]
    facts["of_plain"] = median(ours / theirs for ours, theirs in zip(rates["step"], rates["plain"], strict=True))
    facts["routes"] = len([route for route in bare_step.routes.values() if route != "torch"])
    facts["page_faults"] = _faults(works["step"])  # of a step; hundreds of thousands where freed memory is not kept
    step = Measurement(*numbers)
    plain_facts = {"page_faults": _faults(works["plain"])}
    plain = Measurement("the same with F.linear", bare.unit, rates["plain"], batch_size, step.dtype, facts=plain_facts)
    return [step, *ceilings, plain]


def _faults(work: Work) -> int:
    """The pages that the system had to find for a work that comes again and again."""
    work()
    before = page_faults()
    work()
    return page_faults() - before
