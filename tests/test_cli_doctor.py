import json
from pathlib import Path

import pytest
from commanding import alexnet

import alexnet.cli.doctor as doctor
from alexnet import kernels
from alexnet.data import resize
from alexnet.model.device import place
from alexnet.version import VERSION


def test_it_tells_what_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "not" / "yet"))
    found = json.loads(alexnet("doctor", "--json").stdout)
    assert found["alexnet"] == VERSION
    assert found["dtype"] == place().dtype_name
    assert found["kernels"] == kernels.describe()
    assert found["home"] == str(tmp_path / "not" / "yet")
    assert found["problems"] == []
    assert found["cores"] >= 1
    result = alexnet("doctor")
    assert result.exit_code == 0
    assert result.stdout.endswith("Everything essential works.\n")
    assert f"kernels    {kernels.describe()}" in result.stdout
    assert f"resizing   {resize.describe()}" in result.stdout


def test_a_missing_extra_is_no_problem_and_comes_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    present = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda package: None if package == "simplejpeg" else present(package))
    result = alexnet("doctor")
    assert result.exit_code == 0
    assert "pip install 'alexnet[fast]'" in result.stdout


def test_what_is_broken_is_reported_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, object]:
        raise ImportError("libtorch.so: cannot open")

    monkeypatch.setattr(doctor, "_compute", broken)
    result = alexnet("doctor")
    assert result.exit_code == 1
    assert "PROBLEM    the network does not run: ImportError: libtorch.so: cannot open" in result.stdout
