"""The loops do the arithmetic that they count: their sums are those of the same loops in Python."""

import pytest
import torch

from alexnet.kernels import ceiling, native

SETS = native.instruction_sets()
LANES = {"generic": 4, "avx2": 8, "avx512": 16}  # of fp32 in a register; generic: x86-64 and Arm


def expected(dtype: str, rounds: int) -> float:
    total = 0.0
    for chain in map(float, range(ceiling.CHAINS)):
        for _ in range(rounds):
            chain = chain / 2 + 1 if dtype == "fp32" else chain + 1 * 0.5 + 1 * 0.5
        total += chain
    return total


@pytest.mark.parametrize("rounds", [1, 2, 7])
@pytest.mark.parametrize("dtype", ceiling.LOOPS)
@pytest.mark.parametrize("name", SETS)
def test_every_thread_does_every_round(name: str, dtype: str, rounds: int) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with native.instructions(name):
            flops, sums = ceiling.run(dtype, rounds)
    finally:
        torch.set_num_threads(before)
    if not flops:
        assert dtype == "bf16", "multiply-adds in fp32 are everywhere"
        return
    assert sums == [expected(dtype, rounds)] * 3
    adds = 2 if dtype == "bf16" else 1  # a dot product of two pairs a lane
    assert flops == 2 * adds * LANES[name] * ceiling.CHAINS * rounds * 3


def test_nothing_is_counted_without_compiled_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "load", lambda: "no compiler")
    assert ceiling.run("fp32", 1) == (0, [])
