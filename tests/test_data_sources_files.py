import io
import os
import pickle
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from alexnet.data.source import Category, Example
from alexnet.data.sources import archives
from alexnet.data.sources import files as files_module
from alexnet.data.sources.archives import TarFiles, open_files
from alexnet.data.sources.files import FolderFiles, Listing, Span
from alexnet.errors import DataError, ImageError

CONTENT = {"b/2.jpg": b"second", "b/1.jpg": b"first", "a/deep/er/3.jpg": b"third", "top.txt": b""}
HIDDEN = {".DS_Store": b"x", "a/._3.jpg": b"x", ".git/config": b"x"}


def make_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def make_tar(path: Path, files: dict[str, bytes], mode: str = "w", top: str = "") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(top + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def make_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


PLACES = {
    "zip": lambda tmp: make_zip(tmp / "set.zip", CONTENT | HIDDEN),
    "deflated": lambda tmp: make_zip(tmp / "set.zip", CONTENT | HIDDEN, zipfile.ZIP_DEFLATED),
    "folder": lambda tmp: make_folder(tmp / "set", CONTENT | HIDDEN),
    "tar": lambda tmp: make_tar(tmp / "set.tar", CONTENT | HIDDEN),
    "dotted": lambda tmp: make_tar(tmp / "set.tar", CONTENT | HIDDEN, top="./"),
    "gz": lambda tmp: make_tar(tmp / "set.tgz", CONTENT | HIDDEN, "w:gz"),
    "xz": lambda tmp: make_tar(tmp / "set.bin", CONTENT | HIDDEN, "w:xz"),
    "bz2": lambda tmp: make_tar(tmp / "set.tar.bz2", CONTENT | HIDDEN, "w:bz2"),
}


@pytest.mark.parametrize("kind", PLACES)
def test_folder_and_archives_hold_the_same_files(tmp_path, kind):
    files = open_files(PLACES[kind](tmp_path))
    assert files.sizes == {name: len(content) for name, content in CONTENT.items()}
    assert files.folders == {"a", "a/deep", "a/deep/er", "b"}
    assert {name: files.read(name) for name in CONTENT} == CONTENT
    assert files.read("b/2.jpg", Span(1, 3)) == b"eco"


@pytest.mark.parametrize("kind", PLACES)
def test_pickling_keeps_the_place_alone(tmp_path, kind):
    files = open_files(PLACES[kind](tmp_path))
    before = pickle.dumps(files)
    assert files.read("b/1.jpg") == b"first"
    assert len(files.sizes) == 4
    assert pickle.dumps(files) == before
    assert pickle.loads(before).read("b/1.jpg") == b"first"


@pytest.mark.parametrize("kind", PLACES)
def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path, kind):
    files = open_files(PLACES[kind](tmp_path))
    with pytest.raises(OSError, match=r"No such file|is not in"):
        files.read("b/9.jpg")


def test_inner_folder_is_left_out_of_the_names(tmp_path):
    files = {"a/1": b"one", "a/b/2": b"two"}
    for place in (make_folder(tmp_path / "in" / "top", files).parent, make_tar(tmp_path / "x.tar", files, top="top/")):
        inside = open_files(place, inside="top")
        assert set(inside.sizes) == {"a/1", "a/b/2"}
        assert inside.read("a/b/2") == b"two"


def test_archive_inside_of_an_archive_is_read_in_place(tmp_path):
    inner = make_tar(tmp_path / "inner.tar", CONTENT).read_bytes()
    outer = make_tar(tmp_path / "outer.tar", {"other": b"x" * 700, "inner.tar": inner, "more": b"y"})
    files = TarFiles(outer, start=TarFiles(outer).offset("inner.tar"))
    assert files.sizes == {name: len(content) for name, content in CONTENT.items()}
    assert files.read("b/2.jpg") == b"second"


