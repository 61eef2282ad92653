"""A small part of `make faults`: kills, failing calls, poor machines, mutated files, each in a process of its own."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HARNESS = Path(__file__).parent / "faults" / "harness.py"
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler"
)


def test_kills_failing_calls_poor_machines_and_mutated_files_do_no_harm(tmp_path: Path) -> None:  # a third of a minute
    jobs = [word for name in ("prepare", "train", "save", "features") for word in ("--job", name)]
    size = ["--lanes", "2", "--kills", "4", "--every", "90", "--mutations", "170"]
    found = told(tmp_path, *jobs, *size)
    counts = found["counts"]
    assert counts["kills"] >= 4
    assert counts["kills: when a name appears"] == 2
    assert counts["failing calls"] > 5
    assert counts["changed files"] >= 150
    assert counts["changed files: refused with a sentence"] > 50
    kinds = {"few descriptors", "little memory", "clock that runs backwards", "full disk", "no permission"}
    assert kinds & counts.keys()
    assert found["troubles"] == []
    assert len(found["commands"][0]["commit"]) == 40
    more = told(tmp_path, "--part", "kills", "--job", "save", "--kills", "1")  # pieces of one run make one record
    assert len(more["commands"]) == len(found["commands"]) + 1 == 2
    assert more["counts"]["kills"] == counts["kills"] + 1
    assert more["counts"]["changed files"] == counts["changed files"]


def test_the_page_says_the_counts_of_the_record() -> None:
    root = Path(__file__).parents[1]
    record = json.loads((root / "results" / "faults" / "seed0.json").read_text())
    page = " ".join((root / "docs" / "reliability.md").read_text().split())
    counts = record["counts"]
    names = {"kills": "kills", "failing calls": "failing calls", "changed files": "changed files"}
    for kind, words in names.items():
        assert f"{counts[kind]:,} {words}" in page
    told = {kind for kind in counts if ":" not in kind} - names.keys()
    assert f"{sum(counts[kind] for kind in told):,} times a machine lacked something" in page
    assert record["troubles"] == [] and "No trouble was found" in page
    workers = counts["kills: of the worker"] + counts["kills: of the starting worker"]
    assert f"({counts['kills: when a name appears']} of them when a new name appeared, {workers} of a worker)" in page
    forged = sum(count for kind, count in counts.items() if kind.startswith("changed files: forged"))
    assert f"{forged:,} of them with checksums that are right" in page
    shares = [re.match(r"([\d,]+) of ([\d,]+)", words) for words in record["left out"].values()]
    left, of = (sum(int(share[at].replace(",", "")) for share in shares if share) for at in (1, 2))
    assert (f"{left:,} of {of:,} kills, calls and machines not reached" in page) is bool(left)


def told(folder: Path, *words: str) -> dict[str, Any]:
    """The record that the harness leaves."""
    command = [sys.executable, HARNESS, *words, "--out", folder / "out"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, Any] = json.loads((folder / "out").read_text())
    return found
