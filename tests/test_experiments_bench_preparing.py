from pathlib import Path

import pytest
from commanding import photographs

from alexnet.experiments.bench.preparing import STAGES, bench_prepare, steady_rate
from alexnet.experiments.bench.timing import Rounds


def test_the_rate_counts_from_when_every_worker_has_delivered() -> None:
    started, both, rest = (7.0, 0), [(9.0, 32), (9.1, 64)], [(11.0, 96), (11.1, 128)]
    assert steady_rate([started, *both, *rest], workers=2) == pytest.approx(64 / 2.0)


def test_few_deliveries_count_from_the_start() -> None:
    assert steady_rate([(1.0, 0), (3.0, 18)], workers=2) == 9.0


def test_a_folder_is_prepared_in_both_encodings(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "photographs")
    rows = bench_prepare(rounds=Rounds(1, 0.0), data=folder, spec=None, batch_size=None, placement=None)
    assert [row.what.split(",")[0] for row in rows] == ["jpeg store", "raw store"]
    for row in rows:
        assert row.median == pytest.approx(1 / sum(1 / row.facts[stage] for stage in STAGES))
