"""Exact search beside faiss and usearch: what all search, and that a wrong answer is not timed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compare import rows_like_relu7
from protocol import Unable
from searching import make

from alexnet.evaluation.search import distances


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Any]:
    return rows_like_relu7(tmp_path, 300, 64)


def test_rows_look_like_relu7_and_the_neighbours_are_those_of_the_definition(made: dict[str, Any]) -> None:
    rows, queries = np.load(made["rows"]), np.load(made["queries"])
    assert 0.6 < float((rows == 0).mean()) < 0.72
    assert np.allclose(np.load(made["norms"]), np.linalg.norm(rows.astype(np.float64), axis=1))
    assert len(queries) == len(made["neighbours"]) == 64
    for query, neighbours in zip(queries, made["neighbours"], strict=True):
        assert neighbours == np.argsort(distances(rows, query))[:10].tolist()
    json.dumps(made)  # settings of a contender


@pytest.mark.parametrize("engine", ["ours", "faiss", "usearch"])
@pytest.mark.parametrize("count", [1, 64])
def test_a_contender_answers_its_queries(engine: str, count: int, made: dict[str, Any], one_thread: None) -> None:
    if engine != "ours":
        pytest.importorskip(engine)
    work, facts = make({**made, "engine": engine, "batch_size": count, "threads": 1})
    assert work() == count
    assert engine.replace("ours", "alexnet") in facts["versions"]


def test_one_that_names_other_neighbours_takes_no_part(made: dict[str, Any], one_thread: None) -> None:
    made["neighbours"][0][9] = made["neighbours"][1][0]
    with pytest.raises(Unable, match="other neighbours"):
        make({**made, "engine": "ours", "batch_size": 1, "threads": 1})
