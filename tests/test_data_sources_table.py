import io
from pathlib import Path

import pytest
from PIL import Image

from alexnet.data.download import ARCHIVES
from alexnet.data.sources.folder import Folder
from alexnet.data.sources.names import DESCRIPTIONS
from alexnet.data.sources.shapes import Shapes
from alexnet.data.sources.table import SOURCES, open_source
from alexnet.errors import ConfigError, DataError


@pytest.fixture
def folder(tmp_path):
    stream = io.BytesIO()
    Image.new("RGB", (3, 3)).save(stream, "PNG")
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "1.png").write_bytes(stream.getvalue())
    return tmp_path / "set"


def test_path_opens_the_folder_there(folder):
    source = open_source(str(folder))
    assert isinstance(source, Folder)
    assert len(source.examples) == 2


def test_folder_is_a_name_too(folder):
    assert open_source("folder", folder).identity == open_source(str(folder)).identity


def test_name_comes_before_a_folder_of_that_name(folder, monkeypatch):
    folder.rename(folder.with_name("flowers17"))
    monkeypatch.chdir(folder.parent)
    with pytest.raises(ConfigError, match="The source flowers17 needs data"):
        open_source("flowers17")
    assert open_source("./flowers17").name == "folder"


def test_built_in_source_opens_without_a_place():
    source = open_source("shapes")
    assert source.name == "shapes"
    assert len(source.categories) == 10


def test_every_named_source_bears_its_name():
    assert list(SOURCES) == list(DESCRIPTIONS)
    for name, row in SOURCES.items():
        if name != "shapes":
            assert row.open.name == name
            with pytest.raises(DataError, match="nowhere"):
                open_source(name, Path("nowhere"))


def test_what_can_be_downloaded_says_so():
    for name in SOURCES:
        if name not in ("shapes", "folder"):
            with pytest.raises(ConfigError) as error:
                open_source(name)
            assert (f"`alexnet data download {name}`" in str(error.value)) == (name in ARCHIVES)
            assert "--from" in str(error.value)
    with pytest.raises(ConfigError, match=r"ILSVRC2012_img_train\.tar"):
        open_source("imagenet")


@pytest.mark.parametrize(
    ("name", "location", "error", "sentence"),
    [
        ("flower17", None, ConfigError, "Unknown source 'flower17'; did you mean 'flowers17'.* no folder of that name"),
        ("shapes", Path("x"), ConfigError, "shapes is built in"),
        ("photos/cats", None, DataError, "photos/cats does not exist"),
        ("nowhere/", None, DataError, "nowhere/ does not exist"),
    ],
)
def test_source_that_cannot_be_opened_is_an_error(name, location, error, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=sentence):
        open_source(name, location)


def test_two_places_are_an_error(folder):
    with pytest.raises(ConfigError, match="is itself a place"):
        open_source(str(folder), folder)


def test_a_path_is_a_place_and_a_text_may_be_a_name(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shapes").symlink_to(folder)
    assert isinstance(open_source("shapes"), Shapes)
    assert isinstance(open_source(Path("shapes")), Folder)
    assert open_source("folder", str(folder)).identity == open_source(str(folder)).identity
