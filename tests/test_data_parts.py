from itertools import chain

import pytest
import torch

from alexnet.data.parts import WHOLE, Parts, shared_parts


@pytest.mark.parametrize("photographs", [0, 1, 3, 8, 13, 128])
@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_parts_are_pytorchs_split_and_leave_nothing_out(photographs: int, count: int) -> None:
    expected = [len(part) for part in torch.arange(photographs).tensor_split(count)]
    assert Parts(count, range(count)).sizes(photographs) == expected
    rows = [list(range(photographs))[Parts(count, range(part, part + 1)).rows(photographs)] for part in range(count)]
    assert [len(row) for row in rows] == expected
    assert [*chain(*rows)] == list(range(photographs))
    assert WHOLE.rows(photographs) == slice(0, photographs)


@pytest.mark.parametrize(
    ("asked", "sharers", "parts"),
    [(1, 1, 1), (3, 1, 3), (1, 2, 2), (3, 2, 4), (4, 2, 4), (1, 3, 3), (4, 3, 6), (5, 4, 8), (12, 3, 12)],
)
def test_each_sharer_has_a_power_of_two_of_parts(asked: int, sharers: int, parts: int) -> None:
    assert shared_parts(asked, sharers) == parts
