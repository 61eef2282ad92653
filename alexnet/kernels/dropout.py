"""Dropout with the ReLU before it, registered with PyTorch: `torch.ops.alexnet.relu_dropout`, with its gradient."""

from typing import Any

import torch
from torch import Tensor

from alexnet.errors import ConfigError
from alexnet.kernels import native, twins
from alexnet.kernels.fused import fused, is_bf16
from alexnet.kernels.operators import fake, gradient, no_gradient, operator
from alexnet.kernels.torch_compile import twin


def relu_dropout(x: Tensor, p: float, seed: int, relu: bool = True) -> Tensor:
    """`x`, after a ReLU unless `relu` is False, with dropout: zero with probability `p`, else divided by 1-p.

    Which elements are dropped is a function of `seed` (0 to 2^63 - 1) and the element's place in row-major order
    alone: use another seed for every layer and step. Raises ConfigError for a `p` or `seed` out of range.
    (PAPER, section 4.2; there the outputs are halved at test time instead)
    """
    if not (0 <= p < 1 and 0 <= seed < 2**63):
        raise ConfigError(f"Dropout needs p from 0 to below 1 and a seed from 0 to 2^63 - 1, not {p} and {seed}.")
    if not fused(x.device, x.dtype):
        return twin(twins.relu_dropout, x)(x, p, seed, relu)
    y: Tensor = _relu_dropout(x, p, seed, relu)
    return y


@operator()
def _relu_dropout(x: Tensor, p: float, seed: int, relu: bool) -> Tensor:
    x = x.contiguous()
    y = torch.empty_like(x)
    numbers = torch.get_num_threads(), seed, twins.dropout_threshold(p), 1 / (1 - p), relu
    native.run("dropout_forward", x.numel(), is_bf16(x), *numbers, x.data_ptr(), y.data_ptr())
    return y


@operator()
def _relu_dropout_backward(gy: Tensor, y: Tensor | None, p: float, seed: int) -> Tensor:
    """The gradient; `y` is the output of a forward pass with ReLU."""
    gy = gy.contiguous()
    gx = torch.empty_like(gy)
    numbers = torch.get_num_threads(), seed, twins.dropout_threshold(p), 1 / (1 - p)
    pointers = y.data_ptr() if y is not None else None, gy.data_ptr(), gx.data_ptr()
    native.run("dropout_backward", gy.numel(), is_bf16(gy), *numbers, *pointers)
    return gx


@fake(_relu_dropout)
def _(x: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@fake(_relu_dropout_backward)
def _(gy: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(gy, memory_format=torch.contiguous_format)


def _save_dropout(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, *ctx.numbers, relu = inputs
    ctx.save_for_backward(output if relu else None)


def _dropout_gradient(ctx: Any, gy: Tensor) -> tuple[Tensor | None, ...]:
    return _relu_dropout_backward(gy, *ctx.saved_tensors, *ctx.numbers), None, None, None


gradient(_relu_dropout, _dropout_gradient, _save_dropout)
no_gradient(_relu_dropout_backward)
