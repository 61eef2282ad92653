"""Files of every kind that is read, changed at random: each is refused with a sentence, or read as it is."""

import mmap
import random
import re
import resource
import shutil
import signal
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from caffe_files import caffemodel, random_weights, small
from faults.forge import Change, change, forge_checkpoint, forge_json, forge_model, forge_store
from faults.processes import fork, verdict
from faults.trials import Trouble
from making import Colours, tiny_model, tiny_spec, tiny_store
from PIL import Image, features
from running import RUNTIME, begin

from alexnet.data.images import load_photograph
from alexnet.data.preparation import DEFAULT
from alexnet.data.prepare import PrepareProgress, prepare
from alexnet.data.sources.folder import Folder
from alexnet.data.sources.lists import PhotographList
from alexnet.data.store import Store
from alexnet.evaluation.extraction import Plan, write_features
from alexnet.evaluation.features import Features
from alexnet.evaluation.photographs import of_split
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import place
from alexnet.model.net import AlexNet
from alexnet.show.curves import curves
from alexnet.training.events import Event, StepEnd
from alexnet.training.recipe import read_recipe
from alexnet.training.run import Run
from alexnet.training.train import resume
from alexnet.weights.caffe.importing import import_caffe
from alexnet.weights.caffe.npy import import_npy
from alexnet.weights.checkpoint import load_checkpoint
from alexnet.weights.export import export
from alexnet.weights.foreign.class_names import read_classes
from alexnet.weights.model_dir import load_model, save_model
from alexnet.weights.onnx.importing import import_onnx
from alexnet.weights.onnx.session import OnnxModel
from alexnet.weights.pytorch.torchvision import NAMES, import_torchvision

MORE, SMALL = Colours({"train": 33}), replace(DEFAULT, side=48)  # more photographs than are read at once
SECONDS, MEMORY = 10, 3 * 2**30  # for one file, beyond what the process has
BATCH = 50  # files a process reads


@dataclass
class Kind:
    """A file to change, and what reads it. What `read` returns must not differ, unless nothing could tell (None)."""

    file: Path
    read: Callable[[Path], Any]
    change: Change = change


@dataclass
class Found:
    """What came of the files of a kind."""

    tried: int = 0
    refused: int = 0
    troubles: list[str] = field(default_factory=list)


def _plain(value: Any) -> bytes:
    """A digest of tensors and plain values."""
    if isinstance(value, torch.Tensor):
        return sha256(value.contiguous().numpy().tobytes()).digest()
    if isinstance(value, np.ndarray):
        return sha256(value.tobytes()).digest()
    if isinstance(value, dict):
        return sha256(b"".join(str(key).encode() + _plain(value[key]) for key in sorted(value, key=str))).digest()
    return sha256(repr(value).encode()).digest()


def _of_model(path: Path) -> bytes:
    model = load_model(path.parent)
    facts = (model.net.spec, model.categories, model.provenance, model.preparation, model.net.spec.summary)
    return _plain({"net": dict(model.net.state_dict()), "mean": model.statistics.mean_image, "facts": repr(facts)})


def _of_store(path: Path) -> bytes:
    store = Store.open(path.parent)
    pixels = {number: store.read(number) for number in range(len(store))}
    return _plain({"pixels": pixels, "facts": (store.fingerprint, store.paths, store.report, store.labels.tolist())})


def _of_source(path: Path) -> None:
    source = Folder(path)
    for example in source.examples[:4]:
        source.load(example)


def _of_list(path: Path) -> None:
    source = PhotographList(path.parent / "images", [(None, path)])
    for example in source.examples[:2]:
        source.load(example)


def _of_features(path: Path) -> None:
    found = Features.open(path.parent)
    for array in (tuple(found.images), found.array("relu2"), found.norms("relu2")):
        len(array)


def _answers(path: Path) -> None:
    Predictor(path.parent, placement=place("cpu", "fp32")).probabilities(np.zeros((70, 60, 3), np.uint8))


def _is_store(path: Path) -> None:
    _of_store(path)


def _is_features(path: Path) -> None:
    _of_features(path)


def _run_goes_on(path: Path) -> None:
    run = next(above for above in path.parents if (above / "windows.csv").is_file())
    copy = run.with_name(f"{run.name} copied")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run, copy)
    curves([copy])
    with suppress(Stop):  # a recipe may ask for any number of epochs
        resume(copy, runtime=RUNTIME, listener=_stop_at_a_step)


class Stop(Exception):
    """Ends a piece of work early, so that there is something unfinished."""


def _stop(*_: object) -> None:
    raise Stop


def _stop_at_a_step(event: Event) -> None:
    if isinstance(event, StepEnd):
        raise Stop


def _stop_later(progress: PrepareProgress) -> None:
    if progress.done:
        raise Stop


