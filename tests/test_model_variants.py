"""Every row against what its source says of it: sizes, orders, starts, and geometry worked out independently."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from alexnet.errors import ConfigError
from alexnet.model.account import account, smallest_input
from alexnet.model.net import AlexNet
from alexnet.model.spec import Conv, Dropout, Layer, Linear, ResponseNorm, Spec
from alexnet.model.variants import CAFFENET, OWT, PAPER, TFLEARN, UNGROUPED, VARIANTS, variant

# Parameters and multiply-adds, worked out by hand from the sources or published.
SIZES = {
    "paper": (60_965_224, 724_406_816),
    "original2012": (60_965_224, 724_406_816),
    "one_column_half": (59_798_312, 391_514_384),
    "bvlc_alexnet": (60_965_224, 724_406_816),
    "caffenet": (60_965_224, 724_406_816),
    "owt": (61_100_840, 714_188_480),
    "owt_lrn": (61_100_840, 714_188_480),
    "ungrouped": (62_378_344, 1_135_256_096),
    "tflearn": (87_711_121, 1_410_616_864),
}
LAYER1 = {
    "paper": "relu1 norm1 pool1",
    "original2012": "norm1 pool1 relu1",
    "one_column_half": "relu1 norm1 pool1",
    "bvlc_alexnet": "relu1 norm1 pool1",
    "caffenet": "relu1 pool1 norm1",
    "owt": "relu1 pool1",
    "owt_lrn": "norm1 pool1 relu1",
    "ungrouped": "relu1 norm1 pool1",
    "tflearn": "relu1 pool1 norm1",
}
LAYER2 = {
    **{name: order.replace("1", "2") for name, order in LAYER1.items()},
    "original2012": "relu2 norm2 spatial2 pool2",
    "owt_lrn": "relu2 norm2 pool2",
}
WEIGHTED = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")


def thinned(spec: Spec, size: int) -> Spec:
    """An eighth of the maps and few units, cheap enough to run."""

    def thin(layer: Layer) -> Layer:
        if isinstance(layer, Conv):
            return replace(layer, channels=layer.channels // 8)
        return replace(layer, units=16) if isinstance(layer, Linear) and layer.units else layer

    return replace(spec.mapped(thin), input_size=size, classes=5)


def sizes(spec: Spec) -> dict[str, int]:
    return {row.name: row.output[-1] for row in account(spec).rows if len(row.output) == 3}


def test_every_variant_is_in_the_tables_of_this_test() -> None:
    assert {*VARIANTS} == {*SIZES} == {*LAYER1}
    assert all(spec.name == name and spec.summary and spec.source for name, spec in VARIANTS.items())


@pytest.mark.parametrize("name", VARIANTS)
def test_parameters_and_multiply_adds_are_the_published_ones(name: str) -> None:
    found = account(variant(name))
    assert (found.total("parameters"), found.total("macs")) == SIZES[name]


def test_the_tflearn_program_has_91_738_472_parameters_only_with_the_1000_outputs_it_prints() -> None:
    assert account(variant("tflearn", classes=1000)).total("parameters") == 91_738_472
    assert 91_738_472 - SIZES["tflearn"][0] == (1000 - 17) * (4096 + 1)


@pytest.mark.parametrize("name", VARIANTS)
def test_layers_come_in_the_order_of_the_source(name: str) -> None:
    names = " ".join(layer.name for layer in VARIANTS[name].layers)
    assert f"conv1 {LAYER1[name]} conv2 {LAYER2[name]} conv3 relu3 conv4 relu4 conv5 " in names
    assert [layer for layer in names.split() if layer in WEIGHTED] == [*WEIGHTED]


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "tflearn"])
def test_all_but_tflearn_go_from_55_positions_over_27_and_13_to_6(name: str) -> None:
    found = sizes(VARIANTS[name])
    layers = ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")
    assert [found[layer] for layer in layers] == [55, 27, 27, 13, 13, 13, 13, 6]


@pytest.mark.parametrize("size", [227, 224, 225, 64, 17])
def test_tflearn_has_the_positions_of_tensorflows_same_rule(size: int) -> None:
    """⌈size / stride⌉ positions; the zeros that takes, half of them before, rounded down (TensorFlow's definition)."""
    spec = variant("tflearn", input_size=size)
    rows, side = {row.name: row for row in account(spec).rows}, size
    for name, kernel, stride in (("conv1", 11, 4), ("pool1", 3, 2), ("conv2", 5, 1), ("pool2", 3, 2), ("pool5", 3, 2)):
        positions = (side + stride - 1) // stride
        # the last window begins at (positions - 1) · stride; what it lacks at the end is shared by both ends
        lacking = max((positions - 1) * stride + kernel - side, 0)
        assert rows[name].output[-1] == positions
        assert rows[name].padding == (lacking // 2, (lacking + 1) // 2)
        side = positions
    if size == 227:
        assert [rows[name].output[-1] for name in ("conv1", "pool1", "pool2", "pool5")] == [57, 29, 15, 8]
        assert rows["fc6"].parameters == 16_384 * 4096 + 4096


@pytest.mark.parametrize("size", [60, 63, 66])
def test_tflearn_computes_what_its_program_says(size: int) -> None:
    """Written out with PyTorch's own layers in float64: pixels / 255, SAME, windows of 11 maps, alpha undivided."""
    net = AlexNet(thinned(TFLEARN, size), generator=torch.Generator().manual_seed(0)).eval()
    p = {name: tensor.double() for name, tensor in net.state_dict().items()}
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1)) * 70

    def same(x: torch.Tensor, kernel: int, stride: int, value: float = 0.0) -> torch.Tensor:
        both = max((-(-x.shape[-1] // stride) - 1) * stride + kernel - x.shape[-1], 0)
        return F.pad(x, (both // 2, both - both // 2) * 2, value=value)

    def conv(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        kernel = p[f"{name}.weight"].shape[-1]
        return F.conv2d(same(x, kernel, stride), p[f"{name}.weight"], p[f"{name}.bias"], stride).relu()

    def pool_norm(x: torch.Tensor) -> torch.Tensor:
        return F.local_response_norm(F.max_pool2d(same(x, 3, 2, -torch.inf), 3, 2), 11, alpha=11e-4, beta=0.75, k=1)

    x = pool_norm(conv(images.double() / 255, "conv1", 4))
    x = pool_norm(conv(x, "conv2"))
    x = pool_norm(conv(conv(conv(x, "conv3"), "conv4"), "conv5")).flatten(1)
    x = F.linear(x, p["fc6.weight"], p["fc6.bias"]).relu()
    x = F.linear(x, p["fc7.weight"], p["fc7.bias"]).relu()
    x = F.linear(x, p["fc8.weight"], p["fc8.bias"])
    torch.testing.assert_close(net(images).double(), x, rtol=1e-4, atol=1e-6 * float(x.detach().abs().max()))


def test_owt_computes_what_torchvision_publishes() -> None:
    """Its documented module written out: padding 2, floor, dropout where it has it; least input 63 pixels."""
    spec = thinned(OWT, 95)
    net = AlexNet(spec, generator=torch.Generator().manual_seed(0)).eval()
    c1, c2, c3, c4, c5 = (layer.channels for layer in spec.layers if isinstance(layer, Conv))
    features = nn.Sequential(
        *(nn.Conv2d(3, c1, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(c1, c2, 5, 1, 2), nn.ReLU()),
        *(nn.MaxPool2d(3, 2), nn.Conv2d(c2, c3, 3, 1, 1), nn.ReLU(), nn.Conv2d(c3, c4, 3, 1, 1), nn.ReLU()),
        *(nn.Conv2d(c4, c5, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(), nn.Dropout()),
        *(nn.Linear(c5 * 4, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 5)),
    ).eval()
    with torch.no_grad():
        for theirs, mine in zip(features.parameters(), net.parameters(), strict=True):
            theirs.copy_(mine)
    images = torch.randn(2, 3, 95, 95, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(net(images), features(images), rtol=1e-4, atol=1e-5)
    assert smallest_input(OWT) == 63
    places = [index for index, layer in enumerate(OWT.layers) if isinstance(layer, Dropout)]
    assert [OWT.layers[index + 1].name for index in places] == ["fc6", "fc7"]


def test_caffes_pools_and_convolutions_round_as_caffe_does() -> None:
    """Convolutions down and pools up: 231 pixels give 56, 28, 14 and 7 positions; ours agree with ceil_mode."""
    found = sizes(replace(CAFFENET, input_size=231))
    assert [found[name] for name in ("conv1", "pool1", "pool2", "pool5")] == [56, 28, 14, 7]
    net = AlexNet(thinned(CAFFENET, 231)).eval()
    x = net.stages(torch.randn(1, 3, 231, 231), ["relu1", "pool1"])
    assert torch.equal(x["pool1"], F.max_pool2d(x["relu1"], 3, 2, ceil_mode=True))


def test_ungrouped_begins_one_pixel_before_the_image() -> None:
    net = AlexNet(thinned(UNGROUPED, 224)).eval()
    image = torch.randn(1, 3, 224, 224)
    expected = F.conv2d(F.pad(image, (1, 2, 1, 2)), net.conv1.weight, net.conv1.bias, stride=4)
    torch.testing.assert_close(net.stages(image, ["conv1"])["conv1"], expected, rtol=1e-5, atol=1e-5)


def test_one_column_half_is_half_of_the_paper_network_up_to_conv4() -> None:
    for name in ("conv1", "conv2", "conv3", "conv4"):
        mine, papers = variant("one_column_half").layer(name), PAPER.layer(name)
        assert isinstance(mine, Conv) and isinstance(papers, Conv)
        assert (2 * mine.channels, mine.groups) == (papers.channels, 1)


def test_response_normalisation_is_each_sources_own() -> None:
    found = {
        name: {
            (layer.n, layer.k, layer.alpha, layer.beta, layer.convention, layer.towers)
            for layer in spec.layers
            if isinstance(layer, ResponseNorm)
        }
        for name, spec in VARIANTS.items()
    }
    divided = (5, 2.0, 1e-4, 0.75, "original", 1)
    assert found == {
        "paper": {divided},
        "original2012": {(*divided[:5], 2)},
        "one_column_half": {divided},
        "bvlc_alexnet": {(5, 1.0, 1e-4, 0.75, "original", 1)},
        "caffenet": {(5, 1.0, 1e-4, 0.75, "original", 1)},
        "owt": set(),
        "owt_lrn": {divided},
        "ungrouped": {(5, 2.0, 1e-4, 0.75, "printed", 1)},
        "tflearn": {(11, 1.0, 1e-4, 0.75, "tensorflow", 1)},
    }


@pytest.mark.parametrize(
    ("name", "stds", "biases"),
    [
        ("paper", [0.01] * 8, [0, 1, 0, 1, 1, 1, 1, 0]),
        ("original2012", [0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01], [0, 1, 0, 1, 1, 1, 1, 0]),
        ("bvlc_alexnet", [0.01] * 5 + [0.005, 0.005, 0.01], [0, 0.1, 0, 0.1, 0.1, 0.1, 0.1, 0]),
        ("caffenet", [0.01] * 5 + [0.005, 0.005, 0.01], [0, 1, 0, 1, 1, 1, 1, 0]),
        ("owt_lrn", [0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01], [0, 1, 0, 1, 1, 1, 1, -7]),
    ],
)
def test_weights_start_as_each_source_says(name: str, stds: list[float], biases: list[float]) -> None:
    layers = [variant(name).layer(each) for each in WEIGHTED]
    assert [(layer.initialisation, layer.std, layer.bias) for layer in layers] == [
        ("normal", *each) for each in zip(stds, biases, strict=True)
    ]


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"Unknown model 'papper'; did you mean 'paper'\?"):
        variant("papper")
