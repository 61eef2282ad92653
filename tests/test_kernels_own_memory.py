import gc
import mmap
from weakref import ref

import pytest
import torch
from commanding import python

from alexnet.hardware import page_faults
from alexnet.kernels import own_memory
from alexnet.kernels.own_memory import LEAST, gradient_memory

SIDE = 4096  # whose square is 64 MiB in fp32: more than glibc ever keeps by itself


def test_a_freed_gradient_lends_its_memory_to_the_next() -> None:
    weight = torch.zeros(SIDE, SIDE)
    first = gradient_memory(weight)
    place = first.fill_(1).data_ptr()
    del first
    before = page_faults()
    second = gradient_memory(weight)
    assert second.shape == weight.shape and second.is_contiguous() and second.data_ptr() == place
    second.fill_(2)
    assert page_faults() - before < 100  # of 16,384 pages


def test_memory_that_something_holds_is_not_lent() -> None:
    weight = torch.zeros(LEAST, dtype=torch.bfloat16).view(1024, -1)
    first = gradient_memory(weight)
    row = first.fill_(1)[5]
    del first
    gradient_memory(weight).fill_(2)
    assert row.dtype is torch.bfloat16 and (row == 1).all()


def test_every_weight_has_memory_of_its_own() -> None:
    weights = [torch.zeros(LEAST // 4) for _ in range(2)]
    places = [gradient_memory(weight).data_ptr() for weight in weights]
    assert len(set(places)) == 2
    assert [gradient_memory(weight).data_ptr() for weight in weights] == places


def test_memory_goes_with_the_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = []

    def mapped(size: int) -> mmap.mmap:
        blocks.append(ref(block := mmap.mmap(-1, size)))
        return block

    monkeypatch.setattr(own_memory, "_mapped", mapped)
    weight = torch.zeros(LEAST // 4)
    first, second = gradient_memory(weight).fill_(3), gradient_memory(weight)
    assert len(blocks) == 2
    del second, weight
    gc.collect()
    assert (first == 3).all()  # as long as it is held
    del first
    gc.collect()
    assert [block() for block in blocks] == [None, None]


def test_gradients_may_outlive_the_program() -> None:
    process = python(HELD)
    assert (*process.communicate(), process.returncode) == ("", "", 0)


HELD = """
import torch
from alexnet.kernels.own_memory import gradient_memory
weight = torch.nn.Parameter(torch.zeros(1024, 1024))
weight.grad = gradient_memory(weight).fill_(1)
"""


def test_a_small_gradient_lies_where_others_do() -> None:
    weight = torch.zeros(3, 5).t()
    gradient = gradient_memory(weight)
    assert gradient.shape == (5, 3) and gradient.is_contiguous()
