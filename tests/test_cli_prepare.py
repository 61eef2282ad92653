import json
from pathlib import Path

import pytest
from commanding import alexnet, photographs, refusal

from alexnet.data.preparation import Preparation
from alexnet.data.sources.table import SOURCES
from alexnet.data.store import Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return photographs(tmp_path / "trees")


def test_a_folder_becomes_a_store_and_a_short_report(folder: Path, tmp_path: Path) -> None:
    (folder / "ash" / "broken.png").write_bytes(b"no image")
    path = tmp_path / "store"
    result = alexnet("prepare", folder, path, "--split", "val=0.2,test=0.2", "-j", "1")
    assert result.exit_code == 0, result.stderr
    store = Store.open(path)
    assert store.splits == {"train": 12, "val": 3, "test": 3}
    lines = result.stdout.splitlines()
    assert lines[0] == f"Store        {path}"
    assert lines[1] == "Photographs  18 (train 12, val 3, test 3)"
    assert lines[2] == "Classes      3: ash, birch, cedar"
    assert lines[3].endswith("MB, raw")
    assert lines[4] == f"Refused      1; all of them in {path / 'report.json'}"
    assert lines[5].strip().startswith("ash/broken.png: ")
    assert json.loads((path / "report.json").read_text())["refused"][0]["path"] == "ash/broken.png"


def test_the_help_names_every_source() -> None:
    lines = alexnet("prepare", "--help").stdout.splitlines()
    assert [line.split()[0] for line in lines if line.strip().startswith(tuple(SOURCES))] == list(SOURCES)


def test_options_reach_the_library(folder: Path, tmp_path: Path) -> None:
    alexnet("prepare", "folder", tmp_path / "a", "--from", folder, "--encoding", "jpeg", "--quality", "50", "-j", "1")
    store = Store.open(tmp_path / "a")
    assert (store.encoding, store.manifest["quality"]) == ("jpeg", 50)
    words = ("--split", "val=0.5", "-j", "1")
    for seed in ("1", "2"):
        assert alexnet("prepare", folder, tmp_path / seed, *words, "--split-seed", seed).exit_code == 0
    one, two = (Store.open(tmp_path / seed) for seed in ("1", "2"))
    assert one.split("val").tolist() != two.split("val").tolist()


def test_another_rule_of_resizing_is_recorded_and_shown(folder: Path, tmp_path: Path) -> None:
    words = ("prepare", folder, tmp_path / "s", "--resize", "squash", "--interpolation", "bilinear", "-j", "1")
    lines = alexnet(*words).stdout.splitlines()
    assert "Resized      both sides to 256 pixels, whatever the shape; bilinear, antialiased" in lines
    assert Store.open(tmp_path / "s").preparation == Preparation(resize="squash", interpolation="bilinear")
    assert "Resized" not in alexnet("prepare", folder, tmp_path / "usual", "-j", "1").stdout


def test_shapes_are_drawn_as_asked_for(tmp_path: Path) -> None:
    words = ("prepare", "shapes", tmp_path / "s", "--per-class", "train=2,test=1", "--seed", "7", "-j", "1")
    assert alexnet(*words).exit_code == 0
    assert Store.open(tmp_path / "s").splits == {"train": 20, "test": 10}
    code, sentence = refusal(*words[:-3], "8")
    assert code == 3
    assert "is a store already, of other photographs or with other options" in sentence


def test_strict_stops_and_keeps_what_is_done(folder: Path, tmp_path: Path) -> None:
    (folder / "ash" / "broken.png").write_bytes(b"no image")
    code, sentence = refusal("prepare", folder, tmp_path / "out" / "s", "--strict", "-j", "1")
    assert code == 3
    assert "ash/broken.png" in sentence
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["s.partial"]
    assert alexnet("prepare", folder, tmp_path / "out" / "s", "-j", "1").exit_code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["s"]


