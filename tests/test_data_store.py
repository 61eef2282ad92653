import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_source import FakeSource

from alexnet.data.preparation import DEFAULT
from alexnet.data.prepare import prepare
from alexnet.data.store import Store, as_json
from alexnet.errors import DataError

SOURCE = FakeSource(12, refused=(5,), splits=("train", "train", "val", "test"))
ACCEPTED = [number for number in range(12) if number != 5]


@pytest.fixture(params=["raw", "jpeg"])
def store(tmp_path, request) -> Store:
    return prepare(SOURCE, tmp_path / "store", encoding=request.param, workers=1)


@pytest.fixture
def path(tmp_path) -> Path:
    return prepare(SOURCE, tmp_path / "store", workers=1).path


def flip(file: Path, offset: int) -> None:
    content = bytearray(file.read_bytes())
    content[offset] ^= 1
    file.write_bytes(content)


def test_it_gives_back_labels_classes_paths_sizes_and_splits(store):
    assert len(store) == 11
    assert [category.key for category in store.classes] == ["n0000", "n0001", "n0002"]
    assert store.class_names == ("thing 0", "thing 1", "thing 2")
    assert store.labels.tolist() == [number % 3 for number in ACCEPTED]
    assert store.labels.dtype == np.int64
    assert store.paths == tuple(f"n{number % 3:04d}/{number}.jpg" for number in ACCEPTED)
    assert [store.size_of(position) for position in (0, 10)] == [(300, 280), (311, 280)]
    assert store.splits == {"train": 5, "val": 3, "test": 3}
    assert [ACCEPTED[position] for position in store.split("val")] == [2, 6, 10]
    assert store.split_of(2) == "val"
    assert sorted(np.concatenate([store.split(name) for name in store.splits])) == list(range(11))


def test_raw_pixels_are_the_source_s(path):
    store = Store.open(path)
    assert store.raw is not None
    for position, number in enumerate(ACCEPTED):
        np.testing.assert_array_equal(store.read(position), FakeSource.pixels(number))
        np.testing.assert_array_equal(store.raw[position], FakeSource.pixels(number))


def test_jpeg_pixels_are_near_the_source_s(tmp_path):
    store = prepare(SOURCE, tmp_path / "store", encoding="jpeg", workers=1)
    assert store.raw is None
    for position, number in enumerate(ACCEPTED):
        pixels = store.read(position)
        assert (pixels.shape, pixels.dtype) == ((256, 256, 3), np.uint8)
        difference = np.abs(pixels.astype(int) - FakeSource.pixels(number))
        # chroma is kept at half the resolution, so the edges of these gaudy tiles smear; another photograph is 85 off
        assert difference.mean() < 25


def test_the_report_names_what_was_refused_and_what_was_treated(store):
    assert store.report["refused"] == [{"path": "n0002/5.jpg", "class": "n0002", "reason": "it is number 5"}]
    assert store.report["treated"] == [
        {"path": "n0000/0.jpg", "treatments": ["turned upright"]},
        {"path": "n0001/7.jpg", "treatments": ["turned upright"]},
    ]


def test_the_manifest_says_what_the_store_is(store):
    manifest = json.loads((store.path / "manifest.json").read_bytes())
    assert manifest["counts"] == {
        "images": 11,
        "refused": 1,
        "treated": 2,
        "splits": {"train": 5, "val": 3, "test": 3},
    }
    assert manifest["source"] == {"name": "fake", "identity": "made up"}
    assert manifest["split"] == {"shares": {}, "seed": None}
    assert manifest["quality"] == (90 if store.encoding == "jpeg" else None)
    names = {file.name for file in store.path.iterdir()}
    assert set(manifest["files"]) == names - {"manifest.json"}


def test_statistics_survive_exactly(store):
    again = Store.open(store.path).statistics
    for field in ("mean_image", "covariance", "eigenvalues", "eigenvectors"):
        one, other = getattr(store.statistics, field), getattr(again, field)
        assert (one.dtype, one.tobytes()) == (other.dtype, other.tobytes())
    assert again.images == store.splits["train"]


def test_it_can_be_pickled_and_shared_by_threads(store):
    copy = pickle.loads(pickle.dumps(store))
    assert copy.fingerprint == store.fingerprint
    with ThreadPoolExecutor(4) as pool:
        for position, pixels in zip(range(11), pool.map(copy.read, range(11)), strict=True):
            np.testing.assert_array_equal(pixels, store.read(position))


def test_a_pickle_is_not_opened_on_another_store(tmp_path, path):
    content = pickle.dumps(Store.open(path))
    path.rename(tmp_path / "elsewhere")
    prepare(FakeSource(30), path, workers=1)
    with pytest.raises(DataError, match="was replaced by another one"):
        pickle.loads(content)


