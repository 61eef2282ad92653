"""Memory that the gradients of a weight are written to, one after the other, whatever the C library does with blocks.

A C library gives a block of many megabytes back to the system when it is freed, and the system fills the next one with
zeros, page by page, before a gradient is written over them. Here a freed gradient's memory waits for the next.
"""

import mmap
from contextlib import suppress
from ctypes import c_char
from typing import Final
from weakref import finalize

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

LEAST: Final = 1 << 20  # bytes; smaller blocks are kept by every C library

_free = WeakTensorKeyDictionary()  # the blocks of each weight that no tensor lies in now


def gradient_memory(weight: Tensor) -> Tensor:
    """A tensor like `weight`, contiguous and not written yet, for a gradient of it.

    It is a tensor as others are. When nothing holds it or a part of it any more, its memory waits for the next call
    with the same weight, and goes back to the system when the weight is gone too.
    """
    size = weight.nbytes
    if size < LEAST:
        return torch.empty_like(weight, memory_format=torch.contiguous_format)
    free: list[mmap.mmap] = _free.setdefault(weight, [])  # type: ignore[no-untyped-call]
    block = free.pop() if free else _mapped(size)
    place = (c_char * size).from_buffer(block)
    finalize(place, free.append, block).atexit = False  # torch holds `place` as long as a tensor lies there
    return torch.frombuffer(place, dtype=weight.dtype).view(weight.shape)


def _mapped(size: int) -> mmap.mmap:
    """So many bytes of the system's memory, in huge pages where it has them."""
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    block = mmap.mmap(-1, size, **private)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # of a system built without them
            block.madvise(mmap.MADV_HUGEPAGE)
    return block
