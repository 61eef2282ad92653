"""How much arithmetic this processor can do at most, by loops of multiply-adds that wait for no memory (ceiling.cpp).

A matrix product is no ceiling: the library that multiplies may be slower than the one that convolves.
"""

import ctypes
from ctypes import POINTER, c_double, c_int, c_int64

import torch

from alexnet.kernels import native

LOOPS = {"fp32": "multiply_add", "bf16": "bf16_dot"}
"""The loop for each dtype: fused multiply-adds in fp32; dot products of pairs in bf16, summed in fp32."""
CHAINS = 12  # independent sums of a thread, as in ceiling.cpp


def run(dtype: str, rounds: int) -> tuple[int, list[float]]:
    """The FLOPs of `rounds` rounds of a dtype's loop on torch's threads, and each thread's sum of its chains.

    0 FLOPs where there are no compiled kernels, or no instruction for that dtype: AMX has no loop here.
    """
    library = native.load()
    if not isinstance(library, native.Library):
        return 0, []
    name = f"alexnet_{LOOPS[dtype]}_{native.table().instructions.decode()}"
    function = getattr(ctypes.CDLL(str(library.path)), name)
    function.argtypes, function.restype = [c_int64, c_int, POINTER(c_double)], c_int64
    threads = torch.get_num_threads()
    sums = (c_double * threads)()
    return int(function(rounds, threads, sums)), list(sums)
