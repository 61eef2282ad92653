import json
import os
import tomllib
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


def test_every_extra_is_told() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {
        (package.partition(">=")[0], extra)
        for extra, packages in project["optional-dependencies"].items()
        for package in packages
        if extra not in ("all", "dev")
    }
    assert {(package, extra) for package, (extra, _) in doctor.EXTRAS.items()} == named


@pytest.mark.parametrize("place", ["", "stores"])
def test_a_cache_that_cannot_be_used_is_a_problem(place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = tmp_path / "file" / place
    monkeypatch.setenv("ALEXNET_HOME", str(cache))
    result = alexnet("doctor")
    assert result.exit_code == 1
    said = f"the cache {cache} cannot be written (Not a directory); set ALEXNET_HOME to a folder of yours"
    assert f"PROBLEM    {said}" in result.stdout
    assert json.loads(alexnet("doctor", "--json").stdout)["problems"] == [said]


def test_a_cache_that_may_not_be_written_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "not" / "yet"))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    result = alexnet("doctor")
    assert result.exit_code == 1
    assert f"the cache {tmp_path}/not/yet cannot be written (Permission denied); set ALEXNET_HOME" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_what_is_broken_is_reported_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, object]:
        raise ImportError("libtorch.so: cannot open")

    monkeypatch.setattr(doctor, "_compute", broken)
    result = alexnet("doctor")
    assert result.exit_code == 1
    assert "PROBLEM    the network does not run: ImportError: libtorch.so: cannot open" in result.stdout
