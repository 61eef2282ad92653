"""Stochastic gradient descent as the paper writes it (section 5), over fp32 masters and working copies."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from alexnet import kernels
from alexnet.training.schedule import Rate


class MomentumSGD:
    """Updates v ← momentum·v - decay·ε·w - ε·g, then w ← w + v, with g the gradient averaged over the batch.

    The learning rate ε sits inside the velocity, as in the 2012 code and Caffe. `torch.optim.SGD` keeps it outside
    (v ← momentum·v + g + decay·w, w ← w - ε·v): the two agree while ε is constant and part when it changes, where this
    one lets the steps already under way run out at the old rate.

    `net` holds the fp32 masters. With a `working` copy in bf16, gradients are taken from there and the new weights are
    written to both.
    """

    def __init__(
        self, net: nn.Module, working: nn.Module, *, momentum: float, weight_decay: float, bias_decay: bool
    ) -> None:
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.bias_decay = bias_decay
        self.masters = dict(net.named_parameters())
        self.working = dict(working.named_parameters())
        self.velocity = {
            name: torch.zeros_like(master, memory_format=torch.preserve_format) for name, master in self.masters.items()
        }

    @torch.no_grad()
    def step(self, rate_of: Callable[[str], Rate]) -> None:
        """Applies the gradients in the working copy; `rate_of` gives the rates by the name of the layer."""
        for name, master in self.masters.items():
            layer, _, kind = name.rpartition(".")
            rates = rate_of(layer)
            if rates.weight == 0.0:
                continue
            working = self.working[name]
            assert working.grad is not None, name
            bias = kind == "bias"
            kernels.momentum_update(
                master,
                self.velocity[name],
                working.grad,
                None if working is master else working,
                lr=rates.bias if bias else rates.weight,
                momentum=self.momentum,
                weight_decay=0.0 if bias and not self.bias_decay else self.weight_decay,
            )

    def zero_grad(self) -> None:
        """Drops the gradients."""
        for parameter in self.working.values():
            parameter.grad = None

    bytes_a_step = 0  # nothing is sent

    def begin_part(self, *, last: bool) -> None:
        """Nothing: PyTorch adds the gradients of one part to those before."""

    def end_part(self) -> None:
        """Nothing, as `begin_part`."""

    def settle(self) -> None:
        """Nothing: all weights are here."""

    def load_velocity(self, velocity: Mapping[str, Tensor]) -> None:
        """Takes over the velocities of a checkpoint. Raises KeyError or ValueError unless each is there whole."""
        for name, mine in self.velocity.items():
            if not isinstance(theirs := velocity[name], Tensor) or theirs.shape != mine.shape:
                raise ValueError(f"the velocity of {name} is not of shape {tuple(mine.shape)}")
            mine.copy_(theirs)
