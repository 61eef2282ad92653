from pathlib import Path

import pytest
from commanding import alexnet

from alexnet.cli.progress import Meter
from alexnet.cli.session import Session, home, offline


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ALEXNET_HOME", "XDG_CACHE_HOME", "ALEXNET_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_home_is_in_the_users_cache(tmp_path: Path) -> None:
    assert home() == tmp_path / ".cache" / "alexnet"


def test_home_heeds_xdg_and_then_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert home() == Path("/caches/alexnet")
    monkeypatch.setenv("ALEXNET_HOME", "/mine")
    assert home() == Path("/mine")


@pytest.mark.parametrize(("value", "means"), [("1", True), ("0", False), ("", False), ("yes", True)])
def test_offline_is_what_the_variable_says(value: str, means: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not offline()
    monkeypatch.setenv("ALEXNET_OFFLINE", value)
    assert offline() is means


def test_what_a_name_brings_along_is_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    Session().note("passed over \x07a")
    Session().warn("the class \x07b is small")
    with Meter(Session()) as meter:
        meter.line("reading \x1b[31mc")
        meter.warn("\x1b[31md")
    said = capsys.readouterr().err
    assert said.split("\n")[:4] == [
        "passed over \\x07a",
        "warning: the class \\x07b is small",
        "reading \\x1b[31mc",
        "warning: \\x1b[31md",
    ]


def test_quiet_leaves_the_result_alone(tmp_path: Path) -> None:
    words = ("prepare", "shapes", tmp_path / "store", "--per-class", "train=1,val=1", "-j", "1")
    loud, quiet = alexnet(*words), alexnet(*words, "-q")
    assert loud.stdout == quiet.stdout != ""
    assert quiet.stderr == ""
