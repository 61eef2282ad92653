"""Numbers that every program can make again from a name: of the weights and inputs that networks are compared on.

NumPy promises the raw stream of a bit generator for ever, but no distribution made from it; so there is none here.
"""

from collections.abc import Mapping
from math import prod, sqrt
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

BIAS = 0.5


def uniform(name: str, shape: tuple[int, ...], limit: float) -> NDArray[np.float32]:
    """float32 within ±`limit`: the stream of Philox 4x64 under the CRC-32 of `name`, as whole numbers of 32 bits."""
    count = prod(shape)
    stream = np.random.Philox(key=crc32(name.encode())).random_raw(-(-count // 2))  # (⌈count / 2⌉,) of 64 bits
    numbers = stream.astype("<u8", copy=False).view("<i4")[:count].astype(np.float32)
    numbers *= np.float32(limit * 2.0**-31)
    return numbers.reshape(shape)


def weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    """Parameters by name: biases within `BIAS`, weights within √(6 / inputs) (He et al. 2015).

    So the maps keep their size from layer to layer, and a wrong number in any layer shows in the last.
    """
    limits = {name: BIAS if name.endswith(".bias") else sqrt(6 / prod(shape[1:])) for name, shape in shapes.items()}
    return {name: uniform(name, shape, limits[name]) for name, shape in shapes.items()}