@contextmanager
def _copied(path: Path, name: str) -> Iterator[Path]:
    """A copy of the unfinished folder of that name, in which `path` is, as a folder that can be gone on with."""
    folder = next(above for above in path.parents if above.name == name)
    copy = folder.parent / "copies" / name
    shutil.rmtree(copy.parent, ignore_errors=True)
    shutil.copytree(folder, copy)
    yield copy.with_suffix("")
    shutil.rmtree(copy.parent)


def _features_go_on(write: Callable[..., Features], path: Path) -> bytes:
    with _copied(path, "some.partial") as out:
        found = write(out, Plan(("relu2",)))
        return _plain({"numbers": np.array(found.array("relu2")), "images": tuple(found.images)})


def _store_goes_on(path: Path) -> str:
    with _copied(path, "half.partial") as out:
        return prepare(MORE, out, preparation=SMALL).fingerprint


def kinds(folder: Path) -> dict[str, Kind]:
    """A file of every kind, in the folder."""
    torch.set_num_threads(1)
    rng, found = np.random.default_rng(0), {}
    pixels = Image.fromarray(rng.integers(0, 255, (40, 30, 3), dtype=np.uint8).repeat(2, axis=0))
    (folder / "images" / "a").mkdir(parents=True)
    for suffix in ("jpg", "png", "gif", "bmp", "webp", "tiff", "ppm", *(["avif"] if features.check("avif") else [])):
        file = folder / "images" / "a" / f"x.{suffix}"
        pixels.save(file)
        found[suffix] = Kind(file, lambda path: load_photograph(path.read_bytes(), path.name) and None)
    shutil.copytree(folder / "images" / "a", folder / "images" / "b")
    for name, mode in (("tar", "w"), ("tar.gz", "w:gz")):
        with tarfile.open(folder / f"x.{name}", mode) as archive:
            archive.add(folder / "images", "images")
        found[name] = Kind(folder / f"x.{name}", _of_source)
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        for file in sorted((folder / "images").rglob("*.*")):
            archive.write(file, file.relative_to(folder / "images"))
    found["zip"] = Kind(folder / "x.zip", _of_source)
    lines = [f"{name}/x.{suffix},{name}" for name in "ab" for suffix in ("jpg", "png", "gif")]
    (folder / "x.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    found["list"] = Kind(folder / "x.csv", _of_list)

    store = tiny_store(folder / "store", Colours({"train": 6}))
    for name in ("manifest.json", "index.npy", "mean.npy", "paths.json", "report.json", "images.bin"):
        found[f"store {name}"] = Kind(store.path / name, _of_store)
    model = tiny_model(store, spec=tiny_spec(len(store.classes)))
    save_model(model, folder / "model")
    for name in ("model.json", "model.safetensors", "input.safetensors"):
        found[f"model {name}"] = Kind(folder / "model" / name, _of_model)
    run = begin(store=tiny_store(folder / "other", Colours({"train": 12, "val": 6})), out=folder / "run")
    found["checkpoint"] = Kind(run.last, lambda path: _plain(load_checkpoint(path)))
    found["run.json"] = Kind(run.path / "run.json", lambda path: Run(path.parent).read("run.json") and None)
    for name in ("log.jsonl", "metrics.csv"):
        found[name] = Kind(run.path / name, lambda path: curves([path.parent]) and None)
    found["recipe.json"] = Kind(run.path / "recipe.json", lambda path: read_recipe(path.read_bytes()) and None)

    predictor = Predictor(folder / "model", placement=place("cpu", "fp32"))
    extracted = partial(write_features, folder / "model", predictor, of_split(store, "all"))
    extracted(folder / "features", Plan(("relu2",)))
    for name in ("features.json", "images.jsonl", "relu2.npy", "relu2.norms.npy"):
        found[f"features {name}"] = Kind(folder / "features" / name, lambda path: _of_features(path) and None)
    with suppress(Stop):
        extracted(folder / "some", Plan(("relu2",)), progress=_stop)
    for name in ("journal.jsonl", "plan.json"):
        found[f"unfinished features {name}"] = Kind(folder / "some.partial" / name, partial(_features_go_on, extracted))
    with suppress(Stop):
        prepare(MORE, folder / "half", preparation=SMALL, progress=_stop_later)
    for name in ("journal.jsonl", "plan.json", "store/images.bin"):
        found[f"unfinished store {name}"] = Kind(folder / "half.partial" / name, _store_goes_on)

    export(model, folder / "x.onnx", "onnx")
    found["onnx of ours"] = Kind(folder / "x.onnx", lambda path: OnnxModel(path) and None)
    spec = small("bvlc_alexnet")
    weights = random_weights(spec)
    (folder / "x.caffemodel").write_bytes(caffemodel(spec, weights))
    found["caffemodel"] = Kind(folder / "x.caffemodel", lambda path: import_caffe(path) and None)
    np.save(
        folder / "x.npy", {n: [w.T if w.ndim == 2 else w.transpose(2, 3, 1, 0), b] for n, (w, b) in weights.items()}
    )
    found["npy"] = Kind(folder / "x.npy", lambda path: import_npy(path, fc_rows="chw") and None)
    owt = AlexNet(small("owt")).state_dict()
    torch.save({theirs: owt[ours] for ours, theirs in NAMES.items()}, folder / "x.pth")
    found["pth"] = Kind(folder / "x.pth", lambda path: import_torchvision(path) and None)
    export(model, folder / "x.safetensors", "safetensors")
    found["safetensors"] = Kind(folder / "x.safetensors", lambda path: import_torchvision(path) and None)
    found["onnx"] = Kind(folder / "x.onnx", lambda path: import_onnx(path) and None)
    (folder / "x.txt").write_text("".join(f"n{number:08d} thing {number}, other\n" for number in range(50)))
    found["classes"] = Kind(folder / "x.txt", lambda path: read_classes(path, 50) and None)
    return found | _forged(folder)


def _forged(folder: Path) -> dict[str, Kind]:
    """Files whose checksums are right, each in a copy of its folder, since others go with it."""
    found = {}
    for of, names, read, forge in (
        ("model", ("model.json", "model.safetensors", "input.safetensors"), _answers, forge_model),
        ("store", ("manifest.json", "index.npy", "mean.npy", "paths.json", "report.json"), _is_store, forge_store),
        ("run", ("run.json", "recipe.json", "log.jsonl"), _run_goes_on, forge_json),
        ("run", ("checkpoints/last.pt", "checkpoints/best.pt"), _run_goes_on, forge_checkpoint),
        ("features", ("features.json", "images.jsonl"), _is_features, forge_json),
    ):
        for name in names:
            copy = folder / "forged" / f"{of} {name.replace('/', ' ')}"
            shutil.copytree(folder / of, copy)
            found[f"forged {of} {name}"] = Kind(copy / name, read, forge)
    return found


def mutations(
    folder: Path, count: int, seed: int, keep: Path | None, end: float, lane: int = 0, lanes: int = 1
) -> dict[str, Found]:
    """What came of so many changed files, shared out to all kinds; those that were not stood are kept.

    Of several lanes, each takes every so manieth batch.
    """
    if not count:
        return {}
    folder.mkdir()
    made = kinds(folder)
    each = -(-count // len(made))
    told = {name: Found() for name in made}
    for number, (first, (name, kind)) in enumerate(product(range(0, each, BATCH), made.items())):
        if (number + first // BATCH) % lanes == lane and time.monotonic() < end:
            found = told[name]
            original, expected = kind.file.read_bytes(), _expected(kind)
            last = min(first + BATCH, each)
            while first < last:  # goes on behind a file that ended the process
                progress = mmap.mmap(-1, 16)
                status, words = fork(partial(_read_all, kind, original, expected, name, seed, first, last, progress))
                reached, refused = (int.from_bytes(progress[at : at + 8], "little") for at in (0, 8))
                found.refused += refused
                found.tried += reached - first + bool(status)
                if status:
                    content = kind.file.read_bytes()  # as that process left it
                    found.troubles.append(f"{name} {reached} ({len(content)} bytes): {_how(status)} {words}")
                    if keep:
                        keep.mkdir(parents=True, exist_ok=True)
                        (keep / f"{re.sub(r'[ /]', '-', name)}-{seed}-{reached}").write_bytes(content)
                first = reached + bool(status)
            kind.file.write_bytes(original)
    return told


def _expected(kind: Kind) -> Any:
    try:
        return kind.read(kind.file)
    except Exception as error:
        if verdict(error)[0] != 10:
            raise
        return None


def _how(status: int) -> str:
    return f"{SECONDS} s were not enough" if status in (-signal.SIGALRM, -signal.SIGPROF) else f"ended with {status}"


def _read_all(
    kind: Kind, original: bytes, expected: Any, name: str, seed: int, first: int, last: int, progress: mmap.mmap
) -> None:
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, signal.SIG_DFL)
    refused = 0
    for number in range(first, last):
        progress[:8] = number.to_bytes(8, "little")
        kind.change(kind.file, original, random.Random(f"{seed} {name} {number}"))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of work, whatever other programs are at
        signal.alarm(12 * SECONDS)
        try:
            got = kind.read(kind.file)
        except Exception as error:
            if verdict(error)[0] != 10:
                raise
            refused += 1
        else:
            if got != expected:
                raise Trouble("something else was read than was written")
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        progress[8:] = refused.to_bytes(8, "little")
    progress[:8] = last.to_bytes(8, "little")
