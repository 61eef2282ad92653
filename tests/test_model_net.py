"""The network against a plain functional one in float64, and what its stages promise."""

import copy
import pickle
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from alexnet import kernels
from alexnet.errors import ConfigError
from alexnet.kernels import space_to_depth
from alexnet.model.modules import LocalResponseNorm
from alexnet.model.net import AlexNet, initialise
from alexnet.model.spec import Activation, Conv, Dropout, Linear, MaxPool, ResponseNorm, Spec
from alexnet.model.variants import PAPER, VARIANTS, variant


@pytest.fixture(scope="module")
def small() -> AlexNet:
    """The paper's network with a twelfth of its maps and units on 67 pixels, its weights large enough to matter."""

    def thin(layer):
        if isinstance(layer, Conv):
            return replace(layer, channels=layer.channels // 12 - layer.channels // 12 % 2, std=0.1)
        if isinstance(layer, Linear) and layer.units:
            return replace(layer, units=32, std=0.1)
        return layer

    spec = replace(PAPER.mapped(thin), input_size=67, classes=7)
    return AlexNet(spec, generator=torch.Generator().manual_seed(0)).eval()


def plain(net: AlexNet, x: torch.Tensor, *, printed: bool = False) -> dict[str, torch.Tensor]:
    """The paper's network written out by hand, with PyTorch's own layers, in float64."""
    p = {name: tensor.double() for name, tensor in net.state_dict().items()}
    out = {}

    def norm(x):
        # nn.LocalResponseNorm divides alpha by n; the printed formula does not
        return F.local_response_norm(x, 5, alpha=5e-4 if printed else 1e-4, beta=0.75, k=2.0)

    x = F.pad(x.double(), (0, 3 if x.shape[-1] % 4 == 0 else 0) * 2)
    out["conv1"] = F.conv2d(x, p["conv1.weight"], p["conv1.bias"], stride=4)
    out["relu1"] = out["conv1"].relu()
    out["norm1"] = norm(out["relu1"])
    out["pool1"] = F.max_pool2d(out["norm1"], 3, 2)
    out["conv2"] = F.conv2d(out["pool1"], p["conv2.weight"], p["conv2.bias"], padding=2, groups=2)
    out["relu2"] = out["conv2"].relu()
    out["norm2"] = norm(out["relu2"])
    out["pool2"] = F.max_pool2d(out["norm2"], 3, 2)
    out["conv3"] = F.conv2d(out["pool2"], p["conv3.weight"], p["conv3.bias"], padding=1)
    out["conv4"] = F.conv2d(out["conv3"].relu(), p["conv4.weight"], p["conv4.bias"], padding=1, groups=2)
    out["conv5"] = F.conv2d(out["conv4"].relu(), p["conv5.weight"], p["conv5.bias"], padding=1, groups=2)
    out["relu5"] = out["conv5"].relu()
    out["pool5"] = F.max_pool2d(out["relu5"], 3, 2)
    out["fc6"] = F.linear(out["pool5"].flatten(1), p["fc6.weight"], p["fc6.bias"])
    out["fc7"] = F.linear(out["fc6"].relu(), p["fc7.weight"], p["fc7.bias"])
    out["fc8"] = F.linear(out["fc7"].relu(), p["fc8.weight"], p["fc8.bias"])
    return out


def images(count: int, size: int = 67) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1)) * 70


def test_one_name_is_one_stage(small: AlexNet) -> None:
    (found,) = small.stages(images(1), "conv1").items()
    assert found[0] == "conv1"


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_every_stage_is_that_of_the_network_written_out_by_hand(small: AlexNet, memory_format) -> None:
    x = images(3).to(memory_format=memory_format)
    expected = plain(small, x)
    found = small.stages(x, expected)
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        # fp32 against float64: rounding of some thousand terms, relative to the largest
        torch.testing.assert_close(
            found[name].double(), tensor, rtol=1e-5, atol=1e-5 * float(tensor.abs().max()), msg=name
        )


