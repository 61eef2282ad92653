import io
import pickle
import shutil
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet.data.source import Category, Example
from alexnet.data.sources.imagenet import ImageNet, Texts
from alexnet.errors import DataError

WNIDS = ["n01440764", "n01443537", "n02119789", "n04554684"]  # sorted; the devkit's ids are in another order
IDS = {"n02119789": 1, "n04554684": 2, "n01443537": 3, "n01440764": 4}
WORDS = ["tench, Tinca tinca", "goldfish", "kit fox, Vulpes macrotis", "washer"]
VAL = [2, 0, 3, 1, 0, 2]  # labels of the validation photographs in the order of their numbers
DEVKIT = "ILSVRC2012_devkit_t12"


def photograph(label: int, number: int) -> bytes:
    """A file whose pixels say which it is, and whose size does too."""
    stream = io.BytesIO()
    Image.new("RGB", (5, 4), (label, number, 99)).save(stream, "PNG")
    return stream.getvalue() + bytes(10 * label + number)


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def write(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def train_files(labels=range(4)):
    return {WNIDS[label]: {f"{WNIDS[label]}_{n}.JPEG": photograph(label, n) for n in (10, 2, 7)} for label in labels}


def val_files():
    return {f"ILSVRC2012_val_{n:08d}.JPEG": photograph(label, n) for n, label in enumerate(VAL, 1)}


def train_tar(root: Path, labels=range(4)) -> None:
    with tarfile.open(root / "ILSVRC2012_img_train.tar", "w") as outer:
        for wnid, files in reversed(train_files(labels).items()):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as archive:
                for name, content in files.items():
                    add(archive, name, content)
            add(outer, f"{wnid}.tar", inner.getvalue())


def train_folders(root: Path, labels=range(4)) -> None:
    for wnid, files in train_files(labels).items():
        for name, content in files.items():
            write(root / "train" / wnid / name, content)


def val_tar(root: Path) -> None:
    with tarfile.open(root / "ILSVRC2012_img_val.tar", "w") as archive:
        for name, content in reversed(val_files().items()):
            add(archive, name, content)


def val_flat(root: Path) -> None:
    for name, content in val_files().items():
        write(root / "val" / name, content)


def words(root: Path) -> None:
    write(root / "synset_words.txt", "".join(f"{w} {words}\n" for w, words in zip(WNIDS, WORDS, strict=True)))


def label_list(root: Path, name: str = "val.txt") -> None:
    rows = zip(val_files(), VAL, strict=True)
    write(root / name, "".join(f"{file} {label}\n" for file, label in rows))


def caffe_list(root: Path) -> None:
    label_list(root, "caffe_val.txt")


TRUTH = "".join(f"{IDS[WNIDS[label]]}\n" for label in VAL)


def meta_mat() -> bytes:
    scipy_io = pytest.importorskip("scipy.io", reason="meta.mat is read by scipy")
    synsets = np.zeros((6, 1), [("ILSVRC2012_ID", object), ("WNID", object), ("words", object)])
    leaves = [(number, wnid, "words") for wnid, number in IDS.items()]
    for row, values in enumerate([*leaves, (5, "n00001740", "entity"), (6, "n00002137", "abstraction")]):
        synsets[row, 0] = values
    stream = io.BytesIO()
    scipy_io.savemat(stream, {"synsets": synsets})
    return stream.getvalue()


def devkit_archive(root: Path) -> None:
    with tarfile.open(root / f"{DEVKIT}.tar.gz", "w:gz") as archive:
        add(archive, f"{DEVKIT}/data/ILSVRC2012_validation_ground_truth.txt", TRUTH.encode())
        add(archive, f"{DEVKIT}/data/meta.mat", meta_mat())


def devkit_folder(root: Path) -> None:
    write(root / DEVKIT / "data" / "ILSVRC2012_validation_ground_truth.txt", TRUTH)
    write(root / DEVKIT / "data" / "meta.mat", meta_mat())


def truth_and_map(root: Path) -> None:
    write(root / "ILSVRC2012_validation_ground_truth.txt", TRUTH)
    write(root / "map_clsloc.txt", "".join(f"{wnid} {number} some_name\n" for wnid, number in IDS.items()))


EXAMPLES = (
    *(
        Example(f"train/{wnid}/{wnid}_{number}.JPEG", label, "train")
        for label, wnid in enumerate(WNIDS)
        for number in ("10", "2", "7")
    ),
    *(
        Example(f"val/ILSVRC2012_val_{number:08d}.JPEG", label, "val")
        for label, number in sorted((label, number) for number, label in enumerate(VAL, 1))
    ),
)


@pytest.mark.parametrize("train", [train_tar, train_folders])
@pytest.mark.parametrize("val", [val_tar, val_flat])
@pytest.mark.parametrize("labels", [label_list, caffe_list, devkit_archive, devkit_folder, truth_and_map])
def test_every_published_form_is_the_same_source(tmp_path, train, val, labels):
    for make in (train, val, labels, words):
        make(tmp_path)
    source = ImageNet(tmp_path)
    assert source.categories == tuple(map(Category, WNIDS, WORDS))
    assert source.examples == EXAMPLES
    assert source.default_split == {}
    reference = tmp_path / "reference"
    for make in (train_folders, val_flat, label_list, words):
        make(reference)
    assert source.identity == ImageNet(reference).identity

    copy = pickle.loads(pickle.dumps(source))
    for example in source.examples:
        label, number, blue = copy.load(example).pixels[0, 0]
        assert (label, blue) == (example.label, 99)
        assert str(number) == example.path.removesuffix(".JPEG").split("_")[-1].lstrip("0")


def test_pickled_source_does_not_carry_its_list(tmp_path):
    train_tar(tmp_path)
    assert len(pickle.dumps(ImageNet(tmp_path))) < 2000


def test_validation_folders_named_by_wnid_need_no_list(tmp_path):
    train_tar(tmp_path)
    for number, label in enumerate(VAL, 1):
        write(tmp_path / "val" / WNIDS[label] / f"{number}.JPEG", photograph(label, number))
    val = [example for example in ImageNet(tmp_path).examples if example.split == "val"]
    assert [example.label for example in val] == sorted(VAL)
    assert val[0].path == "val/n01440764/2.JPEG"


@pytest.mark.parametrize("train", [train_tar, train_folders])
@pytest.mark.parametrize("labels", [label_list, truth_and_map])
def test_subset_of_the_classes_is_numbered_anew_and_keeps_its_validation_photographs(tmp_path, train, labels):
    train(tmp_path, labels=[1, 3])
    val_tar(tmp_path)
    labels(tmp_path)
    words(tmp_path)
    source = ImageNet(tmp_path)
    assert [category.key for category in source.categories] == [WNIDS[1], WNIDS[3]]
    assert [(example.path[-8:], example.label) for example in source.examples if example.split == "val"] == [
        ("004.JPEG", 0),
        ("003.JPEG", 1),
    ]


def test_label_list_cannot_be_read_against_a_subset_alone(tmp_path):
    train_tar(tmp_path, labels=[1, 3])
    val_tar(tmp_path)
    label_list(tmp_path)
    with pytest.raises(DataError, match=r"val\.txt has the label 2, where only 2 classes are known; put synset_words"):
        ImageNet(tmp_path)


def test_photographs_may_lie_deeper_in_their_class(tmp_path):
    train_folders(tmp_path)
    write(tmp_path / "train" / WNIDS[2] / "more" / "1.JPEG", b"x")
    source = ImageNet(tmp_path)
    assert [category.key for category in source.categories] == WNIDS
    assert Example(f"train/{WNIDS[2]}/more/1.JPEG", 2, "train") in source.examples


def test_training_part_alone_has_wnids_for_names(tmp_path):
    train_folders(tmp_path)
    source = ImageNet(tmp_path)
    assert source.categories == tuple(Category(wnid, wnid) for wnid in WNIDS)
    assert {example.split for example in source.examples} == {"train"}


def test_validation_part_alone_has_all_classes_of_its_labels(tmp_path):
    val_flat(tmp_path)
    truth_and_map(tmp_path)
    (tmp_path / "val" / "ILSVRC2012_val_00000003.JPEG").unlink()  # the only photograph of a class
    source = ImageNet(tmp_path)
    assert source.categories == tuple(Category(wnid, "some name") for wnid in WNIDS)
    assert len(source.examples) == 5


def test_photograph_of_an_archive_is_not_looked_for_from_its_start(tmp_path, monkeypatch):
    train_tar(tmp_path)
    source = pickle.loads(pickle.dumps(ImageNet(tmp_path)))
    source.load(source.examples[0])
    monkeypatch.setattr(tarfile, "open", lambda *_, **__: pytest.fail("the archive was listed again"))
    source.load(source.examples[1])


def test_missing_scipy_is_an_error_that_names_the_way_out(tmp_path, monkeypatch):
    val_tar(tmp_path)
    devkit_archive(tmp_path)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(DataError, match=r"pip install 'alexnet\[imagenet\]', or put map_clsloc\.txt"):
        ImageNet(tmp_path)


def nothing(root: Path) -> None:
    pass


def empty_class(root: Path) -> None:
    train_folders(root)
    (root / "train" / "n09999999").mkdir()


def no_class(root: Path) -> None:
    write(root / "train" / "1.JPEG", b"x")


def stray_photograph(root: Path) -> None:
    train_folders(root)
    write(root / "train" / "stray.JPEG", b"x")


def other_folder(root: Path) -> None:
    train_folders(root)
    write(root / "train" / "tench" / "1.JPEG", b"x")


def unlabelled_photograph(root: Path) -> None:
    val_flat(root)
    label_list(root)
    words(root)
    write(root / "val" / "holiday.JPEG", b"x")


def truth_without_a_map(root: Path) -> None:
    val_tar(root)
    write(root / "ILSVRC2012_validation_ground_truth.txt", TRUTH)


def truth_of_other_ids(root: Path) -> None:
    val_tar(root)
    truth_and_map(root)
    write(root / "ILSVRC2012_validation_ground_truth.txt", TRUTH.replace("3", "1001"))


def labels_from_one(root: Path) -> None:
    val_tar(root)
    words(root)
    write(root / "val.txt", "".join(f"{file} {label + 1}\n" for file, label in zip(val_files(), VAL, strict=True)))


def labels_without_numbers(root: Path) -> None:
    val_tar(root)
    words(root)
    write(root / "val.txt", "ILSVRC2012_val_00000001.JPEG\n")


def no_validation_photographs_of_the_classes(root: Path) -> None:
    train_folders(root, labels=[1])
    for make in (val_flat, label_list, words):
        make(root)
    (root / "val" / "ILSVRC2012_val_00000004.JPEG").unlink()


def half_an_archive(root: Path) -> None:
    train_tar(root)
    path = root / "ILSVRC2012_img_train.tar"
    path.write_bytes(path.read_bytes()[:30_000])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (nothing, "holds no part of ImageNet: it should have"),
        (val_tar, r"have no labels: put ILSVRC2012_devkit_t12\.tar\.gz beside them"),
        (empty_class, "has no photographs of the class n09999999"),
        (no_class, "train has no class folders, each named by a wnid"),
        (stray_photograph, r"stray\.JPEG lies beside the class folders"),
        (other_folder, r"tench is not named by a wnid"),
        (unlabelled_photograph, r"holiday\.JPEG has no label"),
        (truth_without_a_map, "Nothing explains the ids"),
        (truth_of_other_ids, "has the label 1001, where only 4 classes are known"),
        (labels_from_one, "has the label 4, where only 4 classes are known"),
        (labels_without_numbers, r"val\.txt, line 1: found 'ILSVRC2012_val_00000001\.JPEG', expected 2 columns"),
        (no_validation_photographs_of_the_classes, "has no photographs of the class n01443537"),
        (half_an_archive, r"ILSVRC2012_img_train\.tar is not a whole tar archive"),
    ],
)
def test_what_is_not_as_published_is_an_error(tmp_path, make, sentence):
    make(tmp_path)
    with pytest.raises(DataError, match=sentence):
        ImageNet(tmp_path)


def test_real_ground_truth_and_caffe_list_agree_on_all_50000_photographs(shared_data, tmp_path):
    labels = []
    for name in ("caffe_val.txt", "ILSVRC2012_validation_ground_truth.txt"):
        place = tmp_path / name[:5]
        place.mkdir()
        for file in ("synset_words.txt", "map_clsloc.txt", name):
            shutil.copy(shared_data / "imagenet" / file, place)
        texts = Texts(place)
        labels.append(texts.val_labels(sorted(texts.names())))
    assert labels[0] == labels[1]
    assert len(labels[0]) == 50_000
    assert len(set(labels[0].values())) == 1_000
    assert labels[0]["ILSVRC2012_val_00000001.JPEG"] == "n01751748"
    assert texts.names()["n01751748"] == "sea snake"


def test_words_that_are_not_utf_8_are_told(tmp_path):
    train_folders(tmp_path)
    val_tar(tmp_path)
    label_list(tmp_path)
    (tmp_path / "synset_words.txt").write_bytes(f"{WNIDS[0]} cr\xeape\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"synset_words\.txt is not text in UTF-8 .* at byte 12\); save it as such"):
        ImageNet(tmp_path)
