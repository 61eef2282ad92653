"""Space to depth: a convolution whose stride is `block` as a dense one over blocks of `block` × `block` pixels.

N images, C channels, O filters, H and W height and width, K kernel. The channel that pixel (dy, dx) of a block and
channel c go to is (dy · block + dx) · C + c. A convolution of stride `block` over (N, C, H, W) with kernel (O, C, K, K)
equals one of stride 1 over the rearranged image with the rearranged kernel, if `block` divides H - K and W - K.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def space_to_depth(image: Tensor, block: int = 4, padding: int = 0) -> Tensor:
    """The rearranged image (N, C · block², ⌈(H + padding) / block⌉, ⌈(W + padding) / block⌉), channels-last in memory.

    `padding` rows and columns of zeros come behind the last ones, and as many more as fill the last blocks.
    """
    return _rearranged(image, block, padding).contiguous(memory_format=torch.channels_last)


def space_to_depth_weight(weight: Tensor, block: int = 4) -> Tensor:
    """The kernel (O, C · block², ⌈K / block⌉, ⌈K / block⌉) for them, zero behind row and column K of `weight`."""
    return _rearranged(weight, block, 0)


def _rearranged(x: Tensor, block: int, padding: int) -> Tensor:
    n, c, h, w = x.shape
    rows, columns = -(-(h + padding) // block), -(-(w + padding) // block)
    x = F.pad(x, (0, columns * block - w, 0, rows * block - h))
    x = x.reshape(n, c, rows, block, columns, block)
    return x.permute(0, 3, 5, 1, 2, 4).reshape(n, c * block * block, rows, columns)
