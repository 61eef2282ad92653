import pytest

from alexnet.data.sources.split_names import split_of, splits_of


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *(
            ("train", "train"),
            ("Training", "train"),
            ("TRAIN_SET", "train"),
            ("seg_train", "train"),
            ("trainImages", "train"),
        ),
        *(("val", "val"), ("valid", "val"), ("Validation Data", "val"), ("dev", "val"), ("val2017", "val")),
        *(("test", "test"), ("TestSet", "test"), ("testing", "test"), ("test1", "test"), ("Evaluation", "test")),
    ],
)
def test_usual_spellings(name, split):
    assert split_of(name) == split


@pytest.mark.parametrize("name", ["", "cat", "trainer", "attest", "value", "train and test", "test tube", "set", "1"])
def test_other_names_are_none(name):
    assert split_of(name) is None


def test_words_that_all_names_share_do_not_count():
    assert splits_of(["pets train", "pets test"]) == {"pets train": "train", "pets test": "test"}
    assert splits_of(["pets train", "toys test"]) == {}
    assert splits_of(["pets train"]) == {}
    assert splits_of(["train", "cats"]) == {"train": "train"}
