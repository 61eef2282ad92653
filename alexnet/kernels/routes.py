"""Which route is the fastest for the products of fully connected layers here: measured, not known."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import Final

import torch
from torch import Tensor

from alexnet.kernels.linear import ROUTES, Route, product_name

WORTH: Final = 1 << 24  # multiply-adds; with fewer a product is not worth the measuring
BETTER: Final = 0.9  # of the time of "torch": what another route has to reach, beyond what timings vary
ROUNDS: Final = 3


@dataclass(frozen=True)
class Product:
    """One of the three products of a layer: "forward", "input" or "weight"; N rows, I inputs, O outputs."""

    kind: str
    rows: int
    inputs: int
    outputs: int
    dtype: torch.dtype

    @property
    def name(self) -> str:
        """Its name in a choice."""
        rows, weight = (torch.empty(n, self.inputs, dtype=self.dtype, device="meta") for n in (self.rows, self.outputs))
        return product_name(self.kind, rows, weight)

    @property
    def multiply_adds(self) -> int:
        """Those that it takes by every route."""
        return self.rows * self.inputs * self.outputs

    def operands(self) -> tuple[Tensor, ...]:
        """Some numbers to work on, as the routes of its kind take them."""

        def numbers(*shape: int) -> Tensor:
            return torch.full(shape, 0.5, dtype=self.dtype, device="cpu")

        x, gy = numbers(self.rows, self.inputs), numbers(self.rows, self.outputs)
        weight = numbers(self.outputs, self.inputs)
        return {"forward": (x, weight, weight[:, 0].clone()), "input": (gy, weight), "weight": (gy, x, weight)}[
            self.kind
        ]


def products(sizes: Iterable[tuple[int, int]], rows: Iterable[int], dtype: torch.dtype) -> list[Product]:
    """All products of layers of (inputs, outputs) with so many rows, each once."""
    found = [
        Product(kind, count, inputs, outputs, dtype) for inputs, outputs in sizes for count in rows for kind in ROUTES
    ]
    return list(dict.fromkeys(found))


def routes_here(product: Product) -> dict[str, Callable[[], Tensor]]:
    """The product of some numbers by every route that this machine has, by name; it was computed once by each.

    oneDNN multiplies bf16 only where the processor has instructions for it.
    """
    operands = product.operands()
    works: dict[str, Callable[[], Tensor]] = {}
    for name, route in ROUTES[product.kind].items():
        work = partial(_computed, route, *operands)
        try:
            work()
        except RuntimeError:
            if name == "torch":
                raise
        else:
            works[name] = work
    return works


def choose(wanted: Iterable[Product]) -> dict[str, str]:
    """The fastest route of every product that is large enough and has a choice, by name; see `use_routes`.

    They are timed in turns on torch's threads. PyTorch's own route is kept unless another takes less than 0.9 of its
    time.
    """
    return {
        product.name: fastest(_timed(routes_here(product)))
        for product in wanted
        if product.multiply_adds >= WORTH and len(ROUTES[product.kind]) > 1
    }


def fastest(seconds: dict[str, list[float]]) -> str:
    """The name of the route with the lowest median; "torch" unless that is well below its."""
    medians = {name: median(times) for name, times in seconds.items()}
    best = min(medians, key=lambda name: medians[name])
    return best if medians[best] < BETTER * medians["torch"] else "torch"


@torch.no_grad()
def _computed(route: Route, *operands: Tensor) -> Tensor:
    with torch.autocast("cpu", enabled=False):  # a choice is kept: it is for the numbers that it names
        return route(*operands)


def _timed(works: dict[str, Callable[[], Tensor]]) -> dict[str, list[float]]:
    """Seconds of each work, once a round."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            began = perf_counter()
            work()
            seconds[name].append(perf_counter() - began)
    return seconds
