from collections.abc import Callable

import pytest
import torch
from making import tiny_spec
from torch import nn
from torch.nn.utils import prune

from alexnet.errors import ConfigError, WeightsError
from alexnet.model.device import Placement, bf16_is_fast, frozen_copy, place, undisturbed, working_copy
from alexnet.model.net import AlexNet
from alexnet.model.options import with_options


def test_automatic_numbers_are_bf16_where_the_processor_multiplies_them() -> None:
    cpu = torch.device("cpu")
    assert place("cpu").dtype is (torch.bfloat16 if bf16_is_fast(cpu) else torch.float32)
    assert place("cpu", "bf16") == Placement(cpu, torch.bfloat16)
    assert place("cpu", "fp32").dtype_name == "fp32"


@pytest.mark.parametrize(
    ("device", "ahead", "pinned"), [("cpu", False, False), ("cuda:1", True, True), ("mps", True, False)]
)
def test_gpus_run_ahead_and_cuda_reads_pinned_memory(device: str, ahead: bool, pinned: bool) -> None:
    placement = Placement(torch.device(device), torch.float32)
    assert (placement.runs_ahead, placement.reads_pinned) == (ahead, pinned)


@pytest.mark.parametrize(
    ("device", "dtype", "sentence"),
    [
        ("gpu", "auto", "Unknown device 'gpu'"),
        ("xpu", "auto", "Device 'xpu' is not supported"),
        ("cuda:99", "auto", "PyTorch sees . CUDA devices"),
        ("cpu", "fp16", "fp16"),
    ],
)
def test_what_is_not_here_is_refused_by_name(device: str, dtype: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        place(device, dtype)


def test_a_working_copy_is_the_network_rounded_maps_innermost_and_a_copy() -> None:
    net = AlexNet(tiny_spec())
    net.get_parameter("fc2.bias").requires_grad_(False)
    copied = working_copy(net, place("cpu", "bf16"))
    assert copied is not net
    for (name, parameter), (_, master) in zip(copied.named_parameters(), net.named_parameters(), strict=True):
        assert torch.equal(parameter, master.bfloat16()), name
        assert parameter.dtype is torch.bfloat16
        assert master.dtype is torch.float32
        assert parameter.requires_grad is master.requires_grad
        assert parameter.stride() == master.stride()
        assert parameter.is_leaf
        assert parameter.data_ptr() != master.data_ptr()
    assert copied.get_parameter("conv1.weight").is_contiguous(memory_format=torch.channels_last)
    assert copied.spec == net.spec


def test_of_a_network_with_a_layer_replaced_there_is_no_copy_to_answer_with() -> None:
    net = AlexNet(tiny_spec())
    net.relu1 = torch.nn.LeakyReLU()
    with pytest.raises(ConfigError, match=r"relu1 of 'tiny' was replaced by LeakyReLU; .* build the network from it"):
        frozen_copy(net, place("cpu", "fp32"))


def patched(net: AlexNet, name: str) -> None:
    module = net.get_submodule(name)
    module.forward = torch.zeros_like  # type: ignore[assignment]


@pytest.mark.parametrize("name", ["", "conv1", "relu1", "fc2"])
@pytest.mark.parametrize("kind", ["register_forward_hook", "register_forward_pre_hook"])
def test_of_a_network_with_hooks_there_is_no_copy_to_answer_with_until_they_are_removed(kind: str, name: str) -> None:
    net = AlexNet(tiny_spec())
    handle = getattr(net.get_submodule(name), kind)(lambda module, *given: None)
    found = rf"{name or 'the network'} of 'tiny' has forward hooks; .* copy, .*net\.stages\(\.\.\.\)"
    with pytest.raises(ConfigError, match=found):
        frozen_copy(net, place("cpu", "fp32"))
    handle.remove()
    frozen_copy(net, place("cpu", "fp32"))


@pytest.mark.parametrize("name", ["", "conv1", "relu1", "fc2"])
def test_of_a_network_with_another_forward_there_is_no_copy_to_answer_with(name: str) -> None:
    net = AlexNet(tiny_spec())
    patched(net, name)
    with pytest.raises(ConfigError, match=rf"{name or 'the network'} of 'tiny' was given another forward; .* spec"):
        frozen_copy(net, place("cpu", "fp32"))


CHANGES: dict[str, tuple[Callable[[AlexNet], object], str]] = {
    "other classes": (
        lambda net: setattr(net, "fc3", nn.Linear(16, 3)),
        r"fc3\.bias has shape \(3,\), expected \(6,\) \(2 of 6 tensors differ\); .*reset_classifier",
    ),
    "no bias": (lambda net: setattr(net, "fc3", nn.Linear(16, 6, bias=False)), r"fc3\.bias has shape none"),
    "pruned": (lambda net: prune.random_unstructured(net.fc2, "weight", 0.5), r"fc2\.weight has shape none.*prune"),
    "no layer": (lambda net: delattr(net, "fc2"), r"fc2\.bias has shape none"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_weights_that_are_not_those_of_the_spec_are_a_sentence(change: str) -> None:
    net = AlexNet(tiny_spec())
    changed, found = CHANGES[change]
    changed(net)
    with pytest.raises(WeightsError, match=f"The network is not the 'tiny' of its spec: {found}"):
        frozen_copy(net, place("cpu", "fp32"))


def test_what_is_added_beside_the_layers_is_no_part_of_the_copy() -> None:
    net = AlexNet(tiny_spec())
    net.add_module("probe", nn.Linear(6, 2))
    assert not hasattr(frozen_copy(net, place("cpu", "fp32")), "probe")


def test_hooks_on_gradients_alone_change_no_answer() -> None:
    net = AlexNet(tiny_spec())
    net.get_submodule("relu1").register_full_backward_hook(lambda module, before, after: None)
    frozen_copy(net, place("cpu", "fp32"))


def test_in_its_own_numbers_a_network_is_not_copied() -> None:
    net = AlexNet(tiny_spec())
    assert working_copy(net, place("cpu", "fp32")) is net


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_frozen_copy_answers_as_the_working_copy_does_and_leaves_the_network_alone(dtype: str) -> None:
    net = AlexNet(with_options(tiny_spec(), batch_norm=True), generator=torch.Generator().manual_seed(1))
    placement = place("cpu", dtype)
    storages = {parameter.data_ptr() for parameter in net.parameters()}
    copied = frozen_copy(net, placement)
    assert net.training and all(parameter.requires_grad for parameter in net.parameters())
    assert not storages & {parameter.data_ptr() for parameter in copied.parameters()}
    assert not copied.training and not any(parameter.requires_grad for parameter in copied.parameters())
    assert {parameter.dtype for parameter in copied.get_submodule("bn1").parameters()} == {torch.float32}
    assert {parameter.dtype for parameter in copied.get_submodule("conv1").parameters()} == {placement.dtype}
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2)).to(placement.dtype)
    with torch.no_grad():
        assert torch.equal(copied(x), working_copy(net, placement).eval()(x))


def test_a_frozen_copy_that_shares_takes_what_is_right_already() -> None:
    net = AlexNet(tiny_spec())
    shared = frozen_copy(net, place("cpu", "fp32"), share=True)
    assert shared.get_parameter("fc2.weight").data_ptr() == net.get_parameter("fc2.weight").data_ptr()


def test_undisturbed_puts_back_the_generator_and_the_threads_even_after_an_error() -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()

    @undisturbed()
    def disturb() -> None:
        torch.manual_seed(1)
        torch.set_num_threads(threads + 1)
        raise ConfigError("x")

    with pytest.raises(ConfigError):
        disturb()
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads
