import errno
import hashlib
import json
import os
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from commanding import python
from making import CLASSES, Colours, tiny_model, tiny_store
from PIL import Image

import alexnet.evaluation.extraction as extraction
from alexnet.data.source import Category
from alexnet.data.store import Store
from alexnet.errors import AlexNetError, ConfigError, DataError, ImageError
from alexnet.evaluation.extraction import Plan, before_relu, write_features
from alexnet.evaluation.features import Features
from alexnet.evaluation.photographs import of_files, of_split
from alexnet.evaluation.predictor import Predictor
from alexnet.locking import BusyError
from alexnet.model.device import place
from alexnet.model.variants import variant
from alexnet.weights.model_dir import load_model, save_model

KILLS = (1, 2, 5, 11)


@pytest.fixture
def path(colours: Store, tmp_path: Path, one_thread: None) -> Path:
    save_model(tiny_model(colours), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def predictor(path: Path) -> Predictor:
    return Predictor(path, placement=place("cpu", "fp32"))


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def test_rows_are_what_forward_hooks_see_in_the_plain_module(colours: Store, path: Path, predictor: Predictor) -> None:
    found = write_features(path, predictor, of_split(colours, "val"), path.parent / "f", Plan(("pool1", "relu2")))
    net, seen = load_model(path).net, {}
    for name in ("pool1", "relu2"):
        net.get_submodule(name).register_forward_hook(lambda _, __, out, name=name: seen.setdefault(name, out))
    inputs = [predictor.views(colours.read(int(position))).inputs[0] for position in colours.split("val")]
    with torch.no_grad():
        net(torch.from_numpy(np.stack(inputs)))
    for name, expected in seen.items():
        assert np.allclose(found.array(name), expected.numpy(), rtol=1e-5, atol=1e-5)
        lengths = np.sqrt((found.array(name).reshape(12, -1).astype(np.float64) ** 2).sum(1))
        assert np.allclose(found.norms(name), lengths, rtol=1e-12)


def test_rows_are_those_of_the_predictor_and_names_lie_beside_them(
    colours: Store, path: Path, predictor: Predictor
) -> None:
    found = write_features(path, predictor, of_split(colours, "test"), path.parent / "f", Plan(("relu2",)))
    positions = colours.split("test").tolist()
    assert [row["image"] for row in found.images] == [colours.paths[position] for position in positions]
    assert [row["label"] for row in found.images] == [colours.class_names[colours.labels[each]] for each in positions]
    expected = predictor.stages([colours.read(position) for position in positions], "relu2")["relu2"]
    assert np.allclose(found.array("relu2"), expected, rtol=1e-5, atol=1e-6)
    assert (len(found), found.array("relu2").dtype, found.description["complete"]) == (11, np.float32, True)
    assert found.description["stages"]["relu2"] == {"shape": [16], "dtype": "<f4", "before_relu": False}


def test_classes_that_share_a_name_are_told_apart(tmp_path: Path, predictor: Predictor) -> None:
    store = tiny_store(tmp_path / "store", Cranes({"train": 6}, classes=CLASSES[:3]))
    assert of_split(store, "train").labels == [f"Crane ({key})" for key in CLASSES[:3]] * 2


class Cranes(Colours):
    """Classes of one name."""

    @property
    def categories(self) -> tuple[Category, ...]:
        return tuple(Category(key, "Crane") for key in self.classes)


def test_what_is_known_of_rows_is_read_when_asked_for_and_not_kept(
    colours: Store, path: Path, predictor: Predictor
) -> None:
    found = write_features(path, predictor, of_split(colours, "test"), path.parent / "f", Plan(("relu2",)))
    whole = list(found.images)
    assert [found.images[row] for row in range(-11, 11)] == whole * 2
    assert found.images[3:7] == whole[3:7]
    with pytest.raises(IndexError):
        found.images[11]
    with open(found.path / "images.jsonl", "a") as file:
        file.writelines(json.dumps({**whole[0], "row": row, "image": "x" * 500}) + "\n" for row in range(11, 3000))
    many = Features(found.path, {**found.description, "images": 3000})
    tracemalloc.start()
    assert (sum(1 for _ in many.images), many.images[-1]["row"]) == (3000, 2999)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000, "the names alone are 1.5 MB"


def test_places_that_are_no_unicode_are_kept(in_bytes: Store, path: Path, predictor: Predictor) -> None:
    shutil.copytree(in_bytes.path, moved := path.parent / "store\udce9")
    found = write_features(path, predictor, of_split(Store.open(moved), "val"), path.parent / "f", Plan(("relu2",)))
    assert found.description["data"]["path"] == str(moved)
    assert [row["image"] for row in found.images] == [in_bytes.paths[position] for position in in_bytes.split("val")]


def test_ten_views_are_averaged_positions_pooled_and_numbers_halved(
    colours: Store, path: Path, predictor: Predictor
) -> None:
    plan = Plan(("conv1",), crops=10, stored="fp16", pool="mean")
    found = write_features(path, predictor, of_split(colours, "test"), path.parent / "f", plan)
    square = colours.read(int(colours.split("test")[3]))
    expected = predictor.stages(square, "conv1", 10)["conv1"][0].mean(0).mean((1, 2))
    assert found.array("conv1").dtype == np.float16
    assert np.allclose(found.array("conv1")[3], expected, rtol=2e-3)


def test_a_list_keeps_its_order_and_what_cannot_be_used_has_no_row(path: Path, predictor: Predictor) -> None:
    folder = path.parent
    for number in range(5):
        Image.fromarray(np.full((40, 40, 3), 40 * number, np.uint8)).save(folder / f"{number}.png")
    (folder / "bad.jpg").write_bytes(b"not an image")
    names = ["4.png", "bad.jpg", "0.png", "4.png", "none.png", "2.png"]
    paths = [folder / name for name in names]
    with pytest.raises(DataError, match=r"none\.png cannot be read: No such file .* kept.*with --skip-unreadable"):
        write_features(path, predictor, of_files(paths, predictor), folder / "f", Plan(("relu2",)))
    photographs = of_files(paths, predictor, skip_unreadable=True)
    found = write_features(path, predictor, photographs, folder / "f", Plan(("relu2",)))
    assert [Path(row["image"]).name for row in found.images] == ["4.png", "0.png", "4.png", "2.png"]
    assert found.array("relu2").shape == (4, 16)
    assert np.array_equal(found.array("relu2")[0], found.array("relu2")[2])
    refused = [json.loads(line) for line in (folder / "f" / "refused.jsonl").read_text().splitlines()]
    assert [Path(each["image"]).name for each in refused] == ["bad.jpg", "none.png"]
    assert found.images[1]["sha256"] == hashlib.sha256((folder / "0.png").read_bytes()).hexdigest()
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        write_features(path, predictor, photographs, folder / "g", Plan(("relu2",)), strict=True)


def test_kills_at_any_batch_change_no_byte(colours: Store, path: Path) -> None:
    folder = path.parent

    def run(out: str, batches: int) -> int:
        process = python(
            "import sys, extracting; extracting.main(*sys.argv[1:])", path, colours.path, folder / out, batches
        )
        process.communicate(timeout=120)
        return process.returncode

    assert run("whole", 0) == 0
    for batches in KILLS:
        assert run("killed", batches) == -9
        assert not (folder / "killed").exists()
    assert run("killed", 0) == 0
    assert digests(folder / "killed") == digests(folder / "whole")
    assert len(Features.open(folder / "killed")) == 65


def test_unfinished_work_of_something_else_is_not_gone_on_with(
    colours: Store, path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(extraction, "_append", stop)
        with pytest.raises(KeyboardInterrupt):
            write_features(path, predictor, of_split(colours, "val"), path.parent / "f", Plan(("relu2",)))
    with pytest.raises(DataError, match="unfinished work of another model, other photographs or other options"):
        write_features(path, predictor, of_split(colours, "test"), path.parent / "f", Plan(("relu2",)))
    with pytest.raises(DataError, match="it was begun and not finished"):
        Features.open(path.parent / "f")
    write_features(path, predictor, of_split(colours, "val"), path.parent / "f", Plan(("relu2",)))
    with pytest.raises(DataError, match="exists already"):
        write_features(path, predictor, of_split(colours, "val"), path.parent / "f", Plan(("relu2",)))


def test_a_disk_that_is_too_small_is_said_before_it_starts(
    colours: Store, path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(AlexNetError, match="The features take"):
        write_features(path, predictor, of_split(colours, "val"), path.parent / "f", Plan(("relu2",)))
    assert not (path.parent / "f.partial").exists()


def test_sizes_are_those_of_the_files(colours: Store, path: Path, predictor: Predictor) -> None:
    plan = Plan(("conv1",), stored="fp16")
    write_features(path, predictor, of_split(colours, "val"), path.parent / "f", plan)
    told = plan.size(predictor.description.spec, 12)["conv1"]
    assert (path.parent / "f" / "conv1.npy").stat().st_size == told + 256


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan(("relu9",)), "Unknown layer of 'tiny' 'relu9'; did you mean 'relu"),
        (Plan(("relu2", "relu2")), "each of them once"),
        (Plan(("relu2",), stored="fp8"), "Unknown number to store 'fp8'"),
        (Plan(("relu2",), pool="max"), "Unknown pooling 'max'"),
    ],
)
def test_what_does_not_exist_is_refused(plan: Plan, said: str, predictor: Predictor) -> None:
    with pytest.raises(ConfigError, match=said):
        plan.shapes(predictor.description.spec)


