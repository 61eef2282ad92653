import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.kernels import twins
from alexnet.kernels.pool import ORDERS
from alexnet.kernels.twins import Spatial

SPATIAL = Spatial(3, 1.0, 0.2, 0.75)


def norm_by_loops(x: Tensor, lo: int, hi: int, k: float, alpha: float, beta: float, towers: int) -> Tensor:
    """The printed formula, one number at a time, in Python's doubles."""
    y = torch.empty_like(x)
    block = x.shape[1] // towers
    for n, c, i, j in torch.cartesian_prod(*map(torch.arange, x.shape)).tolist():
        tower = c // block
        window = range(max(c - lo, tower * block), min(c + hi + 1, (tower + 1) * block))
        total = math.fsum(float(x[n, a, i, j]) ** 2 for a in window)
        y[n, c, i, j] = float(x[n, c, i, j]) * (k + alpha * total) ** -beta
    return y


@pytest.mark.parametrize("beta", [0.75, 0.5])
@pytest.mark.parametrize(("lo", "hi", "towers"), [(2, 2, 1), (2, 2, 2), (0, 0, 1), (1, 0, 3), (2, 1, 2), (9, 9, 1)])
def test_response_norm_is_the_formula_in_every_tower(lo: int, hi: int, towers: int, beta: float) -> None:
    x = torch.randn(2, 6, 2, 3, dtype=torch.float64)
    found = twins.response_norm(x, lo, hi, 2.0, 0.3, beta, towers)
    torch.testing.assert_close(found, norm_by_loops(x, lo, hi, 2.0, 0.3, beta, towers))


@pytest.mark.parametrize(("size", "lo", "hi"), [(5, 2, 2), (4, 2, 1), (1, 0, 0)])
def test_response_norm_is_pytorchs_with_alpha_divided_by_the_size(size: int, lo: int, hi: int) -> None:
    x = torch.randn(2, 8, 3, 3, dtype=torch.float64)
    found = twins.response_norm(x, lo, hi, 2.0, 0.3 / size, 0.75, 1)
    torch.testing.assert_close(found, F.local_response_norm(x, size, alpha=0.3, beta=0.75, k=2.0))


def test_response_norm_has_the_gradient_of_finite_differences() -> None:
    x = torch.randn(2, 6, 2, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: twins.response_norm(v, 2, 1, 1.0, 0.5, 0.75, 2), x)


