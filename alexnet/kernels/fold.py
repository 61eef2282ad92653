"""Space to depth: a convolution whose stride is `fold` as a dense one over blocks of `fold` × `fold` pixels.

N images, C channels, O filters, H and W height and width, K kernel. The folded channel of pixel (dy, dx) of a block
and channel c is (dy · fold + dx) · C + c. A convolution of stride `fold` over (N, C, H, W) with kernel (O, C, K, K)
equals one of stride 1 over the folded image with the folded kernel, if H - K and W - K are multiples of `fold`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def fold_image(image: Tensor, fold: int = 4, padding: int = 0) -> Tensor:
    """The folded image (N, C · fold², ⌈(H + padding) / fold⌉, ⌈(W + padding) / fold⌉), channels-last in memory.

    `padding` rows and columns of zeros come behind the last ones, and as many more as fill the last blocks.
    """
    return _fold(image, fold, padding).contiguous(memory_format=torch.channels_last)


def fold_weight(weight: Tensor, fold: int = 4) -> Tensor:
    """The kernel (O, C · fold², ⌈K / fold⌉, ⌈K / fold⌉) for folded images, zero behind row and column K of `weight`."""
    return _fold(weight, fold, 0)


def _fold(x: Tensor, fold: int, padding: int) -> Tensor:
    n, c, h, w = x.shape
    rows, columns = -(-(h + padding) // fold), -(-(w + padding) // fold)
    x = F.pad(x, (0, columns * fold - w, 0, rows * fold - h))
    x = x.reshape(n, c, rows, fold, columns, fold)
    return x.permute(0, 3, 5, 1, 2, 4).reshape(n, c * fold * fold, rows, columns)
