import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from alexnet.training.optimiser import MomentumSGD
from alexnet.training.schedule import Rate

SHAPES = {"a.weight": (6, 5), "a.bias": (6,), "b.weight": (4, 6), "b.bias": (4,)}
STEPS = 60
# falls, and rises again
RATES = [0.05] * 20 + [0.005] * 20 + [0.02] * 20
RateOf = Callable[[str], Rate]


def network(seed: int = 0) -> nn.ModuleDict:
    torch.manual_seed(seed)
    return nn.ModuleDict({"a": nn.Linear(5, 6), "b": nn.Linear(6, 4)})


def gradients(seed: int = 0) -> list[dict[str, NDArray[np.float64]]]:
    rng = np.random.default_rng(seed)
    drawn = [{name: rng.standard_normal(shape) for name, shape in SHAPES.items()} for _ in range(STEPS)]
    # rounded to what all of float64, float32 and bfloat16 hold
    return [{name: np.round(array * 16) / 16 for name, array in step.items()} for step in drawn]


def give(module: nn.Module, step: dict[str, NDArray[np.float64]]) -> None:
    for name, parameter in module.named_parameters():
        parameter.grad = torch.from_numpy(step[name]).to(parameter.dtype)


def by_hand(
    net: nn.Module, rates: list[RateOf], *, momentum: float, weight_decay: float, bias_decay: bool
) -> dict[str, NDArray[np.float64]]:
    """The paper's rule (section 5), number by number in float64."""
    weights = {name: parameter.detach().double().numpy() for name, parameter in net.named_parameters()}
    velocities = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    for rate_of, gradient in zip(rates, gradients(), strict=True):
        for name, w in weights.items():
            layer, kind = name.split(".")
            rate = rate_of(layer)
            if rate.weight == 0:
                continue
            epsilon = rate.bias if kind == "bias" else rate.weight
            decay = 0.0 if kind == "bias" and not bias_decay else weight_decay
            velocities[name] = momentum * velocities[name] - decay * epsilon * w - epsilon * gradient[name]
            weights[name] = w + velocities[name]
    return weights


def run(net: nn.Module, rates: list[RateOf], *, momentum: float, weight_decay: float, bias_decay: bool) -> MomentumSGD:
    optimiser = MomentumSGD(net, net, momentum=momentum, weight_decay=weight_decay, bias_decay=bias_decay)
    for rate_of, gradient in zip(rates, gradients(), strict=True):
        give(net, gradient)
        optimiser.step(rate_of)
    return optimiser


@pytest.mark.parametrize("bias_decay", [True, False])
@pytest.mark.parametrize("bias_rate", [1.0, 2.0])
def test_the_rule_is_the_papers(bias_decay: bool, bias_rate: float) -> None:
    net = network()
    rates: list[RateOf] = [lambda _, lr=lr: Rate(lr, bias_rate * lr) for lr in RATES]
    options = {"momentum": 0.9, "weight_decay": 0.1, "bias_decay": bias_decay}
    expected = by_hand(net, rates, **options)
    run(net, rates, **options)
    for name, parameter in net.named_parameters():
        # 60 steps of float32, each rounded at 6e-8 of numbers near 1
        np.testing.assert_allclose(parameter.detach().numpy(), expected[name], atol=2e-5)


def test_the_options_of_biases_make_a_difference() -> None:
    rates: list[RateOf] = [lambda _, lr=lr: Rate(lr, lr) for lr in RATES]
    doubled: list[RateOf] = [lambda _, lr=lr: Rate(lr, 2 * lr) for lr in RATES]
    options = {"momentum": 0.9, "weight_decay": 0.1}
    plain = by_hand(network(), rates, bias_decay=True, **options)
    undecayed = by_hand(network(), rates, bias_decay=False, **options)
    faster = by_hand(network(), doubled, bias_decay=True, **options)
    for other in (undecayed, faster):
        assert np.array_equal(plain["a.weight"], other["a.weight"])
        assert np.abs(plain["a.bias"] - other["a.bias"]).max() > 0.01


def test_a_frozen_layer_neither_decays_nor_coasts() -> None:
    net = network()

    def rate_of(step: int) -> RateOf:
        # a learns, is frozen for ten steps, learns again
        return lambda layer: Rate(0.0, 0.0) if layer == "a" and 20 <= step < 30 else Rate(0.05, 0.05)

    rates = [rate_of(step) for step in range(STEPS)]
    options = {"momentum": 0.9, "weight_decay": 0.1, "bias_decay": True}
    expected = by_hand(net, rates, **options)
    optimiser = MomentumSGD(net, net, **options)
    for step, gradient in enumerate(gradients()):
        before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
        speed = {name: velocity.clone() for name, velocity in optimiser.velocity.items()}
        give(net, gradient)
        if 20 <= step < 30:
            net.get_parameter("a.weight").grad = None  # frozen layers have no gradient
        optimiser.step(rates[step])
        for name, parameter in net.named_parameters():
            frozen = name.startswith("a.") and 20 <= step < 30
            assert torch.equal(parameter, before[name]) == frozen
            assert torch.equal(optimiser.velocity[name], speed[name]) == frozen
    for name, parameter in net.named_parameters():
        np.testing.assert_allclose(parameter.detach().numpy(), expected[name], atol=2e-5)  # float32, as above


