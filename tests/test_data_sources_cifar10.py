import io
import pickle
import tarfile

import numpy as np
import pytest
from PIL import Image

from alexnet.data.images import resized
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.source import Example
from alexnet.data.sources.cifar10 import NAMES, Cifar10
from alexnet.errors import DataError

BATCHES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
ROWS = 7


@pytest.fixture(scope="module")
def batches():
    """Labels (6, ROWS) and pictures (6, ROWS, 32, 32, 3)."""
    generator = np.random.default_rng(0)
    return generator.integers(0, 10, (6, ROWS)), generator.integers(0, 256, (6, ROWS, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, batches):
    root = tmp_path_factory.mktemp("cifar") / "cifar-10-batches-bin"
    root.mkdir()
    for name, labels, pictures in zip(BATCHES, *batches, strict=True):
        rows = [
            bytes([label]) + pixels.transpose(2, 0, 1).tobytes() for label, pixels in zip(labels, pictures, strict=True)
        ]
        (root / name).write_bytes(b"".join(rows))
    (root / "batches.meta.txt").write_text("\n".join(NAMES))
    return root


@pytest.fixture(scope="module")
def archive(folder):
    path = folder.parent / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder, arcname=folder.name)
    return path


def test_records_are_label_then_planes(archive, batches):
    source = Cifar10(archive)
    labels, pictures = batches
    assert [example.label for example in source.examples] == labels.ravel().tolist()
    for example, pixels in zip(source.examples, pictures.reshape(-1, 32, 32, 3), strict=True):
        prepared = source.load(example)
        np.testing.assert_array_equal(prepared.pixels, resized(pixels, DEFAULT))
        assert prepared.size == (32, 32)
    bilinear = Preparation(interpolation="bilinear")
    found = source.load(source.examples[0], bilinear).pixels
    np.testing.assert_array_equal(found, resized(pictures[0, 0], bilinear))
    assert (found != source.load(source.examples[0]).pixels).any()


def test_splits_are_the_published_ones(archive):
    source = Cifar10(archive)
    assert source.examples[0].path == "data_batch_1.bin/00000"
    assert [example.split for example in source.examples] == ["train"] * 5 * ROWS + ["test"] * ROWS
    assert tuple(category.name for category in source.categories) == NAMES
    assert source.default_split == {}


def test_archive_and_folders_are_the_same_source(archive, folder):
    sources = [Cifar10(place) for place in (archive, folder, folder.parent)]
    assert len({source.identity for source in sources}) == 1
    pixels = [source.load(source.examples[-1]).pixels.tobytes() for source in sources]
    assert len(set(pixels)) == 1


def test_pickled_source_is_small_and_loads(archive):
    source = Cifar10(archive)
    content = pickle.dumps(source)
    assert len(content) < 2000
    example = source.examples[9]
    np.testing.assert_array_equal(pickle.loads(content).load(example).pixels, source.load(example).pixels)


def make_class_folders(root, classes=NAMES, splits=("train", "test")):
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), (1, 2, 3)).save(stream, "PNG")
    for split in splits:
        for name in classes:
            (root / split / name).mkdir(parents=True)
            (root / split / name / "0000.png").write_bytes(stream.getvalue())
    return root


def test_class_folders_are_the_same_classes(tmp_path):
    source = Cifar10(make_class_folders(tmp_path))
    assert tuple(category.key for category in source.categories) == NAMES
    assert source.examples[0] == Example("train/airplane/0000.png", 0, "train")
    assert source.examples[-1] == Example("test/truck/0000.png", 9, "test")
    assert source.load(source.examples[0]).pixels[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("classes", "splits"), [(NAMES[:9], ("train", "test")), ([*NAMES, "zebra"], ("train", "test")), (NAMES, ("train",))]
)
def test_other_class_folders_are_an_error(tmp_path, classes, splits):
    with pytest.raises(DataError, match=r"is not CIFAR-10: give cifar-10-binary\.tar\.gz"):
        Cifar10(make_class_folders(tmp_path, classes, splits))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data_batch_3.bin", None),
        ("test_batch.bin", b""),
        ("data_batch_1.bin", bytes(3073 + 100)),
        ("data_batch_5.bin", bytes([10]) + bytes(3072)),
    ],
)
def test_damaged_batch_is_an_error(tmp_path, name, content):
    for batch in BATCHES:
        (tmp_path / batch).write_bytes(bytes(3073))
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"has no whole {name}"):
        Cifar10(tmp_path)


def test_real_class_folders_are_complete(shared_data):
    source = Cifar10(shared_data / "cifar10-jpeg.tar.xz")
    splits = [example.split for example in source.examples]
    assert (splits.count("train"), splits.count("test")) == (50_000, 10_000)
    assert np.bincount([example.label for example in source.examples]).tolist() == [6_000] * 10
    assert source.load(source.examples[-1]).treatments == ()
