"""A small part of `make faults`: some kills, failing calls and mutated files, each in a process of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).parent / "faults" / "harness.py"


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler")
def test_kills_failing_calls_and_mutated_files_do_no_harm(tmp_path: Path) -> None:  # half a minute: it forks 100 times
    size = ["--kills", "4", "--every", "150", "--mutations", "150"]
    command = [sys.executable, HARNESS, *size, "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    counts = json.loads((tmp_path / "out").read_text())
    assert counts["kills"] >= 4
    assert counts["failing calls"] > 1
    assert counts["mutations"] >= 150
    assert counts["mutations: refused with a sentence"] > 50