def against_torch(rates: list[float]) -> float:
    """The largest distance from torch.optim.SGD after training at these rates."""
    mine, theirs = network(), network()
    sgd = torch.optim.SGD(theirs.parameters(), lr=1.0, momentum=0.9, weight_decay=0.1)
    optimiser = MomentumSGD(mine, mine, momentum=0.9, weight_decay=0.1, bias_decay=True)
    for lr, gradient in zip(rates, gradients(), strict=True):
        give(mine, gradient)
        give(theirs, gradient)
        for group in sgd.param_groups:
            group["lr"] = lr
        sgd.step()
        optimiser.step(lambda _, lr=lr: Rate(lr, lr))
    pairs = zip(mine.parameters(), theirs.parameters(), strict=True)
    return max(float((one - other).detach().abs().max()) for one, other in pairs)


def test_it_agrees_with_torch_while_the_rate_is_constant_and_parts_when_it_changes() -> None:
    assert against_torch([0.05] * STEPS) < 2e-5  # float32, as above
    assert against_torch(RATES) > 0.1


def test_after_a_fall_steps_under_way_run_out_at_the_old_rate() -> None:
    net = network()
    optimiser = MomentumSGD(net, net, momentum=0.5, weight_decay=0.0, bias_decay=True)
    weight = net.get_parameter("a.weight")
    start = weight.detach().clone()
    for lr, push in ((1.0, 1.0), (0.1, 0.0), (0.1, 0.0)):
        for parameter in net.parameters():
            parameter.grad = torch.full_like(parameter, push)
        optimiser.step(lambda _, lr=lr: Rate(lr, lr))
    # 1 + 1/2 + 1/4; torch.optim.SGD would go 1 + 1/20 + 1/40
    assert torch.allclose(weight, start - 1.75, atol=1e-6)  # one rounding a step


def test_bf16_working_copies_follow_the_fp32_masters() -> None:
    net = network()
    working = copy.deepcopy(net).to(torch.bfloat16)
    options = {"momentum": 0.9, "weight_decay": 0.1, "bias_decay": True}
    rates: list[RateOf] = [lambda _, lr=lr: Rate(lr, lr) for lr in RATES]
    expected = by_hand(net, rates, **options)
    optimiser = MomentumSGD(net, working, **options)
    for rate_of, gradient in zip(rates, gradients(), strict=True):
        give(working, gradient)
        optimiser.step(rate_of)
        for name, master in net.named_parameters():
            # to the nearest bf16, as PyTorch rounds
            assert torch.equal(working.get_parameter(name), master.bfloat16()), name
    for name, master in net.named_parameters():
        assert master.dtype is torch.float32
        # the gradients are exact in bf16, so the masters are as good as in float32
        np.testing.assert_allclose(master.detach().numpy(), expected[name], atol=2e-5)


def test_steps_too_small_for_bf16_add_up_in_the_masters() -> None:
    net = network()
    with torch.no_grad():
        net.get_parameter("b.bias").fill_(1.0)
    working = copy.deepcopy(net).to(torch.bfloat16)
    optimiser = MomentumSGD(net, working, momentum=0.0, weight_decay=0.0, bias_decay=True)
    for _ in range(64):
        for parameter in working.parameters():
            parameter.grad = torch.full_like(parameter, 1.0)
        optimiser.step(lambda _: Rate(2**-12, 2**-12))  # 1 - 2^-12 rounds to 1 in bf16
    assert torch.equal(working.get_parameter("b.bias"), torch.full((4,), 1 - 64 / 2**12, dtype=torch.bfloat16))


def test_dropping_gradients_drops_those_of_the_working_copy() -> None:
    net = network()
    working = copy.deepcopy(net).to(torch.bfloat16)
    give(working, gradients()[0])
    MomentumSGD(net, working, momentum=0.9, weight_decay=0.0, bias_decay=True).zero_grad()
    assert all(parameter.grad is None for parameter in working.parameters())


def test_velocities_can_be_taken_over_and_none_may_be_missing() -> None:
    rates: list[RateOf] = [lambda _: Rate(0.05, 0.05)] * STEPS
    options = {"momentum": 0.9, "weight_decay": 0.1, "bias_decay": True}
    trained = run(network(), rates, **options)
    net = network()
    other = MomentumSGD(net, net, **options)
    other.load_velocity(trained.velocity)
    for name, velocity in trained.velocity.items():
        assert torch.equal(other.velocity[name], velocity)
        assert other.velocity[name] is not velocity
    with pytest.raises(KeyError):
        other.load_velocity({"a.weight": trained.velocity["a.weight"]})
    with pytest.raises(ValueError, match=r"velocity of a\.weight is not of shape"):
        other.load_velocity({**trained.velocity, "a.weight": torch.zeros(1)})  # copy_ would spread it
