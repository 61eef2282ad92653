"""docs/features.md: its Python runs as it stands, as a file in a process of its own, on features that were extracted.

faiss and usearch are packages of bench/requirements.txt, so their blocks run where they are installed.
"""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from commanding import alexnet
from making import tiny_model

from alexnet.data.store import Store
from alexnet.evaluation.features import Features
from alexnet.evaluation.search import nearest
from alexnet.weights.model_dir import save_model

TEXT = (Path(__file__).parents[1] / "docs" / "features.md").read_text(encoding="utf-8")
READING, FAISS, USEARCH = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
# what the tests want to know of a block's variables
TELL = "\nimport json\nprint(json.dumps({told}))\n"


@pytest.fixture
def features(colours: Store, tmp_path: Path, one_thread: None) -> Features:
    """The folder that the document speaks of; a stage of the small network stands in for relu7."""
    save_model(tiny_model(colours), tmp_path / "model")
    folder = tmp_path / "flowers.features"
    assert alexnet("features", tmp_path / "model", colours.path, "-o", folder, "--stages", "relu2").exit_code == 0
    return Features.open(folder)


def told(features: Features, code: str, what: str) -> list[list[object]]:
    """What a reader's file of these blocks finds, as JSON."""
    file = features.path.parent / "reader.py"
    file.write_text(code.replace("relu7", "relu2") + TELL.format(told=what), encoding="utf-8")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, str(file)], cwd=file.parent, env=environment, capture_output=True, text=True, timeout=100
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_any_program_reads_the_arrays(features: Features) -> None:
    rows, names = told(features, READING, "[rows.tolist(), [each['image'] for each in images]]")
    assert np.array_equal(np.array(rows, np.float32), features.array("relu2"))
    assert names == [row["image"] for row in features.images]


@pytest.mark.parametrize(
    ("engine", "block", "found"),
    [("faiss", FAISS, "found.tolist()"), ("usearch", USEARCH, "matches.keys.tolist()")],
)
def test_an_engine_takes_the_rows_and_finds_what_search_finds(
    features: Features, engine: str, block: str, found: str
) -> None:
    if find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed; it is in bench/requirements.txt")
    rows = features.array("relu2")
    expected = nearest(rows, rows[:5], 10, norms=features.norms("relu2"))[0]
    assert [set(each) for each in told(features, READING + block, found)] == [set(each.tolist()) for each in expected]
