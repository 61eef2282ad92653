from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet.data.source import SPLITS
from alexnet.data.split import assign_splits, holdout
from alexnet.errors import ConfigError

TRAIN, VAL, TEST = (SPLITS.index(name) for name in ("train", "val", "test"))
labels_of = st.lists(st.integers(0, 4), min_size=1, max_size=200)


def test_flowers_give_64_and_16_of_each_class():
    labels = np.repeat(np.arange(17), 80)
    splits = assign_splits(labels, {"test": 0.2}, seed=0)
    for label in range(17):
        assert Counter(splits[labels == label].tolist()) == {TRAIN: 64, TEST: 16}


@given(labels_of, st.floats(0, 0.49), st.floats(0, 0.49), st.integers(0, 9))
def test_each_class_gives_its_rounded_share_and_keeps_one(labels, val, test, seed):
    splits = assign_splits(labels, {"val": val, "test": test}, seed)
    for label, count in Counter(labels).items():
        found = Counter(splits[np.array(labels) == label].tolist())
        wanted_test = max(1, round(test * count)) if test else 0
        wanted_val = max(1, round(val * count)) if val else 0
        assert found[TRAIN] >= 1
        assert found[TEST] == min(wanted_test, count - 1)
        assert found[VAL] == min(wanted_val, count - 1 - found[TEST])


@given(labels_of, st.integers(0, 10), st.integers(0, 9))
def test_shares_that_are_1_in_sum_leave_nothing_to_train_on(labels, tenths, seed):
    splits = assign_splits(labels, {"val": tenths / 10, "test": 1 - tenths / 10}, seed)
    assert TRAIN not in splits
    assert tenths in range(1, 10) or len(set(splits.tolist())) == 1


@given(labels_of, st.integers(0, 9))
def test_the_order_of_the_shares_does_not_matter(labels, seed):
    one = assign_splits(labels, {"val": 0.2, "test": 0.3}, seed)
    other = assign_splits(labels, {"test": 0.3, "val": 0.2}, seed)
    np.testing.assert_array_equal(one, other)


@given(labels_of, st.lists(st.integers(5, 7), max_size=50), st.randoms())
def test_a_class_does_not_depend_on_the_others(labels, more, random):
    mixed = labels + more
    order = sorted(random.sample(range(len(mixed)), len(labels)))  # where the first ones go
    merged = iter(more)
    interleaved = [labels[order.index(i)] if i in order else next(merged) for i in range(len(mixed))]
    alone = assign_splits(labels, {"test": 0.3}, seed=1)
    np.testing.assert_array_equal(assign_splits(interleaved, {"test": 0.3}, seed=1)[order], alone)


def test_a_class_keeps_its_split_when_its_index_changes_but_not_its_key():
    labels = np.zeros(50, dtype=int)
    first = assign_splits(labels, {"test": 0.3}, 0, keys=["cat"])
    later = assign_splits(labels + 1, {"test": 0.3}, 0, keys=["ant", "cat"])
    other = assign_splits(labels, {"test": 0.3}, 0, keys=["dog"])
    np.testing.assert_array_equal(first, later)
    assert (first != other).any()


def test_the_test_photographs_stay_when_the_share_of_val_changes():
    labels = np.repeat([0, 1], 40)
    without = assign_splits(labels, {"test": 0.2}, 0)
    with_val = assign_splits(labels, {"test": 0.2, "val": 0.3}, 0)
    np.testing.assert_array_equal(without == TEST, with_val == TEST)
    assert (with_val == VAL).sum() == 24


def test_the_seed_decides():
    labels = np.zeros(50, dtype=int)
    splits = [assign_splits(labels, {"test": 0.5}, seed).tobytes() for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2]


def test_the_draw_is_the_same_for_ever():
    # written down once: another draw would silently change every published result's test photographs
    held = np.flatnonzero(assign_splits([0] * 40, {"test": 0.2}, seed=0, keys=["daffodil"]) == TEST)
    assert held.tolist() == [3, 4, 5, 20, 22, 27, 32, 36]


