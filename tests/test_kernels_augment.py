from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from alexnet.errors import ConfigError
from alexnet.kernels import augment_batch, native, space_to_depth, use_twin


@pytest.fixture(params=[*native.instruction_sets(), "twin"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    with use_twin() if request.param == "twin" else native.instructions(request.param):
        yield request.param


def draw(count: int, height: int, width: int, crop: int) -> dict[str, Any]:
    draws = torch.Generator().manual_seed(7)
    return {
        "pixels": list(torch.randint(256, (count, height, width, 3), dtype=torch.uint8, generator=draws)),
        "top": torch.randint(height - crop + 1, (count,), generator=draws),
        "left": torch.randint(width - crop + 1, (count,), generator=draws),
        "mirrored": torch.arange(count) % 2 == 1,
        "shift": torch.randn(count, 3, generator=draws) * 10,
        "mean": torch.rand(crop, crop, 3, generator=draws) * 255,
    }


def one_by_one(d: dict[str, Any], scale: float) -> Tensor:
    """Each number of the batch on its own, in float64."""
    crop = len(d["mean"])
    out = torch.empty(len(d["pixels"]), 3, crop, crop, dtype=torch.float64)
    for n, c, y, x in torch.cartesian_prod(*map(torch.arange, out.shape)).tolist():
        column = crop - 1 - x if d["mirrored"][n] else x
        pixel = d["pixels"][n][d["top"][n] + y, d["left"][n] + column, c].double()
        out[n, c, y, x] = (pixel - d["mean"][y, x, c].double() + d["shift"][n, c].double()) * scale
    return out


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("crop", "block", "padding"), [(9, 1, 0), (9, 4, 0), (8, 4, 0), (9, 4, 3), (7, 3, 1), (6, 1, 2)]
)
def test_a_batch_is_every_pixel_moved_and_folded(
    way: str, crop: int, block: int, padding: int, dtype: torch.dtype
) -> None:
    d = draw(5, 11, 12, crop)
    found = augment_batch(**d, scale=0.7, block=block, padding=padding, dtype=dtype)
    expected = space_to_depth(one_by_one(d, 0.7), block, padding)
    assert found.dtype == dtype
    assert found.shape == expected.shape
    assert found.is_contiguous(memory_format=torch.channels_last)
    # float32: three roundings of numbers up to 300. bfloat16: half a unit of 8 bits.
    rtol, atol = (0, 1e-4) if dtype == torch.float32 else (2**-7.99, 1e-4)
    torch.testing.assert_close(found.double(), expected, rtol=rtol, atol=atol)
    behind = space_to_depth(torch.ones(1, 3, crop, crop), block, padding) == 0
    assert not found[behind.expand_as(found)].any()


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_every_way_and_thread_count_gives_the_same_bits(way: str, threads: int) -> None:
    d = draw(5, 40, 40, 37)
    found = augment_batch(**d, scale=1 / 1.1, block=4, padding=3, threads=threads)
    with use_twin():
        assert torch.equal(found, augment_batch(**d, scale=1 / 1.1, block=4, padding=3))


def test_numpy_arrays_that_forbid_writing_serve_without_a_copy(way: str) -> None:
    d = draw(3, 12, 12, 9)
    arrays = {
        key: np.stack([v.numpy() for v in value]) if key == "pixels" else value.numpy() for key, value in d.items()
    }
    arrays["pixels"].flags.writeable = False
    assert torch.equal(augment_batch(**arrays), augment_batch(**d))


def test_an_empty_batch_has_its_shape(way: str) -> None:
    d = draw(1, 12, 12, 9)
    empty = {key: value if key == "mean" else value[:0] for key, value in d.items()}
    assert augment_batch(**empty, block=4, padding=3).shape == (0, 48, 3, 3)


def test_what_does_not_fit_is_refused() -> None:
    d = draw(2, 12, 12, 9)
    with pytest.raises(ConfigError, match="leaves its photograph of 12×12"):
        augment_batch(**d | {"top": torch.tensor([0, 4])})
    with pytest.raises(ConfigError, match="leaves its photograph"):
        augment_batch(**d | {"left": torch.tensor([-1, 0])})
    with pytest.raises(ConfigError, match="do not fit 2 photographs"):
        augment_batch(**d | {"shift": torch.zeros(1, 3)})
    with pytest.raises(ConfigError, match="different sizes"):
        augment_batch(**d | {"pixels": [d["pixels"][0], d["pixels"][1][1:]]})
    with pytest.raises(ConfigError, match="contiguous uint8"):
        augment_batch(**d | {"pixels": [p.float() for p in d["pixels"]]})
    with pytest.raises(ConfigError, match="contiguous uint8"):
        augment_batch(**d | {"pixels": [p[:, ::2] for p in d["pixels"]]})
