from pathlib import Path

import pytest
from making import tiny_spec

from alexnet.errors import AlexNetError
from alexnet.experiments.bench import predicting
from alexnet.experiments.bench.predicting import bench_predict, cold_start, untrained_model
from alexnet.experiments.bench.timing import Rounds
from alexnet.model.device import Placement, place
from alexnet.weights.model_dir import load_model

FP32 = place("cpu", "fp32")


def test_batches_a_photograph_and_a_cold_start_are_measured(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    def start(model: Path, photograph: Path, placement: Placement) -> float:
        assert load_model(model).net.spec == tiny_spec()
        assert photograph.read_bytes().startswith(b"\xff\xd8")
        return 2.0

    monkeypatch.setattr(predicting, "cold_start", start)
    rows = bench_predict(spec=tiny_spec(), batch_size=5, placement=FP32, rounds=Rounds(2, 0.0), data=None)
    batch, one, decode, answer, cold = rows
    assert (batch.unit, batch.batch_size) == ("images/s", 5)
    assert [row.unit for row in (one, decode, answer, cold)] == ["s"] * 4
    parts = sum(one.samples) + sum(decode.samples)  # of two rounds, the median is the mean
    assert answer.facts["of_its_parts"] == pytest.approx(sum(answer.samples) / parts)
    assert cold.samples == [2.0, 2.0]


def test_an_untrained_model_names_every_output() -> None:
    model = untrained_model(tiny_spec(7))
    assert len({category.key for category in model.categories}) == 7


def test_a_command_that_fails_is_not_timed(tmp_path: Path) -> None:
    with pytest.raises(AlexNetError, match="failed: alexnet: error: There is no model at"):
        cold_start(tmp_path / "none", tmp_path / "none.jpg", FP32)
