import pytest
import torch
import torch.nn.functional as F

from alexnet.kernels import space_to_depth, space_to_depth_weight


@pytest.mark.parametrize(("size", "padding"), [(227, 0), (224, 3), (35, 0), (32, 3)])
def test_the_folded_first_convolution_is_the_strided_one(size: int, padding: int) -> None:
    x = torch.randn(2, 3, size, size, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(8, 3, 11, 11, dtype=torch.float64, requires_grad=True)
    strided = F.conv2d(F.pad(x, (0, padding, 0, padding)), weight, stride=4)
    folded = F.conv2d(space_to_depth(x, 4, padding), space_to_depth_weight(weight, 4))
    assert space_to_depth_weight(weight, 4).shape == (8, 48, 3, 3)
    torch.testing.assert_close(folded, strided, rtol=1e-12, atol=1e-12)

    gy = torch.randn_like(strided)
    for found, expected in zip(
        torch.autograd.grad(folded, (x, weight), gy), torch.autograd.grad(strided, (x, weight), gy), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("block", "kernel"), [(2, 3), (3, 7), (4, 4), (1, 5)])
def test_any_block_serves_a_stride_of_its_size(block: int, kernel: int) -> None:
    x = torch.randn(1, 2, kernel + 3 * block, kernel + 2 * block, dtype=torch.float64)
    weight = torch.randn(4, 2, kernel, kernel, dtype=torch.float64)
    folded = F.conv2d(space_to_depth(x, block), space_to_depth_weight(weight, block))
    torch.testing.assert_close(folded, F.conv2d(x, weight, stride=block))


def test_the_channels_of_a_block_go_by_row_column_and_colour() -> None:
    x = torch.arange(2 * 3 * 8 * 8.0).reshape(2, 3, 8, 8)
    folded = space_to_depth(x)
    assert folded.is_contiguous(memory_format=torch.channels_last)
    for dy, dx, c in ((0, 0, 0), (1, 2, 0), (3, 1, 2)):
        assert torch.equal(folded[:, (dy * 4 + dx) * 3 + c], x[:, c, dy::4, dx::4])


def test_a_folded_channels_last_image_is_the_same() -> None:
    x = torch.randn(2, 3, 9, 10)
    assert torch.equal(space_to_depth(x.contiguous(memory_format=torch.channels_last)), space_to_depth(x))
