"""Operators of PyTorch made of Python functions that call a kernel.

What `torch.library.custom_op` does besides costs a second and a half at the first call: it imports torch._dynamo.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.library import Library, infer_schema

from alexnet.errors import ConfigError

Operator = Callable[..., Any]

_LIBRARY: Final = Library("alexnet", "DEF")  # type: ignore[no-untyped-call]


def operator(*, mutates_args: Sequence[str] = ()) -> Callable[[Callable[..., object]], Operator]:
    """Makes `torch.ops.alexnet.NAME` for tensors of the CPU of a function called _NAME with annotated arguments.

    The function must return new tensors only. The operators of one that has `mutates_args` have no gradient.
    """

    def define(kernel: Callable[..., object]) -> Operator:
        name = kernel.__name__.removeprefix("_")
        schema = infer_schema(kernel, mutates_args=mutates_args)
        _LIBRARY.define(name + schema, tags=torch.Tag.pt2_compliant_tag)  # type: ignore[no-untyped-call]
        _LIBRARY.impl(name, kernel, "CPU")  # type: ignore[no-untyped-call]
        made: Operator = getattr(torch.ops.alexnet, name).default
        return made

    return define


def fake(of: Any) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Registers what operator `of` returns for tensors without content: their shapes, types and memory formats."""

    def register(function: Callable[..., object]) -> Callable[..., object]:
        torch.library.register_fake(of, function, lib=_LIBRARY)
        return function

    return register


def gradient(of: Any, backward: Callable[..., object], save: Callable[..., None]) -> None:
    """Registers the gradient of operator `of`: `save(ctx, inputs, output)`, later `backward(ctx, *gradients)`.

    A gradient that itself is to be derived in forward mode is refused: its derivative would be lost.
    """

    def checked(ctx: Any, *gradients: Tensor | None) -> object:
        if forward_ad._current_level >= 0 and any(map(_is_dual, gradients)):
            raise ConfigError(
                f"{of} has no forward-mode derivatives, so gradients that are derived so need the plain twins: compute "
                "what they are gradients of inside `alexnet.kernels.use_twin()`."
            )
        return backward(ctx, *gradients)

    torch.library.register_autograd(of, checked, setup_context=save, lib=_LIBRARY)


def _is_dual(x: Tensor | None) -> bool:
    return x is not None and forward_ad.unpack_dual(x).tangent is not None  # type: ignore[no-untyped-call]


def no_gradient(of: Any) -> None:
    """Makes a gradient through operator `of`, itself one, an error: PyTorch would warn and go on with zeros."""

    def refuse(ctx: Any, *gradients: Any) -> None:
        raise ConfigError(
            f"{of} has no gradient, so second derivatives need the plain twins: compute with them inside "
            "`alexnet.kernels.use_twin()`."
        )

    torch.library.register_autograd(of, refuse, lib=_LIBRARY)
