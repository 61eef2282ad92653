import re
from pathlib import Path

import pytest

from alexnet.experiments.bench import machine as module
from alexnet.experiments.bench.machine import commit, machine
from alexnet.model.device import place


def test_a_machine_says_what_a_rate_depends_on() -> None:
    found = machine(place("cpu", "fp32"))
    for key in ("processor", "cores", "threads", "kernels", "memory", "waiting", "torch", "python", "device", "dtype"):
        assert found[key] not in (None, ""), key
    assert "command" not in found


def test_the_commit_is_that_of_the_sources() -> None:
    found = commit()
    assert found["commit"] is None or re.fullmatch("[0-9a-f]{40}", found["commit"])


def test_outside_a_repository_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "site-packages" / "alexnet")
    assert commit() == {"commit": None, "changed": None}
