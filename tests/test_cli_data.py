import json
import os
import shutil
from pathlib import Path

import pytest
from commanding import alexnet, photographs, refusal
from fake_source import FakeSource

import alexnet.data.download as downloading
from alexnet.data.download import ARCHIVES, Archive
from alexnet.data.prepare import PrepareProgress, prepare
from alexnet.data.store import Store
from alexnet.data.unfinished import Unfinished
from alexnet.errors import DataError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("ALEXNET_OFFLINE", raising=False)
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_check_of_sound_photographs_is_0(tmp_path: Path) -> None:
    result = alexnet("data", "check", photographs(tmp_path / "trees"), "-j", "1")
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "folder: 18 photographs (unsplit 18), 3 classes\n  width 24 to 24 pixels, median 24\n"
    )
    assert "No problems found." in result.stdout


def test_check_of_leaking_splits_and_broken_files_is_3(tmp_path: Path) -> None:
    folder = tmp_path / "split"
    photographs(folder / "train")
    photographs(folder / "val", each=2)  # the same generator: the first photographs are those of train
    (folder / "val" / "ash" / "9.png").write_bytes(b"no image")
    result = alexnet("data", "check", folder, "-j", "1")
    assert result.exit_code == 3
    problems = [line for line in result.stdout.splitlines() if line.startswith("PROBLEM")]
    assert len(problems) == 2
    assert "val/ash/9.png" in problems[0]
    assert "leak" in problems[1]
    assert result.stdout.endswith("2 problems found.\n")
    plain = json.loads(alexnet("data", "check", folder, "-j", "1", "--json").stdout)
    assert plain["images"] == 24
    assert list(plain["broken"]) == ["val/ash/9.png"]
    assert plain["width"] == {"smallest": 24, "median": 24.0, "largest": 24}
    assert len(plain["problems"]) == 2


def test_check_takes_the_limit_of_pixels_that_its_reasons_speak_of(tmp_path: Path, colours: Store) -> None:
    words = ("data", "check", photographs(tmp_path / "trees"), "-j", "1", "--max-pixels")
    assert "--max-pixels raises the limit" in alexnet(*words, 479).stdout
    assert alexnet(*words, 480).exit_code == 0
    code, sentence = refusal("data", "check", colours.path, "--max-pixels", 479)
    assert (code, "--max-pixels is for photographs" in sentence) == (2, True)


def test_check_takes_a_store(colours: Store) -> None:
    result = alexnet("data", "check", colours.path, "-j", "1")
    assert result.exit_code == 0
    assert "65 photographs (train 42, val 12, test 11), 6 classes" in result.stdout


def test_info_describes_a_store(colours: Store) -> None:
    shown = alexnet("data", "info", colours.path).stdout
    assert "Photographs  65 (train 42, val 12, test 11)" in shown
    assert "Names        Amber, Blue, Coal, Drab, Emerald, Fuchsia" in shown
    assert colours.fingerprint in shown
    plain = json.loads(alexnet("data", "info", colours.path, "--json").stdout)
    assert plain == {"path": str(colours.path), **colours.manifest}


def test_info_of_what_is_no_store_is_3(tmp_path: Path) -> None:
    code, sentence = refusal("data", "info", tmp_path)
    assert code == 3
    assert "is not a store" in sentence


