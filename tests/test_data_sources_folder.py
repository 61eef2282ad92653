import io
import os
import pickle
import random
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet.data.source import Category, Example
from alexnet.data.sources.folder import Folder
from alexnet.errors import DataError

PHOTOGRAPH = io.BytesIO()
Image.new("RGB", (300, 280), (10, 200, 90)).save(PHOTOGRAPH, "PNG")


def make(root: Path, names: str | list[str]) -> Path:
    for name in names.split() if isinstance(names, str) else names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(PHOTOGRAPH.getvalue())
    return root


def test_one_folder_per_class_sorted_by_name(tmp_path):
    source = Folder(make(tmp_path, "dog/2.jpg dog/10.jpg cat/b.JPG cat/a.png Bird/x/y/1.jpg"))
    assert [category.key for category in source.categories] == ["Bird", "cat", "dog"]
    assert source.categories[1] == Category("cat", "cat")
    assert source.examples == (
        Example("Bird/x/y/1.jpg", 0),
        Example("cat/a.png", 1),
        Example("cat/b.JPG", 1),
        Example("dog/10.jpg", 2),
        Example("dog/2.jpg", 2),
    )
    assert source.default_split == {"val": 0.1}
    assert source.name == "folder"


@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_splits_above_the_classes_are_kept(tmp_path, val):
    names = f"{val}/dog/1.jpg {val}/cat/1.jpg test/cat/1.jpg test/dog/1.jpg train/dog/1.jpg train/cat/1.jpg"
    source = Folder(make(tmp_path, names))
    assert [(example.path, example.label, example.split) for example in source.examples] == [
        ("train/cat/1.jpg", 0, "train"),
        ("train/dog/1.jpg", 1, "train"),
        (f"{val}/cat/1.jpg", 0, "val"),
        (f"{val}/dog/1.jpg", 1, "val"),
        ("test/cat/1.jpg", 0, "test"),
        ("test/dog/1.jpg", 1, "test"),
    ]
    assert source.default_split == {}


def test_single_split_is_a_split(tmp_path):
    source = Folder(make(tmp_path, "val/cat/1.jpg val/dog/1.jpg"))
    assert {example.split for example in source.examples} == {"val"}


def test_class_may_be_called_train(tmp_path):
    source = Folder(make(tmp_path, "bus/1.jpg train/1.jpg"))
    assert [category.key for category in source.categories] == ["bus", "train"]


def test_listing_does_not_depend_on_the_order_of_the_file_system(tmp_path, monkeypatch):
    source = Folder(make(tmp_path, [f"{name}/{number}.jpg" for name in "dacb" for number in range(9)]))
    scandir = os.scandir

    class Shuffled(list):
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    def shuffled(path):
        with scandir(path) as entries:
            entries = Shuffled(entries)
        random.Random(str(path)).shuffle(entries)
        return entries

    monkeypatch.setattr(os, "scandir", shuffled)
    again = Folder(tmp_path)
    assert again.examples == source.examples
    assert again.identity == source.identity


def test_identity_changes_when_a_file_does(tmp_path):
    before = Folder(make(tmp_path, "a/1.jpg b/1.jpg")).identity
    assert Folder(tmp_path).identity == before
    (tmp_path / "a" / "1.jpg").write_bytes(b"longer or shorter")
    assert Folder(tmp_path).identity != before


def test_everything_but_plain_text_counts_as_a_photograph(tmp_path):
    make(tmp_path, "a/1.jpg a/labels.csv a/README.md a/Thumbs.db a/.hidden.jpg b/1 b/2.heic b/readme.TXT classes.txt")
    source = Folder(tmp_path)
    assert [example.path for example in source.examples] == ["a/1.jpg", "b/1", "b/2.heic"]


def test_tar_archive_of_the_folder_is_the_same_source(tmp_path):
    root = make(tmp_path / "set", "train/a/1.jpg train/b/1.jpg val/a/2.jpg val/b/2.jpg")
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as archive:
        archive.add(root, arcname=".")
    packed, folder = Folder(tmp_path / "set.tar.gz"), Folder(root)
    assert packed.examples == folder.examples
    assert packed.identity == folder.identity
    np.testing.assert_array_equal(packed.load(packed.examples[0]).pixels, folder.load(folder.examples[0]).pixels)


def test_pickled_source_loads_without_listing(tmp_path):
    source = Folder(make(tmp_path, "a/1.jpg b/1.jpg"))
    content = pickle.dumps(source)
    assert b"1.jpg" not in content
    copy = pickle.loads(content)
    assert copy.load(source.examples[0]).pixels.shape == (256, 256, 3)
    assert copy.examples == source.examples
    assert copy.identity == source.identity


