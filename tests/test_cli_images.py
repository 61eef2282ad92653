import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from alexnet.cli.images import expand
from alexnet.cli.session import Session
from alexnet.errors import ConfigError

FILES = ("a/1.jpg", "a/deep/2.PNG", "a/notes.txt", "b/3.jpg", "[odd].jpg", "@home.jpg")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9)).save(tmp_path / name, "PNG")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*words: str, listed: bool = False) -> list[str]:
    return [name for name, _ in expand(Session(), words, listed=listed)]


def test_words_mean_files_folders_patterns_and_lists(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert names("b/3.jpg", "a") == ["b/3.jpg", "a/1.jpg", "a/deep/2.PNG"]
    assert names("*/*.jpg") == ["a/1.jpg", "b/3.jpg"]
    assert names("a/**/*") == ["a/1.jpg", "a/deep/2.PNG"]
    assert "a/**/*: Passed over 1 thing that is no photograph: 1 .txt." in capsys.readouterr().err
    (here / "list.txt").write_text("b/3.jpg\r\n\na\n*.jpg\n", encoding="utf-8-sig")
    assert names("@list.txt", "a/1.jpg") == [*names("b/3.jpg", "a", "*.jpg"), "a/1.jpg"]


def test_a_file_of_that_very_name_is_meant_first(here: Path) -> None:
    assert names("[odd].jpg", "@home.jpg") == ["[odd].jpg", "@home.jpg"]


def test_standard_input_is_an_image_or_a_list(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names("-") == ["-"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("a/1.jpg\nb\n"))
    assert names("-", listed=True) == ["a/1.jpg", "b/3.jpg"]
    with pytest.raises(ConfigError, match="holds one list, but '-' was given more than once"):
        names("-", "-", listed=True)
    with pytest.raises(ConfigError, match="give '-' too, or @FILE for a list in a file"):
        names("a", listed=True)


def test_standard_input_that_is_closed_is_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    for listed in (False, True):
        with pytest.raises(ConfigError, match="'-' means standard input, which is closed; give files, or open a pipe"):
            names("-", listed=listed)
    assert names("a/1.jpg") == ["a/1.jpg"]


def test_the_user_s_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    assert names("~/b/3.jpg", "~/a/*.jpg") == [str(here / "b/3.jpg"), str(here / "a/1.jpg")]


def test_a_list_without_end_is_not_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "zero.txt").symlink_to("/dev/zero")
    with pytest.raises(
        ConfigError, match=r"zero\.txt cannot be read \(it is no regular file\); a pipe goes in by - --list"
    ):
        names("@zero.txt")
    (here / "list.txt").write_text("b/3.jpg\n")
    monkeypatch.setattr("alexnet.cli.images.MAX_LIST", 7)
    with pytest.raises(
        ConfigError, match=r"list\.txt cannot be read \(it has 8 bytes, more than the 7 that are read\)"
    ):
        names("@list.txt")


def test_what_is_not_there_is_an_entry_or_a_sentence(here: Path) -> None:
    assert names("none/*.jpg", "nowhere.jpg") == ["none/*.jpg", "nowhere.jpg"]
    ((_, nothing),) = expand(Session(), ["none/*.jpg"])
    with pytest.raises(FileNotFoundError, match="there is no image that this pattern matches"):
        nothing.read(1)
    with pytest.raises(ConfigError, match=r"The list none\.txt cannot be read"):
        names("@none.txt")