def spatial_norm_by_loops(x: Tensor, spatial: Spatial) -> Tensor:
    size, k, alpha, beta = spatial
    y = torch.empty_like(x)
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            rows, columns = (slice(max(0, at - size // 2), at + size // 2 + 1) for at in (i, j))
            sums = x[:, :, rows, columns].square().sum((2, 3))
            y[:, :, i, j] = x[:, :, i, j] * (k + alpha * sums) ** -beta
    return y


def test_padding_is_never_the_maximum() -> None:
    x = -1 - torch.rand(1, 2, 3, 3, dtype=torch.float64)
    y = twins.pooled_stage(x, ORDERS["pool"], 3, 2, 0, 0, 1.0, 0.0, 0.75, 1, padding=twins.Padding(1, 1, 1, 1))
    torch.testing.assert_close(y[0, :, 0, 0], x[0, :, :2, :2].amax((1, 2)))


@pytest.mark.parametrize("order", ORDERS)
def test_pooled_stage_does_the_steps_in_the_order_of_its_name(order: str) -> None:
    x = expected = torch.randn(2, 6, 7, 5, dtype=torch.float64)
    norm = 2, 2, 1.0, 0.5, 0.75, 2
    for step in order.split("-"):
        if step == "relu":
            expected = expected.clamp(min=0)
        elif step == "norm":
            expected = norm_by_loops(expected, *norm)
        elif step == "spatial norm":
            expected = spatial_norm_by_loops(expected, SPATIAL)
        else:
            expected = expected.unfold(2, 3, 2).unfold(3, 3, 2).amax(dim=(-1, -2))
    torch.testing.assert_close(twins.pooled_stage(x, ORDERS[order], 3, 2, *norm, SPATIAL), expected)


@pytest.mark.parametrize("order", ORDERS)
def test_pooled_stage_has_the_gradient_of_finite_differences(order: str) -> None:
    # Distinct values far from 0 and from each other: finite differences need a maximum that stays where it is.
    x = (torch.randperm(2 * 4 * 5 * 4).double().reshape(2, 4, 5, 4) - 80.5).div(10).requires_grad_()
    norm = 2, 2, 1.0, 0.001, 0.75, 2
    few = SPATIAL._replace(alpha=0.001)
    assert torch.autograd.gradcheck(lambda v: twins.pooled_stage(v, ORDERS[order], 3, 2, *norm, few), x)


def test_bfloat16_is_normalised_in_float32_and_rounded_once() -> None:
    x = torch.randn(2, 16, 4, 4).bfloat16()
    exact = twins.response_norm(x.double(), 2, 2, 2.0, 0.3, 0.75, 1)
    found = twins.response_norm(x, 2, 2, 2.0, 0.3, 0.75, 1)
    # Half a unit in the last of 8 bits, and a little for float32.
    torch.testing.assert_close(found.double(), exact, rtol=2**-7.99, atol=0)


def test_random_words_are_those_of_philox() -> None:
    # The first known-answer vector of the authors' Random123: counter 0, key 0.
    words = twins.random_words(256, 0)
    assert words[::64].tolist() == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


def philox_by_integers(seed: int, counter: int) -> list[int]:
    a, b, c, d, low = counter & 0xFFFFFFFF, counter >> 32, 0, 0, 0xFFFFFFFF
    key = [seed & low, seed >> 32]
    for _ in range(10):
        p, q = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (q >> 32) ^ b ^ key[0], q & low, (p >> 32) ^ d ^ key[1], p & low
        key = [(key[0] + 0x9E3779B9) & low, (key[1] + 0xBB67AE85) & low]
    return [a, b, c, d]


@pytest.mark.parametrize("seed", [1, 0xA4093822299F31D0 >> 1, 2**63 - 1])
def test_random_words_survive_the_wrap_of_int64(seed: int) -> None:
    words = twins.random_words(1000, seed)
    for i in (0, 63, 64, 255, 256, 700, 999):
        counter, word = i // 256 * 64 + i % 64, i % 256 // 64
        assert int(words[i]) == philox_by_integers(seed, counter)[word]


def test_a_shorter_tensor_has_the_first_of_the_same_words() -> None:
    assert torch.equal(twins.random_words(1000, 5)[:300], twins.random_words(300, 5))


def test_dropout_keeps_its_share_and_its_mean() -> None:
    y = twins.relu_dropout(torch.ones(200_000), 0.3, 17, relu=True)
    # Five standard deviations of a share of 0.3 among 200,000.
    assert abs((y == 0).double().mean() - 0.3) < 5 * math.sqrt(0.3 * 0.7 / 200_000)
    assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / 0.7).item()}


def test_masks_of_neighbouring_seeds_are_unrelated() -> None:
    masks = torch.stack([twins.random_words(100_000, seed) >= 2**31 for seed in (1, 2, 3, 2**32 + 1)]).double()
    # Five standard deviations of a correlation among 100,000.
    assert (torch.corrcoef(masks) - torch.eye(4)).abs().max() < 5 / math.sqrt(100_000)


def test_momentum_update_is_the_papers_rule() -> None:
    weight, velocity, grad = torch.randn(3, 50, dtype=torch.float64)
    expected = 0.9 * velocity - 0.0005 * 0.01 * weight - 0.01 * grad
    moved = weight + expected
    twins.momentum_update(weight, velocity, grad, None, 0.01, 0.9, 0.0005)
    torch.testing.assert_close(velocity, expected)
    torch.testing.assert_close(weight, moved)