def test_load_notes_treatments_by_name(tmp_path):
    source = Folder(make(tmp_path, "a/1.jpg b/1.png"))
    assert source.load(source.examples[0]).treatments == ("decoded as PNG although named .jpg",)
    assert source.load(source.examples[1]).treatments == ()


def test_a_photograph_that_vanishes_is_an_error_of_the_system(tmp_path):
    source = Folder(make(tmp_path, "a/1.jpg b/1.jpg"))
    (tmp_path / "a" / "1.jpg").unlink()
    with pytest.raises(OSError, match="No such file"):
        source.load(source.examples[0])


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ("", "has no class folders; there should be one for each class"),
        ("1.jpg 2.jpg", "has no class folders; there should be one for each class"),
        ("flowers/1.jpg", "has the class folder flowers alone"),
        ("a/1.jpg b/1.jpg stray.png", r"stray\.png lies beside the class folders"),
        ("a/1.jpg b/notes.txt c/readme.md", "The class folders .*/b, .*/c have no photographs"),
        ("train/a/1.jpg train/b/1.jpg val/a/1.jpg", r"/val has no folder for b, which the other splits have"),
        ("train/a/1.jpg val/a/1.jpg val/b/1.jpg", r"/train has no folder for b, which the other splits have"),
        ("train/a/1.jpg train/b/1.jpg val/a/1.jpg val/b/x.txt", r"The class folders .*/val/b have no photographs"),
        ("train/a/1.jpg train/b/1.jpg train/x.jpg", r"train/x\.jpg lies beside the class folders"),
        ("train/a/1.jpg val/a/1.jpg extra/a/1.jpg", "has the folders extra, train, val: splits or classes?"),
        ("train/a/1.jpg masks/a/1.jpg", "has the folders masks, train: splits or classes?"),
        ("train/a/1.jpg train/b/1.jpg val/a/1.jpg val/b/1.jpg valid/a/1.jpg valid/b/1.jpg", "splits or classes?"),
        ("train/1.jpg test/2.jpg", "has the folders test, train: splits or classes?"),
        ("train/a/1.jpg train/b/1.jpg test/1.jpg", "test has photographs and no class folders, so they have no labels"),
        (
            "one/cat/1.jpg one/dog/1.jpg two/cat/1.jpg two/dog/1.jpg",
            "has the folders one, two, each with the folders cat, dog: splits or classes?",
        ),
        ("a/1.jpg b/s/images.bin b/s/manifest.json", "b/s is a store among the photographs"),
    ],
)
def test_what_is_not_one_folder_per_class_is_an_error(tmp_path, names, sentence):
    with pytest.raises(DataError, match=sentence):
        Folder(make(tmp_path, names))


def test_many_missing_classes_are_counted(tmp_path):
    names = [f"train/{number}/1.jpg" for number in range(10)] + ["val/0/1.jpg"]
    with pytest.raises(DataError, match=r"no folder for 1, 2, 3, 4, 5 and 4 more"):
        Folder(make(tmp_path, names))


def test_missing_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match="nowhere does not exist"):
        Folder(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        *(("Train", "Test"), ("TRAIN", "VAL"), ("Training", "Testing"), ("training_set", "test_set")),
        *(("seg_train", "seg_test"), ("trainset", "validset"), ("train_images", "validation-images"), ("trn", "tst")),
        *(
            ("TrainData", "TestData"),
            ("train2017", "val2017"),
            ("pets-train", "pets-test"),
            ("images (train)", "test1"),
        ),
    ],
)
def test_any_usual_spelling_of_a_split_is_one(tmp_path, train, test):
    source = Folder(make(tmp_path, [f"{top}/{name}/1.jpg" for top in (train, test) for name in ("cat", "dog")]))
    assert [category.key for category in source.categories] == ["cat", "dog"]
    second = "val" if "val" in test.lower() else "test"
    assert {example.split for example in source.examples} == {"train", second}
    assert source.remarks == (f"Folders taken as splits: {_read_as({train: 'train', test: second})}.",)


def _read_as(splits: dict[str, str]) -> str:
    return ", ".join(f"{top} as {splits[top]}" for top in sorted(splits))


@pytest.mark.parametrize("names", [("trainer", "tester"), ("test tube", "train set of toys"), ("retrain", "devs")])
def test_a_name_that_says_more_than_a_split_is_a_class(tmp_path, names):
    source = Folder(make(tmp_path, [f"{name}/1.jpg" for name in names]))
    assert len(source.categories) == 2
    assert source.examples[0].split is None


