"""The products of the fully connected layers, by every route: forward, for the input's gradient, for the weight's."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from alexnet.errors import ConfigError
from alexnet.experiments.bench.timing import Measurement, Rounds, Work, in_turns
from alexnet.kernels.linear import ROUTES
from alexnet.kernels.routes import Product, routes_here
from alexnet.model.device import Placement
from alexnet.model.modules import full_connections
from alexnet.model.net import AlexNet
from alexnet.model.spec import Spec

NEW_MEMORY = "torch, new memory"  # the weight's gradient into a block that was just asked for
PACKED = "onednn, packed"  # forward, with a weight that oneDNN has put into its own order before


def bench_linear(spec: Spec, batch_size: int, placement: Placement, rounds: Rounds, **_: Any) -> list[Measurement]:
    """FLOP/s of each product of each layer by each route that runs here, in turns, product by product.

    Beside them two that no choice holds: oneDNN with a packed weight, which has to stand still for that, and a gradient
    in memory that was just asked for. Raises ConfigError for a device that is not a CPU.
    """
    if placement.device.type != "cpu":
        raise ConfigError(
            f"bench linear compares libraries of CPUs; there is nothing to compare on {placement.device}."
        )
    with torch.device("meta"):
        net = AlexNet(spec)
    rows = []
    for name, (inputs, outputs) in full_connections(net).items():
        for kind in ROUTES:
            product = Product(kind, batch_size, inputs, outputs, placement.dtype)
            works = {route: _counted(product, work) for route, work in compared(product).items()}
            for route, rates in in_turns(works, rounds).items():
                what = f"{name}, {kind}, {route}"
                rows.append(Measurement(what, "FLOP/s", rates, batch_size, placement.dtype_name))
    return rows


@torch.no_grad()
def compared(product: Product) -> dict[str, Callable[[], Tensor]]:
    """The product by every route that runs here, and by the ways that are compared beside them."""
    works = routes_here(product)
    if product.kind == "forward" and "onednn" in works:
        x, weight, bias = product.operands()
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, product.rows)
        works[PACKED] = lambda: ROUTES["forward"]["onednn"](x, packed, bias)
    if product.kind == "weight":
        gy, x, _ = product.operands()
        works[NEW_MEMORY] = lambda: torch.mm(gy.t(), x)
    return works


def _counted(product: Product, work: Callable[[], Tensor]) -> Work:
    @torch.no_grad()
    def flops() -> float:
        work()
        return 2.0 * product.multiply_adds

    return flops
