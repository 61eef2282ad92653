import pytest
import torch
from making import tiny_spec

from alexnet.errors import ConfigError
from alexnet.model.account import account
from alexnet.model.field import seen_by
from alexnet.model.net import AlexNet
from alexnet.model.spec import Spec
from alexnet.model.variants import VARIANTS, variant


@pytest.mark.parametrize(
    ("spec", "stage"),
    [
        (tiny_spec(), "conv1"),
        (tiny_spec(), "pool1"),
        (variant("original2012", input_size=99), "pool2"),
        (variant("tflearn", input_size=99), "conv2"),
        (variant("owt", input_size=99), "pool1"),
        (variant("paper", input_size=99), "pool2"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_the_box_holds_exactly_the_pixels_that_have_a_gradient(spec: Spec, stage: str) -> None:
    layers = spec.layers[: [layer.name for layer in spec.layers].index(stage) + 1]
    net = AlexNet(Spec(spec.name, layers, spec.input_size), generator=torch.Generator().manual_seed(0))
    torch.nn.init.normal_(net.get_parameter("conv1.weight"))
    side = account(spec).rows[len(layers) - 1].output[1]
    reached = [0] * 4
    for row, column in ((0, 0), (side // 2, side // 2), (side - 1, side - 1)):
        left, top, right, bottom = seen_by(spec, stage, row, column)
        for seed in range(6):  # a pool passes on one pixel's gradient at a time
            x = torch.randn(1, 3, spec.input_size, spec.input_size, generator=torch.Generator().manual_seed(seed))
            x.requires_grad_()
            (slope,) = torch.autograd.grad(net(x)[0, :, row, column].sum(), x)
            rows, columns = torch.nonzero(slope[0].abs().sum(0), as_tuple=True)
            assert rows.min() >= top and rows.max() < bottom and columns.min() >= left and columns.max() < right
            if row == side // 2:
                edges = (columns.min() - left, rows.min() - top, right - 1 - columns.max(), bottom - 1 - rows.max())
                reached = [done or int(edge) == 0 for done, edge in zip(reached, edges, strict=True)]
    assert all(reached)  # the box is not larger than need be either


@pytest.mark.parametrize("name", VARIANTS)
def test_in_the_middle_it_is_as_large_as_the_account_says(name: str) -> None:
    spec = variant(name, input_size=451)
    for row in account(spec).rows:
        if row.receptive_field is not None and row.receptive_field < 180:
            middle = row.output[1] // 2
            left, top, right, bottom = seen_by(spec, row.name, middle, middle)
            assert (right - left, bottom - top) == (row.receptive_field, row.receptive_field)


def test_after_a_fully_connected_layer_it_is_everything() -> None:
    assert seen_by(variant("paper"), "relu7", 0, 0) == (0, 0, 224, 224)
    with pytest.raises(ConfigError, match="Unknown layer"):
        seen_by(variant("paper"), "relu9", 0, 0)
