from dataclasses import replace

import pytest
import torch

from alexnet.kernels import use_twin
from alexnet.model.fields import fields
from alexnet.model.net import AlexNet
from alexnet.model.variants import VARIANTS, variant


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_an_output_depends_on_its_field_and_on_nothing_else(name: str) -> None:
    """Against the derivative of one output by the input, layer by layer up to the second pool.

    By PyTorch's own convolutions: in tiles, a derivative that is 0 is so but for rounding.
    """
    spec = variant(name)
    spec = replace(spec, layers=spec.layers[:8])
    net = AlexNet(spec, generator=torch.Generator().manual_seed(0)).eval()
    x = torch.rand(1, spec.channels, spec.input_size, spec.input_size, requires_grad=True)
    known = fields(spec)
    with use_twin():
        stages = net.stages(x, [layer.name for layer in spec.layers])
    for stage, output in stages.items():
        row = output.shape[-1] // 2
        (slope,) = torch.autograd.grad(output[0, :, row, 1].sum(), x, retain_graph=True)
        touched = slope[0].abs().sum(0)
        down, across = (touched.sum(axis).nonzero().flatten().tolist() for axis in (1, 0))
        field = known[stage]
        for position, seen in ((row, down), (1, across)):
            first = field.start + position * field.step
            assert first <= seen[0] and seen[-1] < first + field.side, (stage, seen, field)
        if stage == "conv1":
            assert down == list(range(field.start + row * field.step, field.start + row * field.step + field.side))
