import json
from pathlib import Path

import pytest
from making import tiny_model

from alexnet.data.source import Category
from alexnet.data.store import Store
from alexnet.errors import WeightsError
from alexnet.weights.foreign.class_names import read_classes, unnamed_classes
from alexnet.weights.model_dir import save_model

SYNSETS = "n01440764 tench, Tinca tinca\nn02012849 crane\nn03126707 crane\n"
KEYED = (
    Category("n01440764", "tench, Tinca tinca"),
    Category("n02012849", "crane"),
    Category("n03126707", "crane"),
)


def written(folder: Path, text: str) -> Path:
    path = folder / "classes.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_caffes_list_has_wnids_and_names(tmp_path: Path) -> None:
    assert read_classes(written(tmp_path, SYNSETS), 3) == KEYED
    assert read_classes(written(tmp_path, "\ufeff" + SYNSETS.replace(" ", "\t", 1).replace("\n", "\r\n")), 3) == KEYED


def test_a_list_of_names_is_keyed_by_them_and_by_number_where_they_repeat(tmp_path: Path) -> None:
    assert read_classes(written(tmp_path, "tench\ncrane\n\ncrane"), 3) == (
        Category("tench", "tench"),
        Category("crane (1)", "crane"),
        Category("crane (2)", "crane"),
    )


def test_json_lists_and_indices_are_read(tmp_path: Path) -> None:
    names = ["tench", "crane"]
    expected = (Category("tench", "tench"), Category("crane", "crane"))
    assert read_classes(written(tmp_path, json.dumps(names)), 2) == expected
    assert read_classes(written(tmp_path, json.dumps({"1": "crane", "0": "tench"})), 2) == expected
    index = {str(number): [category.key, category.name] for number, category in enumerate(KEYED)}
    assert read_classes(written(tmp_path, json.dumps(index)), 3) == KEYED


def test_a_model_or_a_store_of_ours_lends_its_classes(colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    assert read_classes(tmp_path / "model", 6) == colours.classes
    assert read_classes(colours.path, 6) == colours.classes


def test_the_thousand_classes_are_those_of_imagenet_sources(shared_data: Path) -> None:
    found = read_classes(shared_data / "imagenet" / "synset_words.txt", 1000)
    assert found[0] == Category("n01440764", "tench, Tinca tinca")
    assert found[999].key == "n15075141"


def test_wnids_need_no_names(tmp_path: Path) -> None:
    keys = [category.key for category in KEYED]
    expected = tuple(Category(key, key) for key in keys)
    assert read_classes(written(tmp_path, "\n".join(keys)), 3) == expected
    mixed = read_classes(written(tmp_path, f"{keys[0]}\n{keys[1]} crane\n{keys[2]}\n"), 3)
    assert mixed == (expected[0], KEYED[1], expected[2])
    assert read_classes(written(tmp_path, json.dumps(keys)), 3) == expected


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("line", ["{} {}", "{}: {}", "{}\t{}", "{},{}", "{}. {}", "{:03} {}"])
def test_numbered_lines_are_in_the_order_of_their_numbers(tmp_path: Path, line: str, first: int) -> None:
    names = {0: "tench", 1: "crane", 2: "3 wheeler"}
    expected = tuple(Category(name, name) for name in names.values())
    text = "\n".join(line.format(first + number, names[number]) for number in (2, 0, 1))
    assert read_classes(written(tmp_path, text), 3) == expected
    keys = "\n".join(line.format(first + number, f"{KEYED[number].key} {KEYED[number].name}") for number in (2, 0, 1))
    assert read_classes(written(tmp_path, keys), 3) == KEYED


def test_names_that_begin_with_numbers_stay_names(tmp_path: Path) -> None:
    names = ["2 wheels", "4 wheels", "1 wheel"]
    assert [category.name for category in read_classes(written(tmp_path, "\n".join(names)), 3)] == names
    assert [category.name for category in read_classes(written(tmp_path, "2\n0\n1"), 3)] == ["2", "0", "1"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("n02012849\nn01440764\n", "are not in order, .* give Caffe's synset_words.txt"),
        ("n02012849,crane\nn01440764,tench\n", "are not in order"),
        ("1 n02012849 crane\n2 n01440764 tench\n", "are not in order"),  # as the devkit numbers them
        (SYNSETS, r"The network has 4 outputs, but .*classes\.txt names 3 classes"),
        ("", "names 0 classes"),
        ("n02 b\nn01440764 a\n", "names 2 classes"),  # not a list of wnids
        ("n02012849 crane\nn01440764 tench\n", "are not in order, .* give Caffe's synset_words.txt"),
        ("n01440764 tench\nn01440764 tench\n", "names a class twice"),
        ("{0: 'tench', 1: 'crane'}", "is no list of classes that can be read: Expecting property name"),
        ('["tench", 5]', r"can be read: expected names, or \[wnid, name\]"),
        ('["tench", ["a", "b", "c"]]', r"expected names, or \[wnid, name\]"),
        ('{"0": "a", "2": "b"}', "its keys are not the numbers from 0 to 1"),
        ("[" * 100_000, "can be read"),
    ],
)
def test_what_is_no_list_of_the_classes_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(WeightsError, match=sentence):
        read_classes(written(tmp_path, text), 4)


def test_files_that_are_none_are_refused(tmp_path: Path, colours: Store) -> None:
    with pytest.raises(WeightsError, match=r"There is no file of classes at .*nowhere"):
        read_classes(tmp_path / "nowhere", 3)
    with pytest.raises(WeightsError, match=r"is not a model directory"):
        read_classes(tmp_path, 3)
    (tmp_path / "photograph").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(WeightsError, match="is no list of classes that can be read: 'utf-8' codec"):
        read_classes(tmp_path / "photograph", 3)
    (tmp_path / "large").write_bytes(bytes(10_000_001))
    with pytest.raises(WeightsError, match="has 10,000,001 bytes, which is no list of classes"):
        read_classes(tmp_path / "large", 3)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "manifest.json").write_text("{}")
    with pytest.raises(WeightsError, match="The classes cannot be taken from"):
        read_classes(tmp_path / "store", 3)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text('{"format": 2}')
    with pytest.raises(WeightsError, match=r"model.json is damaged, or no model's: spec is missing"):
        read_classes(tmp_path / "model", 3)


def test_unnamed_classes_have_numbers() -> None:
    assert unnamed_classes(2) == (Category("0", "class 0"), Category("1", "class 1"))