def test_a_photograph_that_cannot_be_read_stops_the_work_until_it_can_or_is_left_out(
    folder: Path, tmp_path: Path
) -> None:
    photograph, words = folder / "ash" / "0.png", ("prepare", folder, tmp_path / "s", "-j", "1")
    photograph.rename(tmp_path / "0.png")
    photograph.symlink_to(tmp_path / "gone.png")
    code, sentence = refusal(*words)
    assert code == 3
    assert "ash/0.png cannot be read (No such file or directory). What is done so far is kept" in sentence
    left_out = alexnet(*words, "--skip-unreadable")
    assert left_out.exit_code == 0
    assert "ash/0.png: it cannot be read: No such file or directory" in left_out.stdout
    code, sentence = refusal(*words)
    assert "lacks 1 photographs that could not be read when it was made, first ash/0.png; delete" in sentence


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["flowers71"], "Unknown source 'flowers71'; did you mean 'flowers17' or"),
        (["flowers17"], "alexnet data download flowers17"),
        (["shapes", "--from", "x"], "is built in"),
        (["shapes", "--encoding", "jpg"], "Unknown encoding 'jpg'; did you mean 'jpeg'?"),
        (["shapes", "--resize", "squish"], "Unknown resize of a preparation 'squish'; did you mean 'squash'?"),
        (["shapes", "--interpolation", "nearest"], "Unknown interpolation of a preparation 'nearest'"),
        (["shapes", "--quality", "0"], "quality must be from 1 to 100, not 0"),
        (["shapes", "--split", "val"], "--split takes name=number pairs like val=0.1,test=0.2, not 'val'."),
        (["shapes", "--split", "val=0.1"], "a share can only be asked for a split that it does not give"),
        (["shapes", "--per-class", "train=many"], "--per-class takes name=number pairs"),
        (["shapes", "--per-class", "trian=3"], "'trian'"),
    ],
)
def test_what_cannot_be_prepared_is_a_sentence(words: list[str], said: str, tmp_path: Path) -> None:
    source, *options = words
    code, sentence = refusal("prepare", source, tmp_path / "s", *options)
    assert code == 2
    assert said in sentence
    assert not list(tmp_path.iterdir())


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    code, sentence = refusal("prepare", tmp_path / "nowhere", tmp_path / "s")
    assert code == 3
    assert f"{tmp_path / 'nowhere'} does not exist" in sentence


def test_options_of_shapes_are_refused_elsewhere(folder: Path, tmp_path: Path) -> None:
    code, sentence = refusal("prepare", folder, tmp_path / "s", "--seed", "3")
    assert code == 2
    assert "--per-class and --seed are for the source 'shapes', not for 'folder'" in sentence


def test_an_archive_downloaded_before_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    archive = tmp_path / "home" / "downloads" / "17flowers.tgz"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"nothing like an archive")
    result = alexnet("prepare", "flowers17", tmp_path / "s")
    assert result.exit_code == 3
    note, error = result.stderr.splitlines()
    assert note == f"Taking flowers17 from {archive}."
    assert str(archive) in error


def test_a_reading_of_two_is_said_and_another_can_be_asked_for(tmp_path: Path) -> None:
    for top in ("Training", "Testing"):
        photographs(tmp_path / "trees" / top, each=2)
    (tmp_path / "trees" / "Training" / "ash" / "notes.txt").touch()
    found = alexnet("prepare", tmp_path / "trees", tmp_path / "splits", "-j", "1")
    assert found.stderr.splitlines() == [
        "Folders taken as splits: Testing as test, Training as train.",
        "Passed over 1 thing that is no photograph: 1 .txt.",
    ]
    assert Store.open(tmp_path / "splits").splits == {"train": 6, "test": 6}
    alexnet("prepare", tmp_path / "trees", tmp_path / "classes", "--classes", "-j", "1")
    assert Store.open(tmp_path / "classes").class_names == ("Testing", "Training")
    assert "--splits and --classes are for folders" in refusal("prepare", "shapes", tmp_path / "s", "--classes")[1]


def test_a_store_among_its_photographs_is_refused(folder: Path, tmp_path: Path) -> None:
    code, sentence = refusal("prepare", folder, folder / "trees.store", "-j", "1")
    assert code == 2
    assert "would lie among the photographs" in sentence
    alexnet("prepare", folder, tmp_path / "s", "-j", "1")
    (tmp_path / "s").rename(folder / "s")
    assert (
        f"{folder / 's'} is a store among the photographs" in refusal("prepare", folder, tmp_path / "s", "-j", "1")[1]
    )


def test_a_store_beside_the_list_of_its_photographs_is_not_among_them(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("prepare", ".", "first.store", "--label-from", "trees/(.*)/")
    assert "would lie among the photographs" in refusal(*words)[1], "whose labels a pattern finds"
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in sorted(folder.glob("*/*.png"))]
    Path("labels.csv").write_text("\n".join(rows[1:]))
    left = "Not listed, and left out: 1, first trees/ash/0.png."
    for name in ("first.store", "second.store"):  # the first lies beside the photographs when the second is made
        result = alexnet("prepare", "labels.csv", name, "-j", "1")
        assert result.exit_code == 0, result.stderr
        assert result.stderr.splitlines() == [left, "Passed over 1 thing that is no photograph: 1 .csv."]
    assert len(Store.open(Path("second.store"))) == 17