def test_the_photographs_held_out_of_training_are_the_same_for_ever():
    # the classes' indices are their names here; written down once, as above
    _, held = holdout([0] * 20 + [1] * 20, 0.2, seed=0)
    assert held.tolist() == [1, 12, 16, 18, 30, 33, 38, 39]


def test_holdout_parts_are_ascending_stratified_and_complete():
    labels = np.tile([0, 1, 2], 30)
    kept, held = holdout(labels, 0.1, seed=3)
    assert sorted([*kept, *held]) == list(range(90))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held) > 0).all()
    assert Counter(labels[held].tolist()) == {0: 3, 1: 3, 2: 3}


def test_holding_out_nothing_keeps_everything():
    kept, held = holdout([0, 0, 1], 0.0, seed=0)
    assert kept.tolist() == [0, 1, 2]
    assert held.tolist() == []


@pytest.mark.parametrize(
    ("shares", "sentence"),
    [
        ({"validation": 0.1}, "Unknown split 'validation'"),
        ({"train": 0.8}, 'The share of "train" is what the others leave'),
        ({"test": 1.1}, "The share of 'test' must be from 0 to 1, not 1.1."),
        ({"test": -0.1}, "not -0.1"),
        ({"test": float("nan")}, "not nan"),
        ({"test": 0.5, "val": 0.6}, "(test 0.5, val 0.6) are more than 1 in sum"),
    ],
)
def test_shares_that_cannot_be_held_out_are_errors(shares, sentence):
    with pytest.raises(ConfigError) as caught:
        assign_splits([0, 1], shares, seed=0)
    assert sentence in str(caught.value)


groups_of = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), min_size=1, max_size=120)  # label and group


@given(groups_of, st.sampled_from([{"val": 0.2}, {"test": 0.3}, {"val": 0.25, "test": 0.25}, {"test": 1.0}]))
def test_no_group_is_parted(rows, shares):
    labels, groups = map(np.array, zip(*rows, strict=True))
    splits = assign_splits(labels, shares, 0, groups=groups)
    for group in set(groups.tolist()):
        assert len(set(splits[groups == group].tolist())) == 1
    if sum(shares.values()) == 1:
        assert TRAIN not in splits


@given(labels_of, st.integers(0, 9))
def test_groups_of_one_change_nothing(labels, seed):
    shares = {"val": 0.2, "test": 0.3}
    alone = np.random.default_rng(seed).permutation(len(labels))
    np.testing.assert_array_equal(
        assign_splits(labels, shares, seed, groups=alone), assign_splits(labels, shares, seed)
    )


def test_counts_are_as_near_as_whole_groups_allow():
    labels, groups = np.zeros(100, int), np.arange(100) // 5  # 20 subjects of 5 photographs
    splits = assign_splits(labels, {"val": 0.2, "test": 0.13}, 0, groups=groups)
    assert Counter(splits.tolist()) == {TRAIN: 70, VAL: 20, TEST: 10}
    large = assign_splits(np.zeros(40, int), {"test": 0.1}, 0, groups=np.arange(40) // 20)
    assert Counter(large.tolist()) == {TRAIN: 20, TEST: 20}  # rather than no test photograph at all
    assert set(assign_splits(np.zeros(9, int), {"test": 0.5}, 0, groups=np.zeros(9)).tolist()) == {TRAIN}


def test_a_group_of_several_classes_stays_in_one_split():
    labels, groups = np.repeat([0, 1], 20), np.tile(np.arange(20), 2)  # each photograph under both classes
    splits = assign_splits(labels, {"test": 0.25}, 0, groups=groups)
    np.testing.assert_array_equal(splits[:20], splits[20:])
    assert (splits == TEST).sum() == 10


def test_what_another_class_has_held_out_counts():
    labels = np.repeat([0, 1], [10, 20])
    groups = np.concatenate([np.arange(10), np.arange(20)])  # half of the second class are the first's photographs
    splits = assign_splits(labels, {"test": 0.2}, 0, groups=groups)
    assert Counter(splits[labels == 0].tolist())[TEST] == 2 and Counter(splits[labels == 1].tolist())[TEST] == 4
