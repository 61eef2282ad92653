import pytest
import torch

from alexnet import kernels
from alexnet.experiments.bench.normalising import bench_lrn, functions
from alexnet.experiments.bench.timing import Rounds
from alexnet.model.device import place


def maps() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 20 * torch.randn(2, 12, 9, 9, generator=generator)


@pytest.mark.parametrize("kind", ["norm", "ReLU-norm-pool"])
def test_what_is_compared_computes_the_same(kind: str) -> None:
    answers = [function(maps()) for name, function in functions().items() if name.startswith(kind)]
    assert len(answers) == 3
    for answer in answers[1:]:
        # three orders of float32 operations
        torch.testing.assert_close(answer, answers[0], rtol=1e-5, atol=1e-5)


def test_all_are_timed_both_ways(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.setattr("alexnet.experiments.bench.normalising.MAPS", 8)
    rows = bench_lrn(batch_size=1, placement=place("cpu", "bf16"), rounds=Rounds(1, 0.0), spec=None, data=None)
    expected = [f"{name}, {way}" for name in functions() for way in ("forward", "both ways")]
    if not kernels.available():
        expected = [name for name in expected if "kernel" not in name]
    assert [row.what for row in rows] == expected


def test_without_the_compiled_kernels_their_rows_are_left_out(one_thread: None) -> None:
    with kernels.use_twin():
        rows = bench_lrn(batch_size=1, placement=place("cpu", "fp32"), rounds=Rounds(1, 0.0))
    assert rows and not [row for row in rows if "kernel" in row.what]