def test_empty_folders_are_folders(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert open_files(tmp_path).folders == {"a", "a/b"}


def test_links_are_followed_and_broken_ones_kept(tmp_path):
    make_folder(tmp_path / "else", {"1.jpg": b"linked"})
    root = make_folder(tmp_path / "set", {"a/0.jpg": b"own"})
    (root / "b").symlink_to(tmp_path / "else")
    (root / "a" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    files = open_files(root)
    assert files.sizes == {"a/0.jpg": 3, "b/1.jpg": 6, "a/gone.jpg": -1}
    assert files.read("b/1.jpg") == b"linked"
    with pytest.raises(OSError, match="No such file"):
        files.read("a/gone.jpg")


def test_what_is_no_regular_file_or_too_large_is_refused(tmp_path, monkeypatch):
    root = make_folder(tmp_path / "set", {"a/0.jpg": b"four"})
    (root / "a" / "zero.jpg").symlink_to("/dev/zero")
    files = open_files(root)
    with pytest.raises(ImageError, match="it is no regular file"):
        files.read("a/zero.jpg")
    with (root / "a" / "sparse.jpg").open("wb") as file:
        file.truncate(20 * 10**9)
    with pytest.raises(ImageError, match="it has 20,000,000,000 bytes, more than the 500,000,000 that are read"):
        files.read("a/sparse.jpg")
    monkeypatch.setattr(files_module, "MAX_BYTES", 3)
    with pytest.raises(ImageError, match="it has 4 bytes, more than the 3"):
        files.read("a/0.jpg")


@pytest.mark.parametrize("top", ["/", "//", "/./"])
def test_names_that_begin_with_a_slash_are_taken_without_it(tmp_path, top):
    files = open_files(make_tar(tmp_path / "set.tar", CONTENT | {"..": b"", "": b""}, top=top))
    assert files.sizes == {name: len(content) for name, content in CONTENT.items()}
    assert files.folders == {"a", "a/deep", "a/deep/er", "b"}
    assert files.read("b/1.jpg") == b"first"


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2"])
def test_an_archive_that_unpacks_to_more_than_memory_should_hold_is_an_error(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(archives, "MAX_UNPACKED", 3_000_000)
    bomb = make_tar(tmp_path / "set", {"a": bytes(10_000_000)}, f"w:{kind}")
    assert bomb.stat().st_size < 100_000
    with pytest.raises(DataError, match=r"set unpacks to more than 3,000,000 bytes.*unpack it yourself and give the"):
        _ = open_files(bomb).sizes


def test_an_archive_that_shrinks_is_an_error_of_the_system(tmp_path):
    files = open_files(make_tar(tmp_path / "set.tar", {"a": bytes(3000)}))
    assert len(files.read("a")) == 3000
    os.truncate(tmp_path / "set.tar", 2000)
    with pytest.raises(OSError, match="it ends at byte 2,000, before byte 3,512"):
        files.read("a")


def test_link_to_a_folder_above_is_an_error(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    with pytest.raises(DataError, match=r"a/again is a link to a folder that contains it"):
        _ = open_files(tmp_path).sizes


def test_pipes_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert open_files(tmp_path).sizes == {}


def test_a_place_that_is_a_device_is_an_error(tmp_path):
    (tmp_path / "zero.tar").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"zero\.tar is neither a folder nor a regular file; give the path of a folder"):
        open_files(tmp_path / "zero.tar")


def test_missing_place_is_an_error(tmp_path):
    with pytest.raises(DataError, match="nowhere does not exist"):
        open_files(tmp_path / "nowhere")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
@pytest.mark.parametrize("length", [3000, 5632, 6000, 8000])  # in a file, after it, in the next header, in the next
def test_truncated_archive_is_an_error(tmp_path, mode, length):
    noise = random.Random(0).randbytes
    path = make_tar(tmp_path / "set.tar", {"a/1": noise(5000), "a/2": noise(5000)}, mode)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r"set\.tar is not a whole tar archive"):
        _ = open_files(path).sizes


def test_file_that_is_no_archive_is_an_error(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"no archive" + bytes(2000))
    with pytest.raises(DataError, match=r"not a whole tar archive .*, or give a folder, another archive .* or a list"):
        _ = open_files(path).sizes


def test_identity_changes_with_everything_it_covers():
    cat, dog = Category("n1", "cat"), Category("n2", "dog")
    one, two = Example("a", 0, "train"), Example("b", 1, "val")
    listings = [
        Listing((cat, dog), (one, two), (10, 20)),
        Listing((dog, cat), (one, two), (10, 20)),
        Listing((Category("n1", "tiger"), dog), (one, two), (10, 20)),
        Listing((cat, dog), (two, one), (10, 20)),
        Listing((cat, dog), (one, two), (10, 21)),
        Listing((cat, dog), (Example("a", 1, "train"), two), (10, 20)),
        Listing((cat, dog), (Example("a", 0, "val"), two), (10, 20)),
        Listing((cat, dog), (Example("c", 0, "train"), two), (10, 20)),
        Listing((cat, dog), (one,), (10,)),
    ]
    assert len({listing.identity() for listing in listings}) == len(listings)
    assert listings[0].identity() == Listing((cat, dog), (one, two), (10, 20)).identity()


def test_names_that_are_not_unicode_have_an_identity(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    (name,) = FolderFiles(tmp_path).sizes
    assert len(Listing((), (Example(name, 0),), (1,)).identity()) == 64


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_archive_that_broke_off_or_is_damaged_is_told(tmp_path, method):
    path = make_zip(tmp_path / "set.zip", {"a/1.jpg": bytes(range(256)) * 9, "b/2.jpg": b"second"}, method)
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"is not a whole zip archive \(.*\); get it again"):
        _ = open_files(path).sizes
    content[60] ^= 255
    path.write_bytes(content)
    files = open_files(path)
    assert files.read("b/2.jpg") == b"second"
    with pytest.raises(ImageError, match="it cannot be unpacked"):
        files.read("a/1.jpg")
    with pytest.raises(FileNotFoundError):
        files.read("c/3.jpg")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"Rar!\x1a\7\1\0", "is a RAR archive, which is not read; unpack it and give the folder"),
        (b"7z\xbc\xaf'\x1c\0\4", "is a 7-Zip archive"),
        (b"\xff\xd8\xff\xe0", "is one JPEG image; give the folder of photographs, an archive or a list of them"),
    ],
)
def test_another_kind_of_file_is_told_what_it_is(tmp_path, content, sentence):
    (tmp_path / "set").write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        open_files(tmp_path / "set")
