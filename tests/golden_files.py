"""What other programs said of networks with weights from a formula: files of tests/golden, and ours held to them."""

import json
from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from proofs.golden import picks
from torch import Tensor

FOLDER = Path(__file__).parent / "golden"


def golden(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert content["made with"].startswith("make proofs")
    assert content["versions"]
    return content


def check(ours: Tensor, theirs: Mapping[str, Any], tolerance: float, what: str) -> None:
    """Holds a whole stage to what is kept of it; `tolerance` is a share of its largest value."""
    found = ours.detach().double().numpy()
    assert list(found.shape) == theirs["shape"], what
    allowed = tolerance * theirs["largest"]
    assert abs(np.abs(found).max() - theirs["largest"]) <= allowed, what
    np.testing.assert_allclose(found.ravel()[picks(found.size)], theirs["picked"], rtol=0, atol=allowed, err_msg=what)
    # sums: Σ|x| is at most √(count · Σx²), and single errors go either way
    total, squares = theirs["sums"]
    assert abs(found.sum() - total) <= tolerance * sqrt(found.size * squares), what
    assert abs(np.square(found).sum() - squares) <= 2 * tolerance * squares, what
