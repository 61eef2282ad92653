from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.experiments.bench.photographs import folder_of, store_of, write_photographs


def test_photographs_are_of_imagenets_size_and_all_different(tmp_path: Path) -> None:
    folder = write_photographs(tmp_path / "photographs", 6, classes=3)
    contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.jpg")}
    assert sorted({name.split("/")[0] for name in contents}) == ["class0000", "class0001", "class0002"]
    assert len(set(contents.values())) == 6
    for content in contents.values():
        with Image.open(BytesIO(content)) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (500, 375))
    # ImageNet's 1,281,167 training photographs take 138 GB: 108 kB each
    mean = sum(map(len, contents.values())) / 6
    assert 70_000 < mean < 150_000


def test_photographs_are_the_same_every_time(tmp_path: Path) -> None:
    one, other = (write_photographs(tmp_path / name, 2) for name in ("one", "other"))
    for path in one.rglob("*.jpg"):
        assert path.read_bytes() == (other / path.relative_to(one)).read_bytes()


def test_what_was_made_is_gone_afterwards() -> None:
    with store_of(None, 4, classes=2, encoding="jpeg") as store:
        place = store.path
        assert store.splits == {"train": 4}
        assert (store.encoding, len(store.classes)) == ("jpeg", 2)
    assert not place.parent.exists()


def test_what_was_given_is_taken_and_kept(colours: Store, tmp_path: Path) -> None:
    with store_of(colours.path, 42) as store, folder_of(tmp_path, 9) as folder:
        assert store.fingerprint == colours.fingerprint
        assert folder == tmp_path
    assert colours.path.exists() and tmp_path.exists()


def test_a_store_that_is_too_small_is_refused(colours: Store) -> None:
    with pytest.raises(ConfigError, match="needs 43"), store_of(colours.path, 43):
        pass
