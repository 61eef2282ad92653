import json
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet.model.variants import PAPER

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "results" / "dtypes.py"


def run(folder: Path, dtype: str, seed: int, error: float, **recipe: object) -> Path:
    path = folder / f"{dtype}-{seed}"
    path.mkdir()
    files = {
        "run": {"dtype": dtype, "fingerprint": "f", "spec": PAPER.to_json()},
        "recipe": {"seed": seed, "lr": 0.1, **recipe},
        "summary": {"val_top1_error": error},
        "environment": {"command": ["alexnet"], "dtype": dtype, "threads": 1},
    }
    for name, content in files.items():
        (path / f"{name}.json").write_text(json.dumps(content))
    return path


def compare(*runs: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, runs)], capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize(("bf16", "status"), [((0.24, 0.28), 0), ((0.31, 0.33), 1), ((0.10, 0.12), 1)])
def test_means_are_compared_with_the_spread_of_seeds(tmp_path: Path, bf16: tuple[float, float], status: int) -> None:
    runs = [run(tmp_path, "fp32", seed, error) for seed, error in enumerate((0.20, 0.26))]
    runs += [run(tmp_path, "bf16", seed, error) for seed, error in enumerate(bf16)]
    ended = compare(*runs)
    assert ended.returncode == status
    found = json.loads(ended.stdout)
    assert found["within"] is (status == 0)
    assert found["spread_of_seeds"] == pytest.approx(0.06)
    assert found["means"]["fp32"] == pytest.approx(0.23)
    assert found["recipe"] == {"lr": 0.1} and found["environment"] == {"threads": 1}, "what they have in common"


def test_runs_from_before_a_setting_came_compare_with_runs_after_it(tmp_path: Path) -> None:
    runs = [run(tmp_path, "fp32", seed, 0.2) for seed in (0, 1)]
    runs += [run(tmp_path, "bf16", seed, 0.2, mixup=0.0) for seed in (0, 1)]
    assert compare(*runs).returncode == 0


def test_runs_that_do_not_compare_are_refused(tmp_path: Path) -> None:
    runs = [run(tmp_path, dtype, seed, 0.2) for dtype in ("fp32", "bf16") for seed in (0, 1)]
    for wrong in (runs[:3], [*runs, run(tmp_path, "fp32", 2, 0.2, lr=0.2)]):
        ended = compare(*wrong)
        assert ended.returncode == 1
        assert "two or more finished runs in each dtype" in ended.stderr
