from dataclasses import asdict, replace

import numpy as np
import pytest
from fake_source import FakeSource

from alexnet.data.check import UNSPLIT, Alike, Range, check
from alexnet.data.images import resized
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.prepare import prepare
from alexnet.data.source import Example, Prepared
from alexnet.data.sources.folder import Folder

SOURCE = FakeSource(40, classes=2, splits=("train", "train", "train", "test"))
# 0 2 4 … are of the first class, 1 3 5 … of the second; 3 7 11 … are test photographs


class Brightened(FakeSource):
    """Its photographs after the first are the first one, each a little brighter than the one before."""

    def load(self, example: Example, preparation: Preparation = DEFAULT) -> Prepared:
        number = int(example.path.partition("/")[2].removesuffix(".jpg"))
        return Prepared(resized((self.pixels(0) // 2 + number).astype(np.uint8), preparation))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_sound_source_is_counted_and_has_no_problems(workers):
    report = check(SOURCE, workers=workers)
    assert report.problems == ()
    assert report.images == 40
    assert report.splits == {"train": 30, "test": 10}
    assert [(entry.key, entry.splits) for entry in report.classes] == [
        ("n0000", {"train": 20}),
        ("n0001", {"train": 10, "test": 10}),
    ]
    assert report.notes == ("The split 'test' has no photograph of 1 classes; the first is 'n0000'.",)
    assert report.balance == 1
    assert (report.width, report.height) == (Range(300, 319.5, 339), Range(280, 280, 280))
    assert report.treatments == {"turned upright": 6}
    assert report.duplicates == report.lookalikes == ()


def test_a_store_is_counted_like_its_source(tmp_path):
    report = check(SOURCE, workers=1)
    store = prepare(SOURCE, tmp_path / "store", workers=1)
    for workers in (1, 2):
        found = check(store, workers=workers)
        assert found == replace(report, name=str(store.path), treatments={})


def test_the_same_photograph_in_two_splits_is_a_problem(tmp_path):
    source = replace(SOURCE, same_as={11: 1, 13: 1, 23: 5})
    for subject in (source, prepare(source, tmp_path / "store", workers=1)):
        report = check(subject, workers=1)
        assert report.problems == (
            "The splits leak: 5 identical photographs (2 different ones) in more than one split; the first is "
            "n0001/1.jpg (train, n0001) = n0001/11.jpg (test, n0001) = n0001/13.jpg (train, n0001).",
        )
        assert report.duplicates[1] == Alike(("n0001/5.jpg", "n0001/23.jpg"), ("train", "test"), ("n0001", "n0001"))
        assert report.lookalikes == ()


def test_the_same_photograph_in_one_split_or_under_two_classes_is_a_note():
    report = check(replace(SOURCE, same_as={2: 1}), workers=1)
    assert report.problems == ()
    same = "n0001/1.jpg (train, n0001) = n0000/2.jpg (train, n0000)"
    assert report.notes[:2] == (
        f"There are 2 identical photographs (1 different ones) in one split; the first is {same}.",
        f"There are 2 identical photographs (1 different ones) under different classes; the first is {same}.",
    )


def test_of_many_copies_some_are_named():
    report = check(replace(SOURCE, same_as=dict.fromkeys(range(1, 8), 0)), workers=1)
    assert report.problems[0].count(" = ") == 4
    assert report.problems[0].endswith(" and 3 more.")


def test_photographs_that_look_alike_are_found_and_are_no_problem():
    report = check(Brightened(4, classes=1, splits=("train", "test")), workers=1)
    assert report.problems == report.duplicates == ()
    assert len(report.lookalikes) == 1
    assert len(report.lookalikes[0].paths) == 4
    assert "In different splits there are 1 groups of photographs that look alike" in report.notes[0]


@pytest.mark.parametrize("side", [32, 110, 146])
def test_photographs_that_look_alike_are_found_in_stores_of_any_side(tmp_path, side):
    source = Brightened(4, classes=1, splits=("train", "test"))
    store = prepare(source, tmp_path / "store", preparation=Preparation(side=side), workers=1)
    assert [len(group.paths) for group in check(store, workers=1).lookalikes] == [4]
    others = prepare(SOURCE, tmp_path / "others", preparation=Preparation(side=side), workers=1)
    assert check(others, workers=1).lookalikes == ()


def test_a_photograph_that_cannot_be_used_is_a_problem_and_not_counted():
    report = check(replace(SOURCE, refused=(4, 35)), workers=2)
    assert report.broken == {"n0000/4.jpg": "it is number 4", "n0001/35.jpg": "it is number 35"}
    assert report.images == sum(report.splits.values()) == 38
    assert report.problems == ("Of the photographs, 2 cannot be used; the first is n0000/4.jpg: it is number 4.",)


def test_a_corrupted_photograph_in_a_store_is_a_problem(tmp_path):
    store = prepare(replace(SOURCE, refused=(0,)), tmp_path / "store", encoding="raw", workers=1)
    content = bytearray((store.path / "images.bin").read_bytes())
    content[2 * 256 * 256 * 3] ^= 1  # in the third, which is number 3
    (store.path / "images.bin").write_bytes(content)
    report = check(store, workers=1)
    assert list(report.broken) == ["n0001/3.jpg"]
    assert "checksum" in report.problems[0]
    assert "When the store was prepared, 1 photographs were refused; see its report." in report.notes


def test_photographs_without_a_split_do_not_leak():
    report = check(replace(SOURCE, splits=(None,), same_as={5: 1}), workers=1)
    assert report.splits == {UNSPLIT: 40}
    assert report.problems == ()
    assert "2 identical photographs" in report.notes[0]


def test_everything_refused_is_still_a_report():
    report = check(replace(SOURCE, refused=range(40)), workers=1)
    assert (report.images, report.width, report.balance) == (0, None, 0)
    assert report.splits == {"train": 0, "test": 0}


def test_the_report_is_plain_data():
    assert asdict(check(SOURCE, workers=1))["classes"][0] == {
        "key": "n0000",
        "name": "thing 0",
        "splits": {"train": 20},
    }


def test_progress_reaches_the_end():
    events = []
    check(replace(SOURCE, refused=(4,)), workers=1, progress=events.append)
    assert (events[-1].done, events[-1].total, events[-1].refused) == (40, 40, 1)


def test_copies_and_broken_files_in_a_folder_are_found(tmp_path, shared_data):
    for split, name in (("train", "a"), ("train", "b"), ("test", "a"), ("test", "b")):
        folder = tmp_path / split / name
        folder.mkdir(parents=True)
        for file in ("hopper_gray.jpg", "truncated_jpeg.jpg"):
            (folder / file).write_bytes((shared_data / "odd" / file).read_bytes())
    report = check(Folder(tmp_path), workers=1)
    assert len(report.broken) == 4
    assert len(report.problems) == 2
    assert report.duplicates[0].leaks
    assert report.treatments == {"converted from greyscale": 4}