def test_a_limit_of_pixels_is_asked_for_and_is_part_of_the_plan(folder: Path, tmp_path: Path) -> None:
    words = ("prepare", folder, tmp_path / "s", "-j", "1", "--max-pixels")
    found = alexnet(*words, "479")
    assert "all 6 were refused, the first because it claims 24×20 pixels, more than 479;" in found.stderr
    alexnet(*words[:2], tmp_path / "usual", "-j", "1")
    alexnet(*words[:2], tmp_path / "other", "-j", "1", "--max-pixels", "480")
    usual, other = (Store.open(tmp_path / name).manifest for name in ("usual", "other"))
    assert usual["plan"] != other["plan"]
    assert usual["files"]["images.bin"] == other["files"]["images.bin"]
    assert "--max-pixels is for photographs" in refusal("prepare", "shapes", tmp_path / "t", "--max-pixels", "9")[1]


def test_subjects_are_kept_together_by_a_pattern(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "trees", each=12)
    for path in folder.glob("*/*.png"):
        path.rename(path.with_name(f"{path.parent.name}-subject{int(path.stem) // 3}-{path.name}"))
    words = ("--split", "val=0.25,test=0.25", "--keep-together", r"(\w+-subject\d)", "-j", "1")
    assert alexnet("prepare", folder, tmp_path / "s", *words).exit_code == 0
    store = Store.open(tmp_path / "s")
    sides = {(path.rpartition("-")[0], store.split_of(position)) for position, path in enumerate(store.paths)}
    assert len(sides) == 12
    assert store.splits == {"train": 18, "val": 9, "test": 9}


def test_lists_are_given_by_option_or_as_the_source(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "trees")
    for name, number in (("train", 4), ("test", 2)):
        paths = sorted(folder.glob("*/*.png"))
        chosen = [path for path in paths if (int(path.stem) < 4) == (name == "train")]
        text = "\n".join(path.relative_to(folder).as_posix() for path in chosen)
        (tmp_path / f"{name}.txt").write_text(text)
        assert len(chosen) == 3 * number
    words = [f"--list={name}={tmp_path / name}.txt" for name in ("train", "test")]
    assert alexnet("prepare", folder, tmp_path / "a", *words, "-j", "1").exit_code == 0
    assert Store.open(tmp_path / "a").splits == {"train": 12, "test": 6}
    (folder / "labels.csv").write_text("path,label\n" + "\n".join(f"ash/{n}.png,{n % 2}" for n in range(6)))
    found = alexnet("prepare", folder / "labels.csv", tmp_path / "b", "-j", "1")
    assert "Not listed, and left out: 12, first birch/0.png." in found.stderr
    assert Store.open(tmp_path / "b").class_names == ("0", "1")
    words = ["--label-from", r"(\d)\.png"]
    assert alexnet("prepare", folder, tmp_path / "c", *words, "-j", "1").exit_code == 0
    assert len(Store.open(tmp_path / "c").classes) == 6
    assert "'somewhere' is no split" in refusal("prepare", folder, tmp_path / "d", "--list", "somewhere=x.txt")[1]
    assert "names x.txt, which is no file" in refusal("prepare", folder, tmp_path / "d", "--list", "x.txt")[1]
    assert "--list and --label-from are for folders" in refusal("prepare", "shapes", tmp_path / "d", *words)[1]


def test_a_flat_folder_is_told_the_way_on(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "trees")
    code, sentence = refusal("prepare", folder / "ash", tmp_path / "s")
    assert code == 3
    assert "lie flat, `alexnet prepare` takes --label-from PATTERN or --list FILE" in sentence


def test_the_user_s_folder_is_known_where_the_shell_leaves_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert alexnet("prepare", "folder", "~/s", "--from=~/trees", "-j", "1").exit_code == 0
    assert alexnet("prepare", "~/trees", "~/t", "-j", "1").exit_code == 0
    assert Store.open(tmp_path / "s").fingerprint == Store.open(tmp_path / "t").fingerprint


def test_a_place_that_cannot_be_written_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = tmp_path / "file" / "store"
    code, said = refusal("prepare", folder, store, "-j", "1", "-q")
    assert (code, said.partition(", or read")[0]) == (3, f"alexnet: error: Cannot write the store {store}")
    assert said.endswith(" what is done of it: Not a directory; mend that, or give another place.")
