"""Fully connected layers by the library fastest for their sizes: `torch.ops.alexnet.linear`, with its gradients.

PyTorch takes products of fp32 numbers to one library and convolutions to another. On some processors the one for
products is the slower, or slow for some sizes: which is which was to be measured (`alexnet.kernels.routes`). Routes
differ in the order of sums, so in the last bits.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.errors import unknown
from alexnet.kernels.fused import twins_only
from alexnet.kernels.operators import fake, gradient, operator
from alexnet.kernels.own_memory import gradient_memory

Route = Callable[..., Tensor]


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return y


ROUTES: Final[dict[str, dict[str, Route]]] = {
    "forward": {  # x (N, I), weight (O, I), bias (O,) → (N, O)
        "torch": F.linear,
        "onednn": _onednn,
        "transposed": lambda x, weight, bias: torch.addmm(bias[:, None], weight, x.t()).t().contiguous(),
    },
    "input": {  # gradient (N, O), weight (O, I) → (N, I)
        "torch": torch.mm,
        "onednn": lambda gy, weight: _onednn(gy, weight.t(), None),
        "transposed": lambda gy, weight: torch.mm(weight.t(), gy.t()).t().contiguous(),
    },
    "weight": {  # gradient (N, O), x (N, I), memory (O, I) → (O, I)
        "torch": lambda gy, x, out: torch.mm(gy.t(), x, out=out),
    },
}
"""How each of a layer's three products may be computed, by name; "torch" is what PyTorch itself does."""

_chosen: Mapping[str, str] | None = {}


def is_route(product: str, route: str) -> bool:
    """Whether there is such a route for the product of that name."""
    return route in ROUTES.get(product.partition(" ")[0], {})


@contextmanager
def use_routes(chosen: Mapping[str, str] | None) -> Iterator[None]:
    """Computes the products named inside by the routes given, others by "torch"; with None, all as `F.linear` does.

    `chosen` is route by product, as `alexnet.kernels.routes` makes it. Raises ConfigError for an unknown route.
    """
    global _chosen
    for name, route in (chosen or {}).items():
        if not is_route(name, route):
            raise unknown(f"route of {name!r}", route, ROUTES.get(name.partition(" ")[0], ()))
    before, _chosen = _chosen, chosen
    try:
        yield
    finally:
        _chosen = before


def product_name(kind: str, x: Tensor, weight: Tensor) -> str:
    """What a product is called in a choice: kind, type, rows, inputs and outputs."""
    outputs, inputs = weight.shape
    dtype = "fp32" if x.dtype == torch.float32 else "bf16"
    return f"{kind} {dtype} {x.shape[0]}x{inputs}x{outputs}"


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, routes: Mapping[str, str] | None = None) -> Tensor:
    """`F.linear`: (N, I) → (N, O) with `weight` (O, I) and `bias` (O,), by the route in use for the sizes.

    `routes` are those of a layer that stands still; without them the ones of `use_routes` hold.
    The gradient of a large weight lies in memory that is used again for the next one. What the operators are not made
    for (other devices, types and dimensions, autocast) is computed by `F.linear`.
    """
    chosen = _chosen if routes is None else routes
    wanted = bool(chosen) or (chosen is not None and torch.is_grad_enabled() and weight.requires_grad)
    if bias is None or not wanted or not _fits(x, weight, bias):
        return F.linear(x, weight, bias)
    y: Tensor = _linear(x, weight, bias, _route("forward", x, weight, chosen))
    return y


def _fits(x: Tensor, weight: Tensor, bias: Tensor) -> bool:
    kinds = {(t.device.type, t.dtype) for t in (x, weight, bias)}
    known = kinds in ({("cpu", torch.float32)}, {("cpu", torch.bfloat16)})
    return known and x.ndim == 2 and not twins_only() and not torch.is_autocast_enabled("cpu")


def _route(kind: str, x: Tensor, weight: Tensor, chosen: Mapping[str, str] | None) -> str:
    return (chosen or {}).get(product_name(kind, x, weight), "torch")


@operator()
def _linear(x: Tensor, weight: Tensor, bias: Tensor, route: str) -> Tensor:
    return ROUTES["forward"][route](x, weight, bias)


@operator()
def _linear_input(gy: Tensor, weight: Tensor) -> Tensor:
    """The gradient of the input, (N, I)."""
    return ROUTES["input"][_route("input", gy, weight, _chosen)](gy, weight)


@operator()
def _linear_weight(gy: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """The gradient of the weight, (O, I), of which only the shape, and whose memory it is, matter here."""
    return ROUTES["weight"][_route("weight", gy, weight, _chosen)](gy, x, gradient_memory(weight))


@fake(_linear)
def _(x: Tensor, weight: Tensor, bias: Tensor, route: str) -> Tensor:
    return x.new_empty((x.shape[0], weight.shape[0]))


@fake(_linear_input)
def _(gy: Tensor, weight: Tensor) -> Tensor:
    return gy.new_empty((gy.shape[0], weight.shape[1]))


@fake(_linear_weight)
def _(gy: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    return torch.empty_like(weight, memory_format=torch.contiguous_format)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:2])


def _save_three(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


# The gradient of each of the three products is made of the other two.


def _linear_gradient(ctx: Any, gy: Tensor) -> tuple[Tensor | None, ...]:
    x, weight = ctx.saved_tensors
    wanted = ctx.needs_input_grad
    return (
        _linear_input(gy, weight) if wanted[0] else None,
        _linear_weight(gy, x, weight) if wanted[1] else None,
        gy.sum(0) if wanted[2] else None,
        None,
    )


def _input_gradient(ctx: Any, ggx: Tensor) -> tuple[Tensor | None, ...]:
    gy, weight = ctx.saved_tensors
    wanted = ctx.needs_input_grad
    return (
        _linear(ggx, weight, ggx.new_zeros(len(weight)), "torch") if wanted[0] else None,
        _linear_weight(gy, ggx, weight) if wanted[1] else None,
    )


def _weight_gradient(ctx: Any, ggw: Tensor) -> tuple[Tensor | None, ...]:
    gy, x, _ = ctx.saved_tensors
    wanted = ctx.needs_input_grad
    return (
        _linear(x, ggw, x.new_zeros(len(ggw)), "torch") if wanted[0] else None,
        _linear_input(gy, ggw) if wanted[1] else None,
        None,
    )


gradient(_linear, _linear_gradient, _save)
gradient(_linear_input, _input_gradient, _save)
gradient(_linear_weight, _weight_gradient, _save_three)