def test_download_hands_over_to_the_library(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(archive: Archive, partial: Path, progress: object) -> None:
        raise OSError(f"no network in tests: {archive.url}")

    monkeypatch.setattr(downloading, "_fetch", fetch)
    code, sentence = refusal("data", "download", "flowers17")
    assert code == DataError.exit_code
    assert "no network in tests: https://www.robots.ox.ac.uk" in sentence
    assert str(home / "downloads" / "17flowers.tgz") in sentence


def test_offline_forbids_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALEXNET_OFFLINE", "1")
    monkeypatch.setattr(downloading, "_fetch", lambda *_: pytest.fail("went to the network"))
    code, sentence = refusal("data", "download", "flowers17")
    assert code == 2
    assert "ALEXNET_OFFLINE is set" in sentence


def test_the_digest_can_be_seen_without_downloading() -> None:
    assert alexnet("data", "download", "cifar10", "--sha256").stdout.startswith(
        f"{ARCHIVES['cifar10'].sha256}  https://"
    )


@pytest.mark.parametrize("options", [(), ("--sha256",)])
def test_an_unknown_download_names_the_nearest(options: tuple[str, ...]) -> None:
    code, sentence = refusal("data", "download", "cifar", *options)
    assert code == 2
    assert "did you mean 'cifar10'?" in sentence


def test_an_unknown_part_of_data_is_refused() -> None:
    code, sentence = refusal("data", "chek")
    assert code == 2
    assert "'chek'" in sentence


def test_what_is_kept_is_listed_and_removed(tmp_path: Path, home: Path, colours: Store) -> None:
    assert alexnet("data", "list").stdout == f"Nothing is kept in {home}.\n"
    for folder, name in (("downloads", "17flowers.tgz"), ("downloads", "x.tgz.part"), ("weights", "alexnet.pth")):
        (home / folder).mkdir(parents=True, exist_ok=True)
        (home / folder / name).write_bytes(bytes(1000))
    (home / "models" / "torchvision").mkdir(parents=True)
    shutil.copytree(colours.path, home / "stores" / "colours-1.store")
    lines = alexnet("data", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:-1] if line.strip()] == [
        *("colours-1.store", "17flowers.tgz", "x.tgz.part", "torchvision", "alexnet.pth")
    ]
    assert lines[1].endswith("colours, 65 photographs")
    plain = json.loads(alexnet("data", "list", "--json").stdout)
    assert [(entry["kind"], entry["unfinished"]) for entry in plain][1:3] == [("download", False), ("download", True)]
    code, sentence = refusal("data", "remove", "17flowers.tgz", "18flowers.tgz")
    assert code == 2
    assert "did you mean '17flowers.tgz'" in sentence
    assert len(json.loads(alexnet("data", "list", "--json").stdout)) == 5, "nothing is removed then"
    said = alexnet("data", "remove", "colours-1.store", "torchvision").stdout.splitlines()
    assert said[1] == f"Removed {home / 'models' / 'torchvision'} (model, 0 bytes)."
    assert alexnet("data", "remove", "--unfinished").stdout.count("Removed") == 1
    assert [entry["name"] for entry in json.loads(alexnet("data", "list", "--json").stdout)] == [
        *("17flowers.tgz", "alexnet.pth")
    ]
    assert alexnet("data", "remove", "--unfinished").stderr == f"Nothing unfinished is kept in {home}.\n"
    assert "Name what is to be removed" in refusal("data", "remove")[1]


def test_work_of_an_interrupted_preparation_is_found_there(home: Path) -> None:
    (home / "stores").mkdir(parents=True)
    path = home / "stores" / "fake-1.store"
    with pytest.raises(KeyboardInterrupt):
        prepare(FakeSource(80), path, workers=1, progress=interrupt)
    (entry,) = json.loads(alexnet("data", "list", "--json").stdout)
    assert (entry["name"], entry["kind"], entry["unfinished"]) == ("fake-1.store.partial", "store", True)
    assert entry["detail"] == "fake, 64 photographs so far"
    with Unfinished(path, (path.with_name("fake-1.store.partial") / "plan.json").read_bytes()):
        code, sentence = refusal("data", "remove", "--unfinished")
        assert code == 1
        assert f"Process {os.getpid()} is preparing {path} now" in sentence
    assert alexnet("data", "remove", "--unfinished").exit_code == 0
    assert not list((home / "stores").iterdir())


def test_a_link_to_a_store_is_listed_and_only_the_link_removed(tmp_path: Path, home: Path, colours: Store) -> None:
    (home / "stores").mkdir(parents=True)
    shutil.copytree(colours.path, tmp_path / "elsewhere")
    (home / "stores" / "linked.store").symlink_to(tmp_path / "elsewhere")
    (home / "stores" / "gone.store").symlink_to(tmp_path / "nowhere")
    names = [entry["name"] for entry in json.loads(alexnet("data", "list", "--json").stdout)]
    assert names == ["gone.store", "linked.store"]
    assert alexnet("data", "remove", *names).exit_code == 0
    assert not list((home / "stores").iterdir())
    assert Store.open(tmp_path / "elsewhere").fingerprint == colours.fingerprint


def interrupt(progress: PrepareProgress) -> None:
    if progress.done >= 64:
        raise KeyboardInterrupt