def test_a_missing_split_is_an_error_that_names_those_there_are(tmp_path):
    store = prepare(FakeSource(12), tmp_path / "store", workers=1)
    with pytest.raises(DataError, match=r"no photographs in split 'val'; it has 'train' \(9\), 'test' \(3\)\."):
        store.split("val")


@pytest.mark.parametrize("side", [128, 512])
def test_photographs_of_another_side_than_asked_for_are_refused(store, side):
    store.check_side(DEFAULT, "the model")
    with pytest.raises(
        DataError, match=f"256 × 256 pixels, but the model takes {side} × {side}; prepare .* --side {side}"
    ):
        store.check_side(replace(DEFAULT, side=side), "the model")


def test_nothing_at_the_path_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"There is no store at .*absent; `alexnet prepare SOURCE"):
        Store.open(tmp_path / "absent")
    (tmp_path / "absent.partial").mkdir()
    with pytest.raises(DataError, match="only an unfinished one: run the same command again"):
        Store.open(tmp_path / "absent")


def test_another_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"is not a store: it has no manifest\.json"):
        Store.open(tmp_path)
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    with pytest.raises(DataError, match='does not say "format": "alexnet store"'):
        Store.open(tmp_path)


def test_another_version_is_an_error(path):
    manifest = json.loads((path / "manifest.json").read_bytes())
    (path / "manifest.json").write_bytes(as_json({**manifest, "version": 2}))
    with pytest.raises(DataError, match="is of version 2, but this package reads version 1"):
        Store.open(path)


def test_a_changed_manifest_is_an_error(path):
    text = (path / "manifest.json").read_text()
    (path / "manifest.json").write_text(text.replace('"thing 0"', '"thing 7"'))
    with pytest.raises(DataError, match=r"manifest\.json is corrupted: its SHA-256"):
        Store.open(path)
    (path / "manifest.json").write_text(text[:-20])
    with pytest.raises(DataError, match=r"manifest\.json is corrupted \("):
        Store.open(path)


@pytest.mark.parametrize("name", ["images.bin", "index.npy", "mean.npy", "paths.json", "report.json"])
def test_a_truncated_too_long_or_missing_file_is_an_error(path, name):
    content = (path / name).read_bytes()
    (path / name).write_bytes(content[:-1])
    with pytest.raises(DataError, match=f"{name} is truncated: {len(content) - 1:,} bytes where"):
        Store.open(path)
    (path / name).write_bytes(content + b" ")
    with pytest.raises(DataError, match=f"{name} is too long"):
        Store.open(path)
    (path / name).unlink()
    with pytest.raises(DataError, match=f"lacks its {name}"):
        Store.open(path)


@pytest.mark.parametrize("name", ["index.npy", "mean.npy", "paths.json", "report.json"])
def test_a_flipped_bit_in_a_small_file_is_an_error(path, name):
    flip(path / name, 50)
    with pytest.raises(DataError, match=f"{name} is corrupted: its SHA-256"):
        Store.open(path)


def test_a_flipped_bit_in_a_photograph_is_an_error_when_it_is_read_or_verified(store):
    flip(store.path / "images.bin", int(store._index["offset"][3]) + 1000)
    damaged = Store.open(store.path)
    damaged.read(2)
    with pytest.raises(DataError, match=r"Photograph 3 in .*images\.bin is corrupted"):
        damaged.read(3)
    damaged.read(4)
    with pytest.raises(DataError, match=r"images\.bin is corrupted: its SHA-256"):
        Store.open(store.path, verify=True)


def test_a_photograph_is_compared_when_first_read_and_whenever_that_is_asked_for(store):
    used, place = Store.open(store.path), int(store._index["offset"][3]) + 1000
    used.read(3)
    flip(store.path / "images.bin", place)
    used.read(3)
    Store.open(store.path).read(3, check=False)
    with pytest.raises(DataError, match="Photograph 3"):
        used.read(3, check=True)
    damaged = Store.open(store.path)
    for _ in range(2):  # what has failed has not been compared
        with pytest.raises(DataError, match="Photograph 3"):
            damaged.read(3)


def test_json_holds_names_that_are_not_unicode_and_ends_with_a_newline():
    name = b"caf\xe9/\xc3\xa9.jpg".decode("utf-8", "surrogateescape")
    content = as_json({"b": [name], "a": 0.1})
    assert json.loads(content) == {"a": 0.1, "b": [name]}
    assert content.startswith(b'{\n "a"')
    assert content.endswith(b"}\n")
