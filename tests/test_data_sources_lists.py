import io
import pickle
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from alexnet.data.prepare import prepare
from alexnet.data.source import Example
from alexnet.data.sources.lists import PhotographList
from alexnet.data.sources.table import open_source
from alexnet.errors import ConfigError, DataError

STREAM = io.BytesIO()
Image.new("RGB", (30, 20), (10, 200, 90)).save(STREAM, "PNG")
PHOTOGRAPH = STREAM.getvalue()


def make(root: Path, names: str) -> Path:
    for name in names.split():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(PHOTOGRAPH)
    return root


def listed(root: Path, text: str, name: str = "labels.csv") -> PhotographList:
    (root / name).write_text(text, encoding="utf-8")
    return PhotographList(root, [(None, root / name)])


def said(source: PhotographList) -> list[tuple[str, str, str | None]]:
    return [(example.path, source.categories[example.label].key, example.split) for example in source.examples]


FLAT = "1.png 2.png 3.png 4.png"
PLAIN = [("2.png", "cat", None), ("1.png", "dog", None), ("3.png", "dog", None)]


@pytest.mark.parametrize(
    "text",
    [
        "1.png,dog\n2.png,cat\n3.png,dog\n",
        "path,label\n1.png,dog\n2.png,cat\n3.png,dog",
        "\ufefflabel;image\ndog;1.png\ncat;2.png\ndog;3.png\n",  # as spreadsheets write it
        'Filename,Kind\n"1.png","dog"\n2.png,cat\n3.png,dog\n',
        "id\tbreed\n1\tdog\n2\tcat\n3\tdog\n",  # without endings
        "1.png dog\n2.png cat\n3.png dog\n",
        "# made by hand\n\n./1.png dog\n.\\2.png cat\nset/3.png dog\n",
    ],
)
def test_a_list_in_any_usual_form(tmp_path, text):
    source = listed(make(tmp_path / "set", FLAT), text)
    assert said(source) == PLAIN
    assert source.default_split == {"val": 0.1}
    assert source.remarks[0] == "Not listed, and left out: 1, first 4.png."
    assert pickle.loads(pickle.dumps(source)).load(source.examples[0]).size == (30, 20)


def test_splits_and_groups_are_columns(tmp_path):
    text = "file,class,set,patient\n1.png,dog,Training,a\n2.png,cat,train,b\n3.png,dog,TEST,c\n4.png,cat,validation,b\n"
    source = listed(make(tmp_path, FLAT), text)
    assert source.examples == (
        Example("2.png", 0, "train", "b"),
        Example("1.png", 1, "train", "a"),
        Example("4.png", 0, "val", "b"),
        Example("3.png", 1, "test", "c"),
    )
    assert source.default_split == {}


