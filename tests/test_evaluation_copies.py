import csv
import json
import sys
from os import SEEK_END
from pathlib import Path

import h5py
import numpy as np
import pytest
from commanding import alexnet, refusal
from limiting import files_of_at_most
from making import tiny_model
from PIL import Image

from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.evaluation import copies, extraction
from alexnet.evaluation.copies import _Disk, write_copies
from alexnet.evaluation.extraction import Plan, write_features
from alexnet.evaluation.features import Features
from alexnet.evaluation.photographs import of_files, of_split
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import place
from alexnet.weights.model_dir import save_model


@pytest.fixture
def model(colours: Store, tmp_path: Path, one_thread: None) -> Path:
    save_model(tiny_model(colours), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def predictor(model: Path) -> Predictor:
    return Predictor(model, placement=place("cpu", "fp32"))


@pytest.mark.parametrize("stored", ["fp32", "fp16"])
def test_hdf5_has_the_numbers_and_the_names(
    colours: Store, model: Path, predictor: Predictor, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "BLOCK", 5 * 8 * 14 * 14 * 2)  # some blocks, the last one partial
    plan = Plan(("conv1", "relu2"), stored=stored)
    found = write_features(model, predictor, of_split(colours, "test"), model.parent / "f", plan, also=["h5"])
    with h5py.File(found.path / "features.h5") as file:
        for stage in plan.stages:
            assert file[stage].dtype == found.array(stage).dtype
            assert np.array_equal(file[stage], found.array(stage))
        for fact in ("image", "label", "sha256"):
            assert file[fact].asstr()[:].tolist() == [row[fact] for row in found.images]
        assert json.loads(file.attrs["description"]) == found.description


@pytest.mark.parametrize("stored", ["fp32", "fp16"])
def test_csv_gives_the_same_numbers_again(colours: Store, model: Path, predictor: Predictor, stored: str) -> None:
    plan = Plan(("conv1", "relu2"), stored=stored)
    found = write_features(model, predictor, of_split(colours, "test"), model.parent / "f", plan, also=["csv"])
    for stage in plan.stages:
        with open(found.path / f"{stage}.csv", encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        expected = found.array(stage).reshape(len(found), -1)
        assert np.array_equal(np.array([row[3:] for row in rows], np.float64).astype(expected.dtype), expected)
        assert [row[:3] for row in rows] == [[row["image"], row["label"], row["sha256"]] for row in found.images]
        assert head[:3] == ["image", "label", "sha256"]
        assert head[-1] == ("7_13_13" if stage == "conv1" else str(expected.shape[1] - 1))


def test_names_of_any_bytes_and_photographs_without_a_class(colours: Store, model: Path, predictor: Predictor) -> None:
    names = ['a, "b".png', "水仙.png", "\udcff.png"]
    for number, name in enumerate(names):
        Image.fromarray(colours.read(number)).save(model.parent / name)
    paths = [model.parent / name for name in names]
    plan = Plan(("relu2",))
    found = write_features(model, predictor, of_files(paths, predictor), model.parent / "f", plan, also=["h5", "csv"])
    with h5py.File(found.path / "features.h5") as file:
        assert [each.decode("utf-8", "surrogateescape") for each in file["image"][:]] == [str(each) for each in paths]
    with open(found.path / "relu2.csv", encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [str(each) for each in paths]
    assert {row["label"] for row in rows} == {""}


def test_copies_of_nothing_are_empty(model: Path, predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    photographs = of_files([tmp_path / "a.png"], predictor)
    found = write_features(model, predictor, photographs, tmp_path / "f", Plan(("relu2",)), also=["h5", "csv"])
    with h5py.File(found.path / "features.h5") as file:
        assert file["relu2"].shape == found.array("relu2").shape and file["image"].shape == (0,)
    assert (found.path / "relu2.csv").read_text().count("\n") == 1


def test_work_stopped_in_a_copy_goes_on_with_the_same_bytes(
    colours: Store, model: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(name: str) -> Features:
        plan, also = Plan(("relu2",)), ("csv", "h5")
        return write_features(model, predictor, of_split(colours, "test"), model.parent / name, plan, also=also)

    def stopped(features: Features) -> None:
        (features.path / "features.h5").write_bytes(b"half of it")
        raise KeyboardInterrupt

    whole = written("whole")
    monkeypatch.setitem(copies.COPIES, "h5", stopped)
    with pytest.raises(KeyboardInterrupt):
        written("f")
    monkeypatch.undo()
    monkeypatch.setattr(extraction, "_append", None)  # no batch is computed again
    again = written("f")
    assert [file.read_bytes() for file in sorted(again.path.iterdir())] == [
        file.read_bytes() for file in sorted(whole.path.iterdir())
    ]


def test_a_disk_that_fills_under_hdf5_is_an_error_and_nothing_is_printed(
    colours: Store, model: Path, predictor: Predictor, capfd: pytest.CaptureFixture[str]
) -> None:
    found = write_features(model, predictor, of_split(colours, "test"), model.parent / "f", Plan(("conv1",)))
    write_copies(found, ["h5"])
    size = (found.path / "features.h5").stat().st_size
    for most in (0, 1000, size // 2, size - 500):
        with files_of_at_most(most), pytest.raises(OSError, match="File too large"):
            write_copies(found, ["h5"])
    assert capfd.readouterr() == ("", "")


def test_the_command_says_the_size_of_copies_and_makes_them(colours: Store, model: Path) -> None:
    words = ("features", model, colours.path, "-o", model.parent / "f", "--stages", "conv1", "--also", "h5,csv")
    dry = alexnet(*words, "--dry-run")
    assert "Copies (h5, csv): about 1.6 MB more" in dry.stderr  # 65 × 1,568 × (4 + 12)
    assert alexnet(*words).exit_code == 0
    assert (model.parent / "f" / "conv1.csv").stat().st_size < 65 * 1568 * 16
    assert (model.parent / "f" / "features.h5").is_file()


def test_a_missing_package_and_an_unknown_kind_are_refused_before_the_work(
    colours: Store, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("features", model, colours.path, "-o", model.parent / "f", "--stages", "relu2", "--also")
    assert "Unknown kind of copy 'hdf5'" in refusal(*words, "hdf5")[1]
    monkeypatch.setitem(sys.modules, "h5py", None)
    code, said = refusal(*words, "h5")
    assert code == 2 and "pip install 'alexnet[h5]'" in said
    assert not list(model.parent.glob("f*"))
    assert alexnet(*words, "csv").exit_code == 0
    with pytest.raises(ConfigError, match="takes the package h5py"):
        write_copies(Features.open(model.parent / "f"), ["h5"])


def test_what_a_full_disk_did_not_take_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    written = bytearray(300)
    with files_of_at_most(100), _Disk(tmp_path / "disk", "wb+") as disk:
        for place, content in ((0, b"a" * 90), (80, b"b" * 60), (20, b"c" * 10), (200, b"d" * 100), (250, b"e" * 9)):
            disk.seek(place)
            assert disk.write(content) == len(content)
            written[place : place + len(content)] = content
        assert disk.seek(0, SEEK_END) == 300
        for first, count in ((0, 300), (85, 20), (130, 90), (0, 15)):
            disk.seek(first)
            found = bytearray(count)
            assert disk.readinto(found) == count
            assert found == written[first : first + count]
        with pytest.raises(OSError, match="File too large"):
            disk.check()
