"""Jobs that write, small enough to be stopped hundreds of times; each knows what its end must look like."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch
from caffe_files import caffemodel, random_weights, small
from fake_source import FakeSource
from making import CLASSES, Colours, tiny_model, tiny_recipe, tiny_spec, tiny_store
from PIL import Image

from alexnet.data.prepare import prepare
from alexnet.data.sources.folder import Folder
from alexnet.data.store import Store
from alexnet.errors import DataError
from alexnet.evaluation.extraction import Plan, write_features
from alexnet.evaluation.photographs import of_split
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import place
from alexnet.training.run import Run
from alexnet.training.train import Runtime, resume, train
from alexnet.weights.caffe.importing import import_caffe
from alexnet.weights.export import export
from alexnet.weights.model_dir import load_model, save_model

SOURCE = Colours({"train": 32, "val": 6})
PHOTOGRAPHS = Colours({"train": 36})  # more than are read at once
RUNTIME = Runtime(device="cpu", dtype="fp32", threads=1, save_every=0.0)
RECIPE = tiny_recipe(epochs=1, batch_size=16)
FEATURES = Plan(("pool1", "relu2"))


@dataclass(frozen=True)
class Job:
    """`begin` makes what there is before in a folder, `run` does the work, `result` names the files that it makes."""

    begin: Callable[[Path], object]
    run: Callable[[Path], object]
    result: str = ""


def given(folder: Path) -> Path:
    """Where a store, a model, photographs and a file of Caffe's lie, beside the folder in which the job writes."""
    given = folder.parent / "given"
    if not given.is_dir():
        given.mkdir()
        for example in PHOTOGRAPHS.examples:
            file = given / "photographs" / CLASSES[example.label] / example.path.replace("/", "-")
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(PHOTOGRAPHS.load(example).pixels).save(file)
        store = tiny_store(given / "store", SOURCE)
        save_model(tiny_model(store, seed=1), given / "model")
        spec = small("bvlc_alexnet")
        (given / "net.caffemodel").write_bytes(caffemodel(spec, random_weights(spec)))
    return given


def _train(folder: Path) -> None:
    path = folder / "run"
    if Run(path).last.is_file():
        resume(path, runtime=RUNTIME)
    else:  # not begun, or stopped before its first checkpoint
        if path.exists():
            shutil.rmtree(path)
        train(Store.open(given(folder) / "store"), tiny_spec(), RECIPE, path, runtime=RUNTIME)


def _trained(folder: Path) -> None:
    _train(folder)
    shutil.rmtree(folder / "run" / "model")


def _export(kind: str) -> Callable[[Path], object]:
    return lambda folder: export(load_model(given(folder) / "model"), folder / "net", kind)


def _features(folder: Path) -> None:
    at = given(folder)
    predictor = Predictor(at / "model", placement=place("cpu", "fp32"))
    photographs = of_split(Store.open(at / "store"), "all")
    try:
        write_features(at / "model", predictor, photographs, folder / "features", FEATURES, also=("csv",))
    except DataError as error:
        if "exists already" not in str(error):
            raise


def _nothing(folder: Path) -> None:
    """There is nothing before."""


JOBS: dict[str, Job] = {
    "prepare": Job(_nothing, lambda f: prepare(Folder(given(f) / "photographs"), f / "store", workers=1)),
    "prepare in workers": Job(_nothing, lambda f: prepare(FakeSource(100), f / "store", workers=2)),
    "train": Job(_nothing, _train, "run/model"),
    "resume": Job(_trained, _train, "run/model"),
    "save": Job(
        lambda f: save_model(tiny_model(Store.open(given(f) / "store"), seed=0), f / "model"),
        lambda f: save_model(load_model(given(f) / "model"), f / "model"),
    ),
    "import": Job(_nothing, lambda f: save_model(import_caffe(given(f) / "net.caffemodel"), f / "model")),
    "export safetensors": Job(_nothing, _export("safetensors")),
    "export onnx": Job(_nothing, _export("onnx")),
    "export torch-export": Job(_nothing, _export("torch-export")),
    "features": Job(_nothing, _features),
}


def begin(name: str, folder: Path) -> None:
    """Makes the folder as it is before the job."""
    torch.set_num_threads(1)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    given(folder)
    JOBS[name].begin(folder)


def digest(name: str, folder: Path) -> str:
    """Of all files that the job makes; of what a run leaves besides its model, much tells the time."""
    place, found = folder / JOBS[name].result, sha256()
    for file in sorted(place.rglob("*")):
        if file.is_file():
            found.update(file.relative_to(place).as_posix().encode() + file.read_bytes())
    return found.hexdigest()


def leftovers(folder: Path) -> list[str]:
    """What no job should leave behind: temporary files, locks, unfinished work."""
    marks = ("tmp", "old", "lock", "partial", "probe")
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.name.rpartition(".")[2] in marks
    )