def test_groups_are_kept_in_one_split(tmp_path):
    make(tmp_path, " ".join(f"{number}.png" for number in range(40)))
    for number in range(40):  # different photographs
        Image.new("RGB", (16, 16), (number, 0, 0)).save(tmp_path / f"{number}.png")
    rows = [f"{number}.png,{'cat' if number % 2 else 'dog'},,subject {number // 4}" for number in range(40)]
    source = listed(tmp_path, "\n".join(["path,label,split,group", *rows]))
    store = prepare(source, tmp_path / "store", split={"test": 0.3}, workers=1)
    sides = {(int(path[:-4]) // 4, store.split_of(position)) for position, path in enumerate(store.paths)}
    assert len(sides) == 10
    assert store.splits == {"train": 28, "test": 12}
    other = listed(tmp_path, "\n".join(["path,label,split,group", *rows]).replace("subject 9", "subject 8"))
    assert other.identity != source.identity


def test_lists_of_paths_alone_have_folders_for_labels(tmp_path):
    make(tmp_path, "set/cat/1.png set/dog/2.png set/dog/tmp set/cat/4.png")
    (tmp_path / "train.txt").write_text("cat/1.png\ndog/2.png\n")
    (tmp_path / "test.txt").write_text("cat/4.png\ndog/tmp\n")
    source = PhotographList(tmp_path / "set", [("train", tmp_path / "train.txt"), ("test", tmp_path / "test.txt")])
    assert said(source) == [
        ("cat/1.png", "cat", "train"),
        ("dog/2.png", "dog", "train"),
        ("cat/4.png", "cat", "test"),
        ("dog/tmp", "dog", "test"),
    ]
    assert source.remarks == ()


def test_labels_that_are_numbers_are_in_the_order_of_numbers(tmp_path):
    source = listed(make(tmp_path, FLAT), "1.png 10\n2.png 9\n3.png 0\n4.png 10\n", "val.txt")
    assert [category.key for category in source.categories] == ["0", "9", "10"]


def test_a_label_is_found_in_the_name_of_a_file(tmp_path):
    make(tmp_path, "cat.0.png cat.1.png dog.0.png great_dane_12.png")
    source = open_source(tmp_path, label_from=r"^([a-z_]+?)[._]\d+")
    assert [category.key for category in source.categories] == ["cat", "dog", "great_dane"]
    with pytest.raises(DataError, match=r"finds no label in the path of 1 of 4 photographs, first great_dane_12\.png"):
        open_source(tmp_path, label_from=r"(cat|dog)")
    with pytest.raises(ConfigError, match="takes a regular expression"):
        open_source(tmp_path, label_from="(")


def test_the_path_of_a_list_is_a_source(tmp_path):
    listed(make(tmp_path / "set", FLAT), "1.png,dog\n2.png,cat\n3.png,dog\n")
    assert said(open_source(tmp_path / "set" / "labels.csv")) == PLAIN
    (tmp_path / "set" / "labels.csv").rename(tmp_path / "labels.csv")
    assert said(open_source(tmp_path / "labels.csv", tmp_path / "set")) == PLAIN
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in FLAT.split():
            archive.write(tmp_path / "set" / name, name)
    assert said(open_source(tmp_path / "labels.csv", tmp_path / "set.zip")) == PLAIN


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        (
            "1.png,dog\n9.png,cat\n8.png,cat\n",
            r"2 of 3 photographs listed are not in .*, first 9\.png; name",
        ),
        ("1.png,dog\n1.png,cat\n", "1.png is listed twice, and differently: label dog; label cat"),
        ("1.png,dog\n2.png,dog\n", "have the label dog alone; at least two are needed"),
        ("1.png,dog,train\n2.png,cat,\n", r"some have none, first 2\.png"),
        ("1.png,dog,train\n2.png,cat,somewhere\n", r"line 2: 'somewhere' is no name of a split; expected train"),
        ("1.png,dog\n2.png\n", r"line 2: found '2\.png', expected a path and a label"),
        ("1.png,dog\n2.png,\n", r"line 2: the photograph 2\.png has no label"),
        ("path,x,y\n1.png,1,2\n", r"has the columns path, x, y; name those that are meant path, label"),
    ],
)
def test_what_a_list_cannot_say_is_a_sentence(tmp_path, text, sentence):
    with pytest.raises((DataError, ConfigError), match=sentence):
        listed(make(tmp_path, FLAT), text)


@pytest.mark.parametrize("given", ["p", "./p", "absolute", "link"])
def test_absolute_paths_are_found_however_the_place_is_given(tmp_path, monkeypatch, given):
    root = make(tmp_path / "p", "dog/1.png cat/2.png")
    (tmp_path / "link").symlink_to(root)
    (tmp_path / "all.txt").write_text(f"{root}/dog/1.png\n{root}/cat/2.png\n")
    monkeypatch.chdir(tmp_path)
    source = PhotographList(root if given == "absolute" else Path(given), [("train", Path("all.txt"))])
    assert said(source) == [("cat/2.png", "cat", "train"), ("dog/1.png", "dog", "train")]


