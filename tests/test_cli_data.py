import json
from pathlib import Path

import pytest
from commanding import alexnet, photographs, refusal

import alexnet.data.download as downloading
from alexnet.data.download import ARCHIVES, Archive
from alexnet.data.store import Store
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