def test_the_224_geometry_pads_three_zeros_at_right_and_bottom() -> None:
    net = AlexNet(replace(PAPER, layers=PAPER.layers[:4], input_size=224), generator=torch.Generator().manual_seed(0))
    x = images(1, 224)
    padded = F.pad(x, (0, 3, 0, 3))
    expected = F.conv2d(padded, net.conv1.weight, net.conv1.bias, stride=4)
    torch.testing.assert_close(net.stages(x, ["conv1"])["conv1"], expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("size", [67, 68])
def test_folded_images_give_the_same_stages(small: AlexNet, size: int) -> None:
    net = AlexNet(replace(small.spec, input_size=size)).eval()
    x = images(2, size)
    block, padding = net.space_to_depth_block
    assert (block, padding) == (4, 0 if size == 67 else 3)
    folded = space_to_depth(x, block, padding)
    assert folded.shape[1] == 48
    for name, tensor in net.stages(x, net.names).items():
        # the same sums in another order
        other = net.stages(folded, [name])[name]
        torch.testing.assert_close(other, tensor, rtol=1e-4, atol=1e-5 * float(tensor.detach().abs().max()), msg=name)


def thinned(spec: Spec, size: int) -> AlexNet:
    """An eighth of the maps and few units, in evaluation."""

    def thin(layer):
        if isinstance(layer, Conv):
            return replace(layer, channels=layer.channels // 8, std=0.05)
        return replace(layer, units=16) if isinstance(layer, Linear) and layer.units else layer

    spec = replace(spec.mapped(thin), input_size=size, classes=7)
    return AlexNet(spec, generator=torch.Generator().manual_seed(0)).eval()


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("size", [67, 70])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_every_variant_in_one_go_is_its_layers_one_by_one(name: str, size: int, activation: str) -> None:
    """Gradients too; at 70 pixels pools that round up or are SAME have to pad, with tanh below what they must see."""
    net, x = thinned(variant(name, activation=activation), size), images(2, size).requires_grad_()
    whole, stage = net(x), x
    for layer in net.names:
        stage = net.get_submodule(layer)(stage.flatten(1) if layer == "fc6" else stage)
    torch.testing.assert_close(whole, stage, rtol=1e-4, atol=1e-5 * float(stage.detach().abs().max()))
    gradients = [torch.autograd.grad(answer.square().sum(), (x, *net.parameters())) for answer in (whole, stage)]
    for one, other in zip(*gradients, strict=True):
        # the same sums in another order
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * float(other.abs().max()))


@pytest.mark.parametrize("name", VARIANTS)
def test_layers_that_the_kernels_know_run_as_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All three pools are part of a run, padded or not, with the spatial normalisation of 2012 in one of them."""
    seen, stage = [], kernels.pooled_stage

    def watched(x: Tensor, order: str, *rest: Any, **more: Any) -> Tensor:
        seen.append(order)
        return stage(x, order, *rest, **more)

    monkeypatch.setattr(
        kernels, "pooled_stage", lambda x, order, *rest, **more: seen.append(order) or stage(x, order, *rest, **more)
    )
    thinned(VARIANTS[name], 70)(images(1, 70))
    assert len(seen) == 3
    assert ("relu-norm-spatial norm-pool" in seen) == (name == "original2012")


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("size", [67, 68, 70])
def test_folded_images_are_taken_where_no_zeros_come_first_and_the_last_window_is_whole(name: str, size: int) -> None:
    net = thinned(VARIANTS[name], size)
    block, padding = net.space_to_depth_block
    conv1 = net.spec.layer("conv1")
    whole = conv1.padding == "ceil" or (conv1.padding == 0 and size == 67)
    assert block == (4 if whole else 1)
    x = images(2, size)
    torch.testing.assert_close(net(space_to_depth(x, block, padding)), net(x), rtol=1e-4, atol=1e-5)


def test_the_whole_and_its_stages_give_the_same_logits(small: AlexNet) -> None:
    x = images(2)
    whole = small(x)
    stages = small.stages(x, small.names)
    torch.testing.assert_close(stages["fc8"], whole, rtol=1e-5, atol=1e-5)


def test_no_stage_overwrites_another(small: AlexNet) -> None:
    stages = small.stages(images(2), small.names)
    assert (stages["conv1"] < 0).any(), "conv1 still has what ReLU cut off"
    assert (stages["fc6"] < 0).any()
    pointers = [tensor.data_ptr() for name, tensor in stages.items() if not name.startswith("drop")]
    assert len({*pointers}) == len(pointers)


def test_hooks_between_fused_layers_are_called_and_do_not_change_the_answer(small: AlexNet) -> None:
    x, seen = images(2), []
    expected = small(x)
    handle = small.norm1.register_forward_hook(lambda module, args, output: seen.append(output.shape))
    try:
        torch.testing.assert_close(small(x), expected, rtol=1e-5, atol=1e-5)
    finally:
        handle.remove()
    assert len(seen) == 1


@pytest.mark.parametrize("kind", ["forward_hook", "forward_pre_hook", "full_backward_hook", "full_backward_pre_hook"])
def test_hooks_for_all_modules_see_every_layer_and_what_it_gives(small: AlexNet, kind: str) -> None:
    net, x = copy.deepcopy(small), images(2).requires_grad_()
    expected, stages, seen = net(x), net.stages(x, net.names), {}
    names = {id(module): name for name, module in net.named_children()}
    register = getattr(hooks, f"register_module_{kind}")
    handle = register(lambda module, *passed: seen.update({names.get(id(module), "whole"): passed[-1]}))
    try:
        found = net(x)
        found.square().sum().backward()
    finally:
        handle.remove()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert {*seen} == {*net.names, "whole"}
    if kind == "forward_hook":
        for name in net.names:
            torch.testing.assert_close(seen[name], stages[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["conv1", "relu1", "norm1", "drop6"])
def test_another_forward_of_a_layer_is_the_one_that_runs(small: AlexNet, name: str) -> None:
    net, seen = copy.deepcopy(small).train(), []
    layer = net.get_submodule(name)
    own = layer.forward

    def forward(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.shape)
        return own(x)

    layer.forward = forward
    net(images(2))
    assert len(seen) == 1
    assert net.replaced == name and (name != "conv1" or net.space_to_depth_block == (1, 0))


def test_gradients_are_those_of_the_network_written_out_by_hand(small: AlexNet) -> None:
    net = copy.deepcopy(small)
    x = images(2)
    net(x).square().sum().backward()
    by_hand = copy.deepcopy(small).double()
    out = plain_with_gradients(by_hand, x)
    out.square().sum().backward()
    for (name, mine), other in zip(net.named_parameters(), by_hand.parameters(), strict=True):
        scale = float(other.grad.abs().max())
        # fp32 sums of tens of thousands of terms; a few units in 1e-7 each
        torch.testing.assert_close(mine.grad.double(), other.grad, rtol=1e-3, atol=2e-5 * scale, msg=name)


def plain_with_gradients(net: AlexNet, x: torch.Tensor) -> torch.Tensor:
    net.state_dict = lambda: dict(net.named_parameters())  # type: ignore[method-assign]
    return plain(net, x)["fc8"]


def test_towers_meet_only_where_the_paper_says(small: AlexNet) -> None:
    """Section 3.5: maps of layer 2, 4 and 5 see their own tower of the layer before, those of layer 3 see both."""
    for layer, below, crosses in (("conv2", "pool1", False), ("conv3", "pool2", True), ("conv4", "relu3", False)):
        module = small.get_submodule(layer)
        before = small.stages(images(2), [below])[below].detach().requires_grad_()
        half_in, half_out = before.shape[1] // 2, module.out_channels // 2
        module(before)[:, :half_out].sum().backward()
        own, other = before.grad[:, :half_in], before.grad[:, half_in:]
        assert own.abs().max() > 0
        assert (other.abs().max() > 0) == crosses, layer


def test_the_printed_formula_is_another_network(small: AlexNet) -> None:
    printed = AlexNet(small.spec.with_norm(convention="printed")).eval()
    printed.load_state_dict(small.state_dict())
    x = images(2)
    expected = plain(small, x, printed=True)
    found = printed.stages(x, ["norm1", "fc8"])
    assert not torch.allclose(found["norm1"], small.stages(x, ["norm1"])["norm1"], rtol=1e-3)
    for name in found:
        torch.testing.assert_close(found[name].double(), expected[name], rtol=1e-4, atol=1e-4)


def test_weights_start_as_published() -> None:
    net = AlexNet(replace(PAPER, input_size=99, classes=10), generator=torch.Generator().manual_seed(0))
    for name, parameter in net.state_dict().items():
        if name.endswith("weight"):
            count = parameter.numel()
            assert abs(float(parameter.mean())) < 5 * 0.01 / count**0.5, name
            assert abs(float(parameter.std()) - 0.01) < 5 * 0.01 / (2 * count) ** 0.5, name
        else:
            ones = name.split(".")[0] in {"conv2", "conv4", "conv5", "fc6", "fc7"}
            assert (parameter == (1.0 if ones else 0.0)).all(), name


def test_the_same_generator_gives_the_same_network_and_another_seed_another(small: AlexNet) -> None:
    again = AlexNet(small.spec, generator=torch.Generator().manual_seed(0))
    assert all((a == b).all() for a, b in zip(again.parameters(), small.parameters(), strict=True))
    initialise(again, torch.Generator().manual_seed(1))
    assert (again.conv1.weight != small.conv1.weight).any()


def test_dropout_acts_in_training_only_and_keeps_the_mean(small: AlexNet) -> None:
    net = AlexNet(Spec("drop", (Linear("fc6", 4000, std=0.0, bias=1.0), Dropout("drop6", 0.5)), 2, 1, 4000))
    x = torch.zeros(1, 1, 2, 2)
    assert (net.eval()(x) == 1).all()
    torch.manual_seed(0)
    kept = net.train()(x).detach()
    assert {*kept.unique().tolist()} == {0.0, 2.0}
    assert abs(float(kept.mean()) - 1) < 5 / 4000**0.5


def test_a_new_classifier_leaves_the_other_layers(small: AlexNet) -> None:
    net = copy.deepcopy(small)
    net.reset_classifier(3, generator=torch.Generator().manual_seed(0))
    assert net(images(2)).shape == (2, 3)
    assert net.spec.classes == 3
    assert (net.fc7.weight == small.fc7.weight).all()


def test_a_new_classifier_has_units_for_its_classes_whatever_the_old_one_had() -> None:
    layers = (Conv("conv1", 4, 3), Linear("fc2", 5))
    net = AlexNet(Spec("own", layers, 6, classes=5))
    net.reset_classifier(2)
    assert net(images(1, 6)).shape == (1, 2)
    assert AlexNet(net.spec)(images(1, 6)).shape == (1, 2)
    with pytest.raises(ConfigError, match=r"last layer conv1 of 'own' is no Linear layer"):
        AlexNet(Spec("own", layers[:1], 6)).reset_classifier(2)


REPLACED: dict[str, nn.Module] = {
    "relu1": nn.LeakyReLU(0.5),
    "norm1": nn.Identity(),
    "norm2": LocalResponseNorm(ResponseNorm("norm2", n=3, alpha=1.0)),
    "pool1": nn.AvgPool2d(3, 2),
    "relu3": nn.LeakyReLU(0.5),
    "drop6": nn.Identity(),
    "relu6": nn.Tanh(),
    "conv1": nn.Conv2d(3, 8, 11, 4, 2),
    "conv3": nn.Conv2d(20, 32, 3, padding=1),
    "fc8": nn.Sequential(nn.Linear(32, 7)),
}


def one_by_one(net: AlexNet, x: torch.Tensor) -> torch.Tensor:
    for layer, module in zip(net.spec.layers, net.children(), strict=True):
        x = module(x.flatten(1) if isinstance(layer, Linear) else x)
    return x


@pytest.mark.parametrize("name", REPLACED)
@pytest.mark.parametrize("training", [False, True])
def test_a_layer_that_was_replaced_is_the_one_that_runs(small: AlexNet, name: str, training: bool) -> None:
    net = copy.deepcopy(small).train(training)
    assert net.replaced is None
    setattr(net, name, REPLACED[name])
    x = images(2)
    torch.manual_seed(1)
    found = net(x)
    torch.manual_seed(1)
    torch.testing.assert_close(found, one_by_one(net, x), rtol=1e-5, atol=1e-5)
    assert net.replaced == name and net.space_to_depth_block == (
        (1, 0) if name == "conv1" else small.space_to_depth_block
    )
    with pytest.raises(
        ConfigError, match=rf"{name} of 'paper' was replaced by {type(REPLACED[name]).__name__}; .* spec"
    ):
        net.check_layers()


def test_copies_and_new_classifiers_have_the_layers_of_their_spec(small: AlexNet) -> None:
    net = copy.deepcopy(small)
    net.reset_classifier(3)
    assert net.replaced is None
    for made in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), net.to(torch.bfloat16)):
        assert made.replaced is None
    net.fc8 = nn.Linear(net.fc8.in_features, 3)
    assert net.replaced is None, "PyTorch's own layer computes the same"


def test_channels_and_tanh_are_options() -> None:
    grey = AlexNet(replace(variant("paper", classes=4, channels=1), input_size=67)).eval()
    assert grey(torch.randn(1, 1, 67, 67)).shape == (1, 4)
    change = lambda layer: replace(layer, function="tanh") if isinstance(layer, Activation) else layer  # noqa: E731
    tanh = AlexNet(replace(PAPER.mapped(change), input_size=67, classes=4)).eval()
    assert tanh.stages(torch.randn(1, 3, 67, 67), ["relu3"])["relu3"].min() < 0


@pytest.mark.parametrize("shape", [(3, 67, 67), (1, 3, 67, 66), (1, 1, 67, 67)])
def test_images_of_another_shape_are_refused_with_both_shapes(small: AlexNet, shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"takes images of shape \(N, 3, 67, 67\), not \(" + str(shape)[1:-1]):
        small(torch.zeros(shape))


def test_a_layer_that_is_not_there_names_the_nearest(small: AlexNet) -> None:
    with pytest.raises(ConfigError, match=r"'pool4'; did you mean 'pool"):
        small.stages(images(1), ["pool4"])


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(ConfigError, match="Unknown activation of relu1 'rleu'; did you mean 'relu'"):
        AlexNet(Spec("odd", (Activation("relu1", "rleu"),), 8))


def test_a_pool_without_relu_and_norm_without_pool_run_as_they_stand() -> None:
    net = AlexNet(Spec("bare", (Conv("conv1", 4, 3), MaxPool("pool1"), ResponseNorm("norm1")), 16)).eval()
    x = images(1, 16)
    expected = F.local_response_norm(F.max_pool2d(net.conv1(x), 3, 2), 5, 1e-4, 0.75, 2.0)
    torch.testing.assert_close(net(x), expected, rtol=1e-5, atol=1e-5)
