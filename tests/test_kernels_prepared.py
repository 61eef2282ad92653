import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from alexnet.kernels import PreparedConvolution, convolution, describe_convolutions, native, use_twin
from alexnet.kernels.space_to_depth import space_to_depth

CASES = {  # channels in and out, kernel, stride, padding, groups, block, side
    "conv1": (3, 32, 11, 4, (0, 0), 1, 4, 67),
    "conv2": (32, 64, 5, 1, (2, 2), 2, 1, 27),
    "conv3": (32, 48, 3, 1, (1, 1), 1, 1, 13),
    "conv4": (96, 70, 3, 1, (1, 1), 2, 1, 13),
    "odd sides and channels": (17, 19, 3, 1, (0, 1), 1, 1, 7),
    "a stride": (16, 16, 3, 2, (1, 1), 1, 1, 13),
    "a large kernel": (16, 16, 7, 1, (3, 3), 1, 1, 13),
}
Numbers = tuple[Tensor, Tensor, int, tuple[int, int], int, int]


def drawn(name: str, images: int) -> tuple[Tensor, Numbers]:
    inputs, outputs, kernel, stride, padding, groups, block, side = CASES[name]
    generator = torch.Generator().manual_seed(images)
    x = torch.randn(images, inputs, side, side, generator=generator)
    weight = torch.randn(outputs, inputs // groups, kernel, kernel, generator=generator)
    bias = torch.randn(outputs, generator=generator)
    x = space_to_depth(x, block) if block > 1 else x.contiguous(memory_format=torch.channels_last)
    return x, (weight, bias, stride, padding, groups, block)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("images", [1, 9])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("instructions", native.instruction_sets())
def test_prepared_weights_give_the_twins_map(instructions: str, name: str, images: int, relu: bool) -> None:
    x, numbers = drawn(name, images)
    weight, bias, *settings = numbers
    expected = convolution(x.double(), weight.double(), bias.double(), *settings, relu)  # type: ignore[arg-type]
    made = PreparedConvolution(*numbers)
    with native.instructions(instructions), torch.no_grad():
        found = made(x, relu)
    assert found.is_contiguous(memory_format=torch.channels_last) and found.shape == expected.shape
    assert not relu or found.min() == 0
    # fp32: sums of up to 1,200 products, in tiles with some four times the rounding
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_the_number_of_threads_changes_no_bit() -> None:
    x, numbers = drawn("conv4", 9)
    made, before = PreparedConvolution(*numbers), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            with torch.no_grad():
                found.append(made(x, True))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_weights_that_have_changed_are_put_in_order_again() -> None:
    x, numbers = drawn("conv3", 9)
    made = PreparedConvolution(*numbers)
    with torch.no_grad():
        before = made(x, False)
        numbers[0].mul_(2), numbers[1].mul_(2)
        assert torch.allclose(made(x, False), 2 * before, rtol=0, atol=1e-3)


def test_nan_and_infinity_stay_to_be_seen_and_no_image_is_an_answer_too() -> None:
    x, numbers = drawn("conv3", 9)
    made = PreparedConvolution(*numbers)
    x[0, 0, 6, 6], x[1, 0, 6, 6] = float("nan"), float("inf")
    with torch.no_grad():
        found = made(x, True)
        assert found[0].isnan().any() and not found[1].isfinite().all() and found[2:].isfinite().all()
        assert made(x[:0], True).shape == (0, *found.shape[1:])


def test_bf16_is_rounded_as_the_twin_rounds_it() -> None:
    x, (weight, bias, *settings) = drawn("conv2", 1)
    x, weight, bias = x.bfloat16(), weight.bfloat16(), bias.bfloat16()
    with torch.no_grad():
        found = PreparedConvolution(weight, bias, *settings)(x, True)  # type: ignore[arg-type]
        expected = convolution(x, weight, bias, *settings, True)  # type: ignore[arg-type]
    assert found.dtype is torch.bfloat16
    assert (found - expected).abs().max() <= 2**-7 * expected.abs().max()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_a_copy_made_after_use_gives_the_same_map(copied: Callable[[PreparedConvolution], PreparedConvolution]) -> None:
    for name in ("conv2", "a stride"):  # in tiles; in oneDNN's order
        x, numbers = drawn(name, 9)
        made = PreparedConvolution(*numbers)
        with torch.no_grad():
            expected = made(x, True)
            found = copied(made)
            assert torch.equal(found(x, True), expected) and torch.equal(made(x, True), expected)
            found.weight.zero_()
            assert torch.equal(made(x, True), expected)


def test_what_runs_is_said() -> None:
    if native.available() and native.instruction_sets()[0] == "avx2":
        assert describe_convolutions() == "in tiles where that pays, weights ordered once"
    with use_twin():
        assert describe_convolutions() == "PyTorch's own: the compiled kernels do not run"
        x, numbers = drawn("conv3", 1)
        with torch.no_grad():
            assert torch.equal(PreparedConvolution(*numbers)(x, True), convolution(x, *numbers, True))
