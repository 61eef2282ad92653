"""Jobs that write, small enough to be stopped hundreds of times; each knows what its end must look like."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch
from caffe_files import caffemodel, random_weights, small
from making import Colours, tiny_model, tiny_recipe, tiny_spec, tiny_store

from alexnet.data.prepare import prepare
from alexnet.data.store import Store
from alexnet.errors import AlexNetError
from alexnet.training.run import Run
from alexnet.training.train import Runtime, resume, train
from alexnet.weights.caffe.importing import import_caffe
from alexnet.weights.export import export
from alexnet.weights.model_dir import load_model, save_model

SOURCE = Colours({"train": 60, "val": 12})
RUNTIME = Runtime(device="cpu", dtype="fp32", threads=1, save_every=0.0)
RECIPE = tiny_recipe(epochs=1, batch_size=16)


@dataclass(frozen=True)
class Job:
    """`begin` makes what there is before in a folder, `run` does the work, `result` names the files that it makes."""

    begin: Callable[[Path], object]
    run: Callable[[Path], object]
    result: Callable[[Path], Path]


def _given(folder: Path) -> None:
    """A store, a model and a file of Caffe's, outside of the folder in which faults happen."""
    given = folder.parent / "given"
    if not given.is_dir():
        given.mkdir()
        store = tiny_store(given / "store", SOURCE)
        save_model(tiny_model(store, seed=1), given / "model")
        spec = small("bvlc_alexnet")
        (given / "net.caffemodel").write_bytes(caffemodel(spec, random_weights(spec)))


def _train(folder: Path) -> None:
    given, path = folder.parent / "given", folder / "run"
    try:
        resume(path, runtime=RUNTIME)
    except AlexNetError as error:
        if Run(path).last.is_file() or "Cannot" in str(error):
            raise
        shutil.rmtree(path, ignore_errors=True)  # it was stopped before its first checkpoint
        train(Store.open(given / "store"), tiny_spec(), RECIPE, path, runtime=RUNTIME)


def _replaced(folder: Path) -> None:
    save_model(tiny_model(Store.open(folder.parent / "given" / "store"), seed=0), folder / "model")


def _trained(folder: Path) -> None:
    train(Store.open(folder.parent / "given" / "store"), tiny_spec(), RECIPE, folder / "run", runtime=RUNTIME)
    shutil.rmtree(folder / "run" / "model")


JOBS: dict[str, Job] = {
    "prepare": Job(lambda _: None, lambda f: prepare(SOURCE, f / "store", workers=1), lambda f: f / "store"),
    "train": Job(lambda _: None, _train, lambda f: f / "run" / "model"),
    "resume": Job(_trained, _train, lambda f: f / "run" / "model"),
    "save": Job(
        _replaced, lambda f: save_model(load_model(f.parent / "given" / "model"), f / "model"), lambda f: f / "model"
    ),
    "import": Job(
        lambda _: None,
        lambda f: save_model(import_caffe(f.parent / "given" / "net.caffemodel"), f / "model"),
        lambda f: f / "model",
    ),
    "export": Job(
        lambda _: None,
        lambda f: export(load_model(f.parent / "given" / "model"), f / "net.safetensors", "safetensors"),
        lambda f: f,
    ),
}


def begin(name: str, folder: Path) -> None:
    """Makes the folder as it is before the job."""
    torch.set_num_threads(1)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _given(folder)
    JOBS[name].begin(folder)


def digest(name: str, folder: Path) -> str:
    """Of all files that the job makes; of a model's card and provenance all that does not tell the time."""
    place, found = JOBS[name].result(folder), sha256()
    for file in sorted(place.rglob("*")):
        if file.is_file():
            found.update(file.relative_to(place).as_posix().encode() + file.read_bytes())
    return found.hexdigest()


def leftovers(folder: Path) -> list[str]:
    """What no job should leave behind: temporary files, locks, unfinished work."""
    marks = (".tmp", ".old", ".lock", ".partial", ".probe")
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.name.endswith(marks))
