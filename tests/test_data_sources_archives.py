"""Names in archives as programs write them: links, bytes of UTF-8 without a mark, backslashes, ways up."""

import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from alexnet.data.sources.archives import open_files
from alexnet.errors import DataError, ImageError


def tar_of(path: Path, *members: tuple[str, bytes | str, bytes]) -> Path:
    """A tar of files (name, content, b"") and of links (name, target, type)."""
    with tarfile.open(path, "w") as archive:
        for name, content, kind in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = kind, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, BytesIO(content))
    return path


def file(name: str, content: bytes) -> tuple[str, bytes, bytes]:
    return name, content, b""


def test_links_in_a_tar_lead_where_they_lead_in_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "q"
    for name, content in {"pool/c.png": b"ccc", ".kept/d.png": b"dddd", "cat/1.png": b"1"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "cat" / "2.png").symlink_to("../pool/c.png")
    (root / "cat" / "3.png").symlink_to("2.png")
    (root / "cat" / "4.png").hardlink_to(root / "pool" / "c.png")
    (root / "cat" / "5.png").symlink_to("../.kept/d.png")
    (root / "dog").symlink_to("cat")
    (root / "cat" / "gone.png").symlink_to("../pool/none.png")
    (root / "cat" / "out.png").symlink_to("../../elsewhere.png")
    with tarfile.open(tmp_path / "q.tar", "w") as archive:
        archive.add(root, "q")
    packed, folder = open_files(tmp_path / "q.tar", "q"), open_files(root)
    assert packed.sizes == folder.sizes
    assert packed.sizes["dog/5.png"] == 4
    assert packed.sizes["cat/out.png"] == -1
    assert all(packed.read(name) == folder.read(name) for name, size in folder.sizes.items() if size >= 0)
    with pytest.raises(ImageError, match="it is a link to what is not in the archive"):
        packed.read("cat/gone.png")


def test_a_hard_link_keeps_both_names_whichever_comes_first(tmp_path: Path) -> None:
    members = [("b/1.png", "a/1.png", tarfile.LNKTYPE), file("a/1.png", b"one")]
    assert open_files(tar_of(tmp_path / "a.tar", *members)).sizes == {"b/1.png": 3, "a/1.png": 3}


def test_links_in_circles_lead_nowhere(tmp_path: Path) -> None:
    circle = [("a/1.png", "2.png", tarfile.SYMTYPE), ("a/2.png", "1.png", tarfile.SYMTYPE)]
    assert open_files(tar_of(tmp_path / "a.tar", *circle)).sizes == {"a/1.png": -1, "a/2.png": -1}


def test_a_link_to_the_folder_around_it_is_an_error(tmp_path: Path) -> None:
    place = tar_of(tmp_path / "a.tar", file("a/1.png", b"one"), ("a/more", "../a", tarfile.SYMTYPE))
    with pytest.raises(DataError, match=r"a/more in .*a.tar is a link to a folder that contains it"):
        _ = open_files(place).sizes


def zip_of(path: Path, names: list[str], *, marked: bool) -> Path:
    """A zip whose names are UTF-8, with the mark that says so or without."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), name)
    if not marked:
        content = path.read_bytes()  # bit 11 of the flags, in both kinds of headers
        for start, place in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
            at = content.find(start)
            while at >= 0:
                content = content[: at + place] + bytes([content[at + place] & ~8]) + content[at + place + 1 :]
                at = content.find(start, at + 1)
        path.write_bytes(content)
    return path


@pytest.mark.parametrize("marked", [True, False])
def test_names_in_utf_8_are_read_with_and_without_their_mark(tmp_path: Path, marked: bool) -> None:
    names = ["café/1.png", "Ñandú/2.png", "犬/3.png", "dog/4.png"]
    files = open_files(zip_of(tmp_path / "a.zip", names, marked=marked))
    assert list(files.sizes) == names
    assert [files.read(name).decode() for name in names] == names


def test_names_in_the_code_of_old_pcs_stay_so(tmp_path: Path) -> None:
    place = tmp_path / "a.zip"
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("caf_/1.png", "x")
    place.write_bytes(place.read_bytes().replace(b"caf_", b"caf\x82"))
    assert list(open_files(place).sizes) == ["café/1.png"]


def test_backslashes_part_folders_where_no_name_has_a_slash(tmp_path: Path) -> None:
    place = tmp_path / "a.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for name in ("p_", "p_cat_", "p_cat_1.png", "p_dog_2.png"):
            archive.writestr(name.replace("_", "\\"), "" if name.endswith("_") else "photo")
    files = open_files(place, "p")
    assert files.sizes == {"cat/1.png": 5, "dog/2.png": 5}
    assert files.folders == {"p", "cat", "dog"}
    assert files.read("dog/2.png") == b"photo"


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_ways_up_are_left_out_of_names(tmp_path: Path, kind: str) -> None:
    if kind == "zip":
        place = tmp_path / "up.zip"
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr("../../p/cat/1.png", "one")
    else:
        place = tar_of(tmp_path / "up.tar", file("../../p/cat/1.png", b"one"))
    files = open_files(place)
    assert files.sizes == {"p/cat/1.png": 3}
    assert files.hidden == []
    assert files.read("p/cat/1.png") == b"one"
