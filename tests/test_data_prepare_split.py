import pickle

import numpy as np
import pytest
from fake_source import FakeSource
from PIL import Image

from alexnet.data.check import check
from alexnet.data.prepare import prepare
from alexnet.data.sources.table import open_source
from alexnet.data.split import holdout
from alexnet.data.store import Store
from alexnet.errors import ConfigError, DataError


def test_photographs_to_measure_on_alone_are_a_store_whose_statistics_are_of_all(tmp_path):
    store = prepare(FakeSource(9, splits=("val", "test")), tmp_path / "given", workers=1)
    assert store.splits == {"val": 5, "test": 4}
    assert store.statistics.images == 9
    with pytest.raises(DataError, match="no photographs in split 'train'; it has 'val' \\(5\\), 'test' \\(4\\)"):
        store.split("train")
    asked = prepare(FakeSource(9), tmp_path / "asked", split={"test": 1}, workers=1)
    assert asked.splits == {"test": 9}
    pixels = np.stack([asked.read(position) for position in range(9)])
    np.testing.assert_allclose(asked.statistics.mean_image, pixels.mean(0), atol=1e-4)  # fp32 rounding
    assert asked.split("all").tolist() == list(range(9))


COPIES = {row: row - 40 for row in range(40, 80)}  # every photograph twice
SHARES = {"val": 0.2, "test": 0.2}


def splits_of(store: Store) -> list[str]:
    return [store.split_of(position) for position in range(len(store))]


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
def test_copies_of_a_photograph_go_to_one_split(tmp_path, encoding):
    source = FakeSource(80, classes=2, same_as=COPIES)
    store = prepare(source, tmp_path / "s", split=SHARES, encoding=encoding, workers=1)
    found = splits_of(store)
    assert found[:40] == found[40:]
    assert store.splits == {"train": 48, "val": 16, "test": 16}
    assert not check(store, workers=1).problems
    alone = prepare(FakeSource(80, classes=2), tmp_path / "t", split=SHARES, encoding=encoding, workers=1)
    assert splits_of(alone)[:40] != splits_of(alone)[40:]  # the draw itself would part them


def test_equal_checksums_of_different_photographs_do_not_keep_them_together(tmp_path, monkeypatch):
    usual = prepare(FakeSource(40), tmp_path / "usual", split=SHARES, workers=1)
    monkeypatch.setattr("zlib.crc32", lambda content: 7)
    clash = prepare(FakeSource(40), tmp_path / "clash", split=SHARES, workers=1)
    assert splits_of(clash) == splits_of(usual)


def test_what_a_pattern_finds_alike_is_kept_together(tmp_path):
    pattern = r"/(\d)\d?\.jpg$"  # such as 3 and 30 to 39 are of one subject
    store = prepare(FakeSource(80), tmp_path / "s", split=SHARES, together=[pattern], workers=1)
    subjects = [path.partition("/")[2][0] for path in store.paths]
    assert len(set(zip(subjects, splits_of(store), strict=True))) == len(set(subjects)) == 10
    assert len(store.splits) == 3
    with pytest.raises(DataError, match="with other options than asked for now"):
        prepare(FakeSource(80), tmp_path / "s", split=SHARES, workers=1)


def test_look_alikes_are_kept_together_if_asked_for(tmp_path):
    source = FakeSource(60, classes=2, brighter={row: row - 30 for row in range(30, 60)})
    store = prepare(source, tmp_path / "s", split=SHARES, workers=1)
    (note,) = check(store, workers=1).notes
    assert "groups of photographs that look alike" in note
    assert note.endswith("To keep such in one split, prepare with --keep-together look-alikes.")
    together = prepare(source, tmp_path / "t", split=SHARES, together=["look-alikes"], workers=1)
    found = splits_of(together)
    assert found[:30] == found[30:] != splits_of(store)[:30]
    assert not check(together, workers=1).notes


@pytest.mark.parametrize(
    ("together", "split", "sentence"),
    [
        (["lookalikes("], SHARES, "look-alikes' or what a regular expression finds in the paths; 'lookalikes\\('"),
        (["subject_(.*)_"], SHARES, "finds nothing in any path; the first path is n0000/0.jpg"),
        (["look-alikes"], {}, r"nothing to keep together \(look-alikes\); ask for a split"),
    ],
)
def test_what_cannot_be_kept_together_is_a_sentence(tmp_path, together, split, sentence):
    with pytest.raises(ConfigError, match=sentence):
        prepare(FakeSource(8), tmp_path / "s", split=split, together=together, workers=1)


def test_training_holds_out_no_part_of_what_was_kept_together(tmp_path):
    pattern = r"/(\d)\d?\.jpg$"
    store = prepare(FakeSource(80), tmp_path / "s", split={"test": 0.2}, together=[pattern], workers=1)
    train = store.split("train")
    kept, held = holdout(store.labels[train], 0.2, 5, store.parties(train))
    subjects = [{store.paths[row].partition("/")[2][0] for row in train[part]} for part in (kept, held)]
    assert all(subjects)
    assert not subjects[0] & subjects[1]
    alone = prepare(FakeSource(80), tmp_path / "t", split={"test": 0.2}, workers=1)
    assert not (alone.path / "groups.npy").exists()


def test_groups_of_a_list_are_kept_together_in_splits_that_are_given(tmp_path):
    root = tmp_path / "p"
    root.mkdir()
    for number in range(8):
        Image.new("RGB", (40, 40), (30 * number, 9, 9)).save(root / f"{number}.png")
    rows = [f"{row}.png,{'ab'[row % 2]},{'test' if row > 5 else 'train'},{'xy'[row % 3 == 0]}" for row in range(8)]
    (root / "list.csv").write_text("\n".join(["path,label,split,patient", *rows]))
    store = prepare(open_source(root / "list.csv"), tmp_path / "s", workers=1)
    train = store.split("train")
    assert [store.paths[row] for row in train] == ["0.png", "2.png", "4.png", "1.png", "3.png", "5.png"]
    assert store.parties(train).tolist() == [0, 1, 1, 1, 0, 1]
    reopened = pickle.loads(pickle.dumps(Store.open(store.path, verify=True)))
    assert reopened.parties(train[2:4]).tolist() == [0, 0]
    for subject in (open_source(root / "list.csv"), reopened):
        (problem,) = check(subject, workers=1).problems
        assert problem.startswith("The splits part 2 groups, each of one subject; the first is 0.png (train, a) = ")
        assert "6.png (test, a)" in problem


def test_what_is_all_one_group_cannot_be_parted(tmp_path):
    with pytest.raises(ConfigError, match="All 8 photographs are to be kept together, so none can be held out"):
        prepare(FakeSource(8), tmp_path / "s", split=SHARES, together=["(jpg)"], workers=1)