def test_numbers_too_large_for_fp16_are_refused(colours: Store, path: Path) -> None:
    model = load_model(path)
    model.net.get_parameter("conv1.bias").data.fill_(1e6)
    save_model(model, path.parent / "large")
    predictor = Predictor(path.parent / "large", placement=place("cpu", "fp32"))
    plan = Plan(("conv1",), stored="fp16")
    with pytest.raises(DataError, match="float16 cannot hold; take --store fp32"):
        write_features(path.parent / "large", predictor, of_split(colours, "val"), path.parent / "f", plan)


def test_fc7_is_before_its_relu_and_relu7_and_fc8_are_not() -> None:
    spec = variant("paper")
    assert [before_relu(spec, stage) for stage in ("fc6", "fc7", "relu7", "fc8", "conv5")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_disk_that_fills_meanwhile_is_a_sentence_and_the_work_goes_on(
    colours: Store, path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(extraction._Writer, "commit", full)
        with pytest.raises(AlexNetError, match=r"f\.partial cannot be written .*No space left on device.*goes on"):
            write_features(path, predictor, of_split(colours, "val"), path.parent / "f", Plan(("relu2",)))
    assert len(write_features(path, predictor, of_split(colours, "val"), path.parent / "f", Plan(("relu2",)))) == 12


def test_a_second_process_at_one_place_is_told_of_the_first(colours: Store, path: Path, predictor: Predictor) -> None:
    def second(*_: object) -> None:
        with pytest.raises(BusyError, match=rf"Process {os.getpid()} is writing {path.parent}/f now; wait until"):
            write_features(path, predictor, of_split(colours, "val"), path.parent / "f", Plan(("relu2",)))

    write_features(path, predictor, of_split(colours, "val"), path.parent / "f", Plan(("relu2",)), progress=second)
    assert sorted(file.name for file in path.parent.iterdir()) == ["f", "model"]


def test_a_list_that_names_a_device_refuses_it(path: Path, predictor: Predictor) -> None:
    found = write_features(
        path, predictor, of_files([Path("/dev/zero")], predictor), path.parent / "f", Plan(("relu2",))
    )
    assert len(found) == 0
    assert "it is no regular file" in (path.parent / "f" / "refused.jsonl").read_text()


@pytest.mark.parametrize("name", ["features.json", "images.jsonl", "relu2.npy", "relu2.norms.npy"])
def test_damaged_features_are_a_sentence(colours: Store, path: Path, predictor: Predictor, name: str) -> None:
    found = write_features(path, predictor, of_split(colours, "val"), path.parent / "f", Plan(("relu2",)))
    file = found.path / name
    whole = file.read_bytes()
    for damaged in (whole[:-2], b"\xff" + whole[1:], b"[1]\n" + whole, b""):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match=rf"{name} .*; extract the features again"):
            assert Features.open(found.path).images


def test_a_kill_before_the_plan_is_written_begins_anew(
    colours: Store, path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for module, dies in ((Path, "write_bytes"), (os, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(module, dies, killed)
            with pytest.raises(KeyboardInterrupt):
                write_features(path, predictor, of_split(colours, "val"), path.parent / "f", Plan(("relu2",)))
        (path.parent / "f.partial" / "plan.json.tmp").write_bytes(b"")  # a file that was opened, and no more
    assert len(write_features(path, predictor, of_split(colours, "val"), path.parent / "f", Plan(("relu2",)))) == 12
    assert not list((path.parent / "f").glob("*.tmp"))
    (path.parent / ".f.lock").write_bytes(b"12")  # of a process that was killed when it had finished
    with pytest.raises(DataError, match="exists already"):
        write_features(path, predictor, of_split(colours, "val"), path.parent / "f", Plan(("relu2",)))
    assert sorted(file.name for file in path.parent.iterdir()) == ["f", "model"]
