"""Stores of photographs resized by another rule than the paper's, or to another side."""

import numpy as np
import pytest
from fake_source import FakeSource
from pictures import file_of, picture
from PIL import Image

from alexnet.data.images import resized
from alexnet.data.preparation import Preparation
from alexnet.data.prepare import prepare, prepared
from alexnet.data.sources.folder import Folder
from alexnet.data.sources.imagenet import ImageNet
from alexnet.data.sources.shapes import Shapes
from alexnet.data.store import Store
from alexnet.errors import DataError


def test_the_paper_s_rule_leaves_the_manifest_as_it_was_without_another(tmp_path):
    manifest = prepare(FakeSource(8), tmp_path / "store", preparation=Preparation(), workers=1).manifest
    assert not {"resize", "interpolation", "resizing"} & set(manifest)
    assert manifest["side"] == 256


def test_photographs_are_resized_as_asked_for_and_the_store_says_so(tmp_path):
    for label in ("a", "b"):
        (tmp_path / "photographs" / label).mkdir(parents=True)
        Image.fromarray(picture(120, 200)).save(tmp_path / "photographs" / label / "1.png")
    source = Folder(tmp_path / "photographs")
    usual = prepare(source, tmp_path / "usual", split={}, workers=1)
    assert usual.preparation == Preparation()
    asked = Preparation(resize="squash", interpolation="bilinear")
    for workers in (1, 2):
        store = prepare(source, tmp_path / f"{workers}", split={}, preparation=asked, workers=workers)
        assert store.preparation == asked
        assert (store.manifest["resize"], store.manifest["interpolation"]) == ("squash", "bilinear")
        np.testing.assert_array_equal(store.read(0), resized(picture(120, 200), asked))
        assert Store.open(store.path).preparation == asked
    with pytest.raises(DataError, match="with other options than asked for now"):
        prepare(source, usual.path, split={}, preparation=asked, workers=1)
    assert (
        prepared(source, tmp_path, split={}, workers=1).path
        != prepared(source, tmp_path, split={}, preparation=asked, workers=1).path
    )


def test_what_a_preparation_says_of_views_makes_no_other_store(tmp_path):
    views = Preparation(channels="BGR", std=(1, 2, 3), mean_at="crop")
    usual = prepare(FakeSource(8), tmp_path / "usual", workers=1)
    assert prepare(FakeSource(8), tmp_path / "store", preparation=views, workers=1).fingerprint == usual.fingerprint


def test_imagenet_resizes_as_asked_for_too(tmp_path):
    file = tmp_path / "train" / "n00000001" / "1.png"
    file.parent.mkdir(parents=True)
    file.write_bytes(file_of(picture(120, 200)))
    source, squash = ImageNet(tmp_path), Preparation(resize="squash", interpolation="bilinear")
    np.testing.assert_array_equal(source.load(source.examples[0], squash).pixels, resized(picture(120, 200), squash))


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
@pytest.mark.parametrize("side", [32, 72, 146])
def test_a_store_of_another_side_says_so_and_is_the_same_however_it_is_made(tmp_path, side, encoding):
    asked = Preparation(side=side)
    source = FakeSource(40, refused=(3,))
    store = prepare(source, tmp_path / "one", preparation=asked, encoding=encoding, workers=1)
    assert (store.preparation, store.manifest["side"]) == (asked, side)
    assert store.statistics.mean_image.shape == (side, side, 3)
    assert all(store.read(position, check=True).shape == (side, side, 3) for position in range(len(store)))
    if encoding == "raw":
        assert store.raw is not None and store.raw.shape == (39, side, side, 3)
        np.testing.assert_array_equal(store.raw[0], resized(source.pixels(0), asked))
        assert store.manifest["files"]["images.bin"]["bytes"] == 39 * asked.stored_bytes
    again = prepare(source, tmp_path / "two", preparation=asked, encoding=encoding, workers=2)
    assert again.fingerprint == store.fingerprint
    assert Store.open(again.path, verify=True).preparation == asked
    with pytest.raises(DataError, match=rf"39 photographs, {encoding}, side {side}\); delete it"):
        prepare(source, store.path, encoding=encoding, workers=1)


def test_the_built_in_pictures_come_in_any_side():
    source = Shapes({"train": 1})
    whole, small = (source.load(source.examples[0], Preparation(side=side)).pixels for side in (256, 64))
    np.testing.assert_array_equal(whole, source.load(source.examples[0]).pixels)
    np.testing.assert_array_equal(small, resized(whole, Preparation(side=64)))
