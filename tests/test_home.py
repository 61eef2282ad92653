from pathlib import Path

import pytest

from alexnet.errors import AlexNetError
from alexnet.home import home, make


def test_home_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALEXNET_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert home() == Path.home() / ".cache" / "alexnet"
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert home() == Path("/caches/alexnet")
    monkeypatch.setenv("ALEXNET_HOME", "/mine")
    assert home() == Path("/mine")
    monkeypatch.setenv("ALEXNET_HOME", "~/mine")
    assert home() == Path.home() / "mine"
    monkeypatch.delenv("ALEXNET_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "~/caches")
    assert home() == Path.home() / "caches" / "alexnet"


def test_a_folder_that_cannot_be_made_names_the_variable(tmp_path: Path) -> None:
    make(tmp_path / "a" / "b")
    make(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    for folder, reason in ((tmp_path / "file" / "stores", "Not a directory"), (tmp_path / "file", "File exists")):
        with pytest.raises(AlexNetError) as caught:
            make(folder)
        assert str(caught.value) == f"Cannot make the folder {folder}: {reason}; set ALEXNET_HOME to a folder of yours."
