import json
from pathlib import Path

import numpy as np
import pytest
from searching import engines, main, rows_like_relu7

from alexnet.evaluation.search import distances


def test_rows_look_like_relu7_and_ours_names_their_neighbours(tmp_path: Path) -> None:
    rows, norms = rows_like_relu7(tmp_path / "rows.npy", 300, 64)
    assert 0.6 < float((rows == 0).mean()) < 0.72
    assert np.allclose(norms, np.linalg.norm(rows.astype(np.float64), axis=1))
    for name, engine in engines(rows, norms).items():
        found = engine(np.array(rows[:3]))
        for number in range(3):
            assert set(found[number]) == set(np.argsort(distances(rows, rows[number]))[:10].tolist()), name


def test_a_measurement_is_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    told = main(["--rows", "200", "--units", "32", "--queries", "2", "--rounds", "1", "--seconds", "0", "--json"])
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(told))
    first = told["results"][0]
    assert (first["what"], first["batch_size"], first["unit"]) == ("ours", 2, "queries/s")
