from pathlib import Path

import pytest
from making import tiny_spec

from alexnet.errors import AlexNetError, ConfigError
from alexnet.experiments.bench import showing
from alexnet.experiments.bench.showing import bench_show, cold_start
from alexnet.experiments.bench.timing import Rounds
from alexnet.model.device import place
from alexnet.weights.model_dir import load_model

FP32 = place("cpu", "fp32")


def test_kernels_and_maps_are_drawn_from_a_cold_start(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    asked: list[list[str]] = []

    def start(words: list[str]) -> float:
        asked.append(words)
        assert load_model(Path(words[1])).net.spec == tiny_spec()
        return 1e6

    monkeypatch.setattr(showing, "cold_start", start)
    rows = bench_show(spec=tiny_spec(), placement=FP32, rounds=Rounds(2, 0.0), data=None)
    assert [row.what for row in rows] == [
        "alexnet show filters",
        "alexnet show maps --stage all",
        "alexnet show maps --stage all --top all",
    ]
    assert [words[0] for words in asked] == ["filters", "maps", "maps"] * 2
    assert all(row.samples == [1e6] * 2 and row.unit == "s" for row in rows)
    assert all(0 < row.facts["drawing"] < 1e-3 for row in rows)


def test_the_command_is_one_that_there_is(tmp_path: Path) -> None:
    with pytest.raises(AlexNetError, match="failed: alexnet: error: There is no model at"):
        cold_start(["filters", str(tmp_path / "none")])


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'alexnet\[see\]'"):
        bench_show(spec=tiny_spec(), placement=FP32, rounds=Rounds(1, 0.0))
