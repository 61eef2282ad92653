"""Who doubts a record checks out its commit: the history has it, or results/README.md says that it has not."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"


def git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def history() -> set[str]:
    """The commits that this one comes from."""
    told = git("rev-parse", "--show-toplevel", "--is-shallow-repository").stdout.split("\n")
    if told[:1] != [str(ROOT.resolve())] or told[1] != "false":
        pytest.skip("needs a clone with its whole history")
    return set(git("rev-list", "HEAD").stdout.split())


def test_the_commit_of_a_record_is_in_the_history_or_said_to_be_lost(history: set[str]) -> None:
    named = {
        path.relative_to(RESULTS).as_posix(): set(re.findall(r'"commit": "([0-9a-f]{40})"', path.read_text("utf-8")))
        for path in RESULTS.rglob("*.json")
    }
    assert sum(bool(commits) for commits in named.values()) > 100
    lost = {path for path, commits in named.items() if commits - history}
    told = (RESULTS / "README.md").read_text("utf-8").partition("is not in this history: ")[2].partition(".\n")[0]
    assert lost == set(re.findall("`([^`]+)`", told))