def test_lists_of_paths_say_which_photographs_and_a_pattern_what_they_show(tmp_path):
    root = make(tmp_path / "p", "cat.1.png cat.2.png cat.3.png dog.1.png dog.2.png dog.3.png")
    (tmp_path / "train.txt").write_text("cat.1.png\ndog.1.png\n")
    (tmp_path / "test.txt").write_text("dog.2\n")
    lists = [("train", tmp_path / "train.txt"), ("test", tmp_path / "test.txt")]
    source = PhotographList(root, lists, "^(cat|dog)")
    assert said(source) == [("cat.1.png", "cat", "train"), ("dog.1.png", "dog", "train"), ("dog.2.png", "dog", "test")]
    assert source.remarks == ("Not listed, and left out: 3, first cat.2.png.",)
    (tmp_path / "train.txt").write_text("cat.1.png,cat\ndog.1.png,dog\n")
    with pytest.raises(ConfigError, match=r"a list has some \(cat.1.png: cat\); leave one of them out"):
        PhotographList(root, lists, "^(cat|dog)")


@pytest.mark.parametrize("pattern", ["(cat)|(dog)", "(cat)?"])
def test_a_pattern_whose_first_parenthesis_finds_nothing_finds_no_label(tmp_path, pattern):
    root = make(tmp_path / "p", "cat.1.png cat.2.png dog.1.png sub/dog.2.png")
    with pytest.raises(DataError, match=r"no label in the path of 2 of 4 .*, first dog\.1\.png; the label is what"):
        PhotographList(root, (), pattern)


def test_a_path_goes_before_a_number(tmp_path):
    root = make(tmp_path / "set", FLAT)
    rows = "id,filename,label\n1,4.png,cat\n2,3.png,cat\n3,2.png,dog\n"
    assert said(listed(root, rows)) == [("3.png", "cat", None), ("4.png", "cat", None), ("2.png", "dog", None)]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ("file,image,label", "Of the columns of the list .* file and image may each be the path; give another name"),
        ("path,species,breed", "species and breed may each be the label"),
        ("path,label,patient,subject_id", "patient and subject_id may each be the group"),
    ],
)
def test_two_columns_for_one_thing_are_told(tmp_path, columns, sentence):
    with pytest.raises(ConfigError, match=sentence):
        listed(make(tmp_path / "set", FLAT), f"{columns}\n1.png,2.png,3.png,4.png\n")


def test_labels_and_paths_that_are_one_in_unicode_are_one(tmp_path):
    root = make(tmp_path / "set", "cafe\u0301.png 2.png 3.png 4.png")
    source = listed(root, "path,label\ncaf\u00e9.png,caf\u00e9\n2.png,cafe\u0301\n3.png,Dog\n4.png,dog\n")
    assert [category.key for category in source.categories] == ["Dog", "caf\u00e9", "dog"]
    assert [example.path for example in source.examples] == ["3.png", "2.png", "cafe\u0301.png", "4.png"]
    assert "Classes whose names differ in capitals alone are taken for different ones: Dog, dog." in source.remarks


def test_a_name_that_fits_several_files_is_told_so(tmp_path):
    root = make(tmp_path / "p", "cat/1.png dog/1.png dog/2.png")
    sentence = "1 of 2 photographs listed may be several files in .*: 1 is cat/1.png or dog/1.png; write more of their"
    with pytest.raises(DataError, match=sentence):
        listed(root, "path,label\n1,a\n2,b\n")


def test_a_quotation_mark_that_stays_open_is_told(tmp_path):
    root = make(tmp_path / "set", FLAT)
    with pytest.raises(DataError, match=r"cannot be read as a table .* at line [0-9,]+.; a quotation mark may be open"):
        listed(root, 'path,label\n"1.png,cat\n' + "2.png,dog\n" * 20_000)