def test_where_two_readings_are_possible_the_caller_chooses(tmp_path):
    names = [f"{top}/{name}/1.jpg" for top in ("train", "test", "masks") for name in ("cat", "dog")]
    make(tmp_path, names)
    splits, classes = Folder(tmp_path, "splits"), Folder(tmp_path, "classes")
    assert [example.path for example in splits.examples] == names[:4]
    assert splits.remarks == ("Left out, photographs beside the splits: 2 in masks.",)
    assert [category.key for category in classes.categories] == ["masks", "test", "train"]
    assert classes.remarks[0].startswith("Photographs in folders inside a class count as the class's: masks/cat, ")
    with pytest.raises(DataError, match="names do not say which split each is"):
        Folder(make(tmp_path / "other", "a/cat/1.jpg a/dog/1.jpg b/cat/1.jpg b/dog/1.jpg"), "splits")


def test_sub_folders_that_some_classes_share_are_no_splits(tmp_path):
    source = Folder(make(tmp_path, "cat/indoors/1.jpg dog/indoors/1.jpg"))  # one class would be left
    assert [category.key for category in source.categories] == ["cat", "dog"]
    assert source.remarks == ("Photographs in folders inside a class count as the class's: cat/indoors, dog/indoors.",)


def test_a_folder_that_holds_everything_is_gone_through(tmp_path):
    source = Folder(make(tmp_path, "flowers/rose/1.jpg flowers/tulip/1.jpg"))
    assert [example.path for example in source.examples] == ["flowers/rose/1.jpg", "flowers/tulip/1.jpg"]
    assert [category.key for category in source.categories] == ["rose", "tulip"]
    assert source.remarks == (
        "Everything lies in the folder flowers, which is taken for the place of the photographs.",
    )


def test_a_folder_that_holds_all_of_a_split_is_gone_through(tmp_path):
    names = [f"{top}/{top}/{name}/1.jpg" for top in ("seg_train", "seg_test") for name in ("sea", "street")]
    make(tmp_path, [*names, "seg_pred/seg_pred/1.jpg", "seg_pred/seg_pred/2.jpg"])
    with pytest.raises(DataError, match=r"has the folders seg_pred, seg_test, seg_train: splits or classes\?"):
        Folder(tmp_path)
    source = Folder(tmp_path, "splits")
    assert [(example.path, example.split) for example in source.examples] == [
        (name, split) for name, split in zip(names, ("train", "train", "test", "test"), strict=True)
    ]
    assert [category.key for category in source.categories] == ["sea", "street"]
    assert source.remarks == (
        "Folders taken as splits: seg_test as test, seg_train as train.",
        "Folders that hold all of a split, taken for the place of its classes: seg_test/seg_test, seg_train/seg_train.",
        "Left out, photographs beside the splits: 2 in seg_pred.",
    )
    one = "train/cat/indoors/1.jpg train/cat/outdoors/1.jpg test/cat/indoors/1.jpg test/dog/indoors/1.jpg"
    with pytest.raises(DataError, match="train has no folder for dog"):
        Folder(make(tmp_path / "one", one))


def test_classes_that_capitals_alone_tell_apart_are_said(tmp_path):
    source = Folder(make(tmp_path, "Cat/1.jpg cat/2.jpg dog/3.jpg"))
    assert [category.key for category in source.categories] == ["Cat", "cat", "dog"]
    assert source.remarks == ("Classes whose names differ in capitals alone are taken for different ones: Cat, cat.",)


def test_two_unicode_spellings_of_a_name_are_one_class(tmp_path):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    source = Folder(make(tmp_path, [f"{composed}/1.jpg", f"{decomposed}/2.jpg", "bar/3.jpg"]))
    assert [category.key for category in source.categories] == ["bar", composed]
    assert [example.label for example in source.examples] == [0, 1, 1]
    assert source.remarks == (f"Folders whose names are one in Unicode are one class: {composed}.",)
    assert len({example.path for example in source.examples}) == 3


def test_what_systems_leave_is_passed_over_and_counted(tmp_path):
    make(tmp_path, "a/1.jpg b/2.jpg a/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg __MACOSX/a/._1.jpg b/Thumbs.db a/.x b/m.MOV")
    source = Folder(tmp_path)
    assert [example.path for example in source.examples] == ["a/1.jpg", "b/2.jpg"]
    assert source.remarks == (
        "Passed over 5 things that are no photographs: 1 .mov, 1 @eaDir, 1 Thumbs.db, 1 __MACOSX, 1 hidden.",
    )


@pytest.mark.parametrize("above", ["", "train/"])
def test_a_class_that_is_a_broken_link_is_told(tmp_path, above):
    make(tmp_path, f"{above}cat/1.jpg {above}dog/1.jpg")
    (tmp_path / above / "bird").symlink_to(tmp_path / "not mounted")
    with pytest.raises(DataError, match="bird is a link that leads nowhere; mend or remove it"):
        Folder(tmp_path)
