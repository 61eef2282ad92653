from pathlib import Path

import pytest

from alexnet.home import home


def test_home_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALEXNET_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert home() == Path.home() / ".cache" / "alexnet"
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert home() == Path("/caches/alexnet")
    monkeypatch.setenv("ALEXNET_HOME", "/mine")
    assert home() == Path("/mine")
