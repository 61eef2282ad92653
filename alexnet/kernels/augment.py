"""Batches from stored photographs in one pass: crop, mirror, colour shift, mean, scale and space to depth."""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from alexnet.errors import ConfigError
from alexnet.kernels import native, twins
from alexnet.kernels.fused import fused
from alexnet.kernels.space_to_depth import space_to_depth

Array = Any  # a tensor or a NumPy array


def augment_batch(
    pixels: Sequence[Array],
    top: Array,
    left: Array,
    mirrored: Array,
    shift: Array,
    mean: Array,
    *,
    scale: float = 1.0,
    block: int = 1,
    padding: int = 0,
    dtype: torch.dtype = torch.float32,
    threads: int | None = None,
) -> Tensor:
    """The batch (N, 3 · block², S, S) of views (pixel - mean + shift) · scale, with S = ⌈(crop + padding) / block⌉.

    `pixels` are N photographs, uint8 (H, W, 3), all of one size. Row n of `top`, `left`, `mirrored` (N,) and `shift`
    (N, 3) says where view n lies, whether it is mirrored and what is added to each pixel's colours. `mean` is
    (crop, crop, 3) and is not mirrored. `block` and `padding` are those of `space_to_depth`; the padding is zero, the
    mean's colour. The batch is channels-last in memory; `dtype` is float32 or bfloat16. `threads` is PyTorch's number
    if None. Raises ConfigError for a view that leaves its photograph and for sizes that do not fit.
    (PAPER, section 4.1)
    """
    top, left = (_table(v, torch.int64) for v in (top, left))
    mirrored = _table(mirrored, torch.uint8)
    shift, mean = (_table(v, torch.float32) for v in (shift, mean))
    count, crop = len(pixels), mean.shape[0]
    found = [tuple(v.shape) for v in (top, left, mirrored, shift, mean)]
    expected = [(count,)] * 3 + [(count, 3), (crop, crop, 3)]
    if found != expected:
        raise ConfigError(
            f"The shapes {found} of top, left, mirrored, shift and mean do not fit {count} photographs:"
            f" expected {expected}."
        )
    sources = [_source(photograph) for photograph in pixels]
    sizes = {size for _, size in sources}
    if len(sizes) > 1:
        raise ConfigError(f"The photographs of a batch are of different sizes {sorted(sizes)}; store them as one size.")
    side = -(-(crop + padding) // block)
    if not count:
        empty = 0, 3 * block**2, side, side
        return torch.empty(empty, dtype=dtype, device="cpu", memory_format=torch.channels_last)
    height, width = sizes.pop()
    for corners, size in ((top, height), (left, width)):
        if int(corners.min()) < 0 or int(corners.max()) + crop > size:
            raise ConfigError(
                f"A view of {crop} pixels from pixel {int(corners.min())} to {int(corners.max())} on leaves its"
                f" photograph of {height}×{width} pixels."
            )

    batch = torch.empty((count, side, side, 3 * block**2), dtype=dtype, device="cpu")
    if not fused(batch.device, dtype):
        photographs = [p if isinstance(p, Tensor) else torch.tensor(p, device="cpu") for p in pixels]
        views = twins.augment(photographs, top, left, mirrored, shift, mean, scale)
        return space_to_depth(views, block, padding).to(dtype)
    addresses = (ctypes.c_void_p * count)(*(address for address, _ in sources))
    tables = (v.data_ptr() for v in (top, left, mirrored, shift, mean))
    job = native.Augment(count, width, crop, block, side, scale, ctypes.addressof(addresses), *tables)
    team = torch.get_num_threads() if threads is None else threads
    native.run("augment", ctypes.byref(job), int(dtype == torch.bfloat16), team, batch.data_ptr())
    return batch.permute(0, 3, 1, 2)


def _table(values: Array, dtype: torch.dtype) -> Tensor:
    return torch.as_tensor(values, dtype=dtype, device="cpu").contiguous()


def _source(photograph: Array) -> tuple[int, tuple[int, int]]:
    """The address and size (H, W) of a photograph's pixels; NumPy arrays that forbid writing are not copied either."""
    shape = tuple(photograph.shape)
    if isinstance(photograph, Tensor):
        fits, address = photograph.dtype == torch.uint8 and photograph.is_contiguous(), photograph.data_ptr()
    else:
        memory = photograph.__array_interface__
        fits, address = memory["typestr"] == "|u1" and memory["strides"] is None, memory["data"][0]
    if not fits or len(shape) != 3 or shape[2] != 3:
        raise ConfigError(
            f"A photograph must be contiguous uint8 (H, W, 3), not {photograph.dtype} {shape}; copy it into that form."
        )
    return address, shape[:2]
