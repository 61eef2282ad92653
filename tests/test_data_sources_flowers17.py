import io
import pickle
import tarfile

import numpy as np
import pytest
from PIL import Image

from alexnet.data.source import Example
from alexnet.data.sources.flowers17 import NAMES, Flowers17
from alexnet.errors import DataError


def photograph(number: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 3), (number % 256, number // 256, 7)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("flowers")
    (root / "jpg").mkdir()
    for number in range(1, 1361):
        (root / "jpg" / f"image_{number:04d}.jpg").write_bytes(photograph(number))
    (root / "jpg" / "files.txt").write_text("image_0001.jpg\n")
    return root


@pytest.fixture(scope="module")
def archive(folder):
    path = folder / "17flowers.tgz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder / "jpg", arcname="jpg")
    return path


def test_photographs_belong_to_17_classes_of_80_in_order(archive):
    source = Flowers17(archive)
    assert tuple(category.name for category in source.categories) == NAMES
    assert len(source.examples) == 1360
    assert source.examples[0] == Example("image_0001.jpg", 0)
    assert source.examples[79] == Example("image_0080.jpg", 0)
    assert source.examples[80] == Example("image_0081.jpg", 1)
    assert np.bincount([example.label for example in source.examples]).tolist() == [80] * 17
    assert source.default_split == {"test": 0.2}


def test_archive_and_folders_are_the_same_source(archive, folder):
    sources = [Flowers17(place) for place in (archive, folder, folder / "jpg")]
    assert len({source.identity for source in sources}) == 1
    for source in sources:
        assert source.examples == sources[0].examples
        assert source.load(source.examples[299]).pixels[9, 9].tolist() == [300 - 256, 1, 7]


def test_pickled_source_is_small_and_loads(archive):
    source = Flowers17(archive)
    content = pickle.dumps(source)
    assert len(content) < 2000
    assert pickle.loads(content).load(source.examples[4]).pixels[9, 9].tolist() == [5, 0, 7]


def test_missing_photographs_are_an_error(tmp_path):
    (tmp_path / "image_0001.jpg").write_bytes(photograph(1))
    with pytest.raises(DataError, match=r"lacks 1359 of the 1360 photographs of flowers17, first image_0002\.jpg"):
        Flowers17(tmp_path)


def test_real_archive_is_complete_and_every_tenth_photograph_loads(shared_data):
    source = Flowers17(shared_data / "17flowers.tgz")
    for example in source.examples[::80]:
        prepared = source.load(example)
        assert prepared.treatments == ()
        assert prepared.pixels.std() > 15  # a picture, not a flat field
