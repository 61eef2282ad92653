"""Features of any number of photographs into a folder: bounded memory, and a killed extraction goes on where it was.

Photographs go through in batches that depend on nothing but their order, so the same command gives the same bytes,
however often it was killed. Everything is written into FOLDER.partial, which becomes FOLDER when all is there.
"""

import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import dataclass
from io import BufferedRandom, BufferedWriter, FileIO
from math import prod
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.data.source import Prepared
from alexnet.errors import AlexNetError, ConfigError, DataError, ImageError, unknown
from alexnet.evaluation.copies import check_copies, copies_size, write_copies
from alexnet.evaluation.features import (
    DESCRIPTION,
    FORMAT,
    HEADER,
    IMAGES,
    REFUSED,
    Features,
    model_digest,
    norms_file,
    npy_header,
    stage_file,
)
from alexnet.evaluation.journal import last, sealed
from alexnet.evaluation.photographs import Photographs
from alexnet.evaluation.predictor import READERS, VIEWS_PER_STAGES, Predictor
from alexnet.hardware import size
from alexnet.locking import held
from alexnet.model.account import account
from alexnet.model.spec import Activation, Linear, Spec
from alexnet.threads import Threads
from alexnet.version import VERSION
from alexnet.weights.files import write_text

STORED = {"fp32": "<f4", "fp16": "<f2"}
POOLS = ("none", "mean")
JOURNAL, PLAN = "journal.jsonl", "plan.json"


@dataclass(frozen=True)
class Plan:
    """What is to be extracted: stages, `crops` (10: the mean over ten views), numbers stored, pooling of positions."""

    stages: tuple[str, ...] = ("relu7",)
    crops: int = 1
    stored: str = "fp32"
    pool: str = "none"

    def shapes(self, spec: Spec) -> dict[str, tuple[int, ...]]:
        """The shape of a row of each stage. Raises ConfigError for what is unknown."""
        if self.stored not in STORED:
            raise unknown("number to store", self.stored, STORED)
        if self.pool not in POOLS:
            raise unknown("pooling", self.pool, POOLS)
        if len(set(self.stages)) < len(self.stages) or not self.stages:
            raise ConfigError("Give at least one stage, and each of them once.")
        found = {}
        for stage in self.stages:
            spec.layer(stage)
            shape = next(row.output for row in account(spec).rows if row.name == stage)
            found[stage] = shape[:1] if self.pool == "mean" else shape
        return found

    def size(self, spec: Spec, images: int) -> dict[str, int]:
        """The bytes of each stage's array, and those of the lengths of rows and names as "others", roughly."""
        number = np.dtype(STORED[self.stored]).itemsize
        arrays = {stage: images * prod(shape) * number for stage, shape in self.shapes(spec).items()}
        return {**arrays, "others": images * (8 * len(arrays) + 250)}

    def copies_size(self, spec: Spec, images: int, kinds: Collection[str]) -> int:
        """The bytes, roughly, of copies of those kinds."""
        numbers = images * sum(map(prod, self.shapes(spec).values()))
        return copies_size(kinds, numbers, np.dtype(STORED[self.stored]).itemsize)


def before_relu(spec: Spec, stage: str) -> bool:
    """Whether a stage is a fully connected layer's sum, before the activation that Caffe's blob of that name has."""
    follows = dict(zip((layer.name for layer in spec.layers), spec.layers[1:], strict=False))
    return isinstance(spec.layer(stage), Linear) and isinstance(follows.get(stage), Activation)


def seconds_a_photograph(predictor: Predictor, plan: Plan) -> float:
    """How long the network takes for one, from one batch; reading comes on top where it is slower."""
    side = predictor.description.preparation.side
    batch = [np.full((side, side, 3), 128, np.uint8)] * _batch_size(plan)
    for _ in range(2):  # the first one also allocates
        began = perf_counter()
        list(predictor.stages_of(batch, plan.stages, plan.crops))
    return (perf_counter() - began) / len(batch)


def write_features(
    model: Path,
    predictor: Predictor,
    photographs: Photographs,
    out: Path,
    plan: Plan = Plan(),
    *,
    strict: bool = False,
    also: Collection[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Features:
    """Extracts the features of all photographs into the folder `out`; goes on with an unfinished `out`.partial.

    `predictor` is of the model directory `model`. A photograph that cannot be used is listed and has no row, with
    `strict` it is an error. `also` names copies in other formats ("h5", "csv"). Raises DataError when
    `out` is taken, or its unfinished work is of something else; ConfigError when a copy's package is missing; BusyError
    when another process writes there; AlexNetError when the disk is too small, or fails.
    """
    lock = out.with_name(f".{out.name}.lock")
    if out.exists():
        lock.unlink(missing_ok=True)  # of a process that was killed when all was done
        raise DataError(f"{out} exists already; give another folder, or delete it.")
    check_copies(also)
    spec = predictor.description.spec
    shapes = plan.shapes(spec)
    described = _described(model, predictor, photographs, plan, shapes)
    partial = out.with_name(f"{out.name}.partial")
    count = len(photographs.names)
    _check_space(partial, sum(plan.size(spec, count).values()) + plan.copies_size(spec, count, also))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with held(lock, f"writing {out}"):
            writer = _Writer(partial, shapes, np.dtype(STORED[plan.stored]), count, described)
            with closing(writer):
                for done, chunk in _batches(photographs, plan, writer.done):
                    _append(writer, predictor, plan, photographs, chunk, strict)
                    writer.commit(done)
                    if progress:
                        progress(done, count)
            writer.describe(described)
            write_copies(Features.open(partial), also)
            writer.finish()
            os.replace(partial, out)
    except OSError as error:  # those of open files name none
        if isinstance(error.filename, str):
            at = Path(error.filename)
            if at in (lock, partial, *out.parents) or partial in at.parents:
                raise AlexNetError(f"Cannot write to {out}: {error.strerror}; give another --out.") from error
            raise
        raise AlexNetError(
            f"{partial} cannot be written or read back ({error.strerror or error}); when that is mended, the same "
            "command goes on."
        ) from error
    return Features.open(out)


def _described(
    model: Path, predictor: Predictor, photographs: Photographs, plan: Plan, shapes: dict[str, tuple[int, ...]]
) -> dict[str, Any]:
    known = predictor.description
    stages = {
        stage: {"shape": list(shape), "dtype": STORED[plan.stored], "before_relu": before_relu(known.spec, stage)}
        for stage, shape in shapes.items()
    }
    return {
        "format": FORMAT,
        "model": {"path": str(model.absolute()), "digest": model_digest(model), "network": known.spec.name},
        "stages": stages,
        "crops": plan.crops,
        "pool": plan.pool,
        "dtype": predictor.placement.dtype_name,
        "preparation": known.preparation.to_json(),
        "preparation_in_words": known.preparation.in_words,
        "data": {**photographs.origin, "identity": photographs.identity},
        "alexnet": VERSION,
    }


Read = tuple[int, Prepared | str, str]  # number, the photograph or why not, SHA-256


def _batch_size(plan: Plan) -> int:
    return max(1, VIEWS_PER_STAGES // plan.crops)


def _batches(photographs: Photographs, plan: Plan, start: int) -> Iterator[tuple[int, list[Read]]]:
    """Batches from photograph `start` on, read ahead, each with the number of photographs done after it."""
    size, count = _batch_size(plan), len(photographs.names)

    def read(number: int) -> Read:
        try:
            return number, *photographs.read(number)
        except ImageError as error:
            return number, str(error), ""

    with Threads(READERS, thread_name_prefix="reader") as readers:
        ahead: list[list[Future[Read]]] = []
        try:
            for first in range(start, count, size):
                ahead.append([readers.submit(read, number) for number in range(first, min(first + size, count))])
                if len(ahead) == 2:
                    yield _collected(ahead.pop(0))
            while ahead:
                yield _collected(ahead.pop(0))
        finally:
            readers.shutdown(cancel_futures=True)


def _collected(futures: list[Future[Read]]) -> tuple[int, list[Read]]:
    chunk = [future.result() for future in futures]
    return chunk[-1][0] + 1, chunk


def _append(
    writer: "_Writer", predictor: Predictor, plan: Plan, photographs: Photographs, chunk: list[Read], strict: bool
) -> None:
    usable = [(number, found, digest) for number, found, digest in chunk if isinstance(found, Prepared)]
    for number, found, _ in chunk:
        if isinstance(found, str):
            if strict:
                raise ImageError(f"{photographs.names[number]}: {found}")
            writer.refuse({"image": photographs.names[number], "reason": found})
    for number, found, digest in usable:
        facts = {"image": photographs.names[number], "sha256": digest, "label": photographs.labels[number]}
        writer.name({**facts, "treatments": list(found.treatments)})
    squares = [found.pixels for _, found, _ in usable]
    for batch in predictor.stages_of(squares, plan.stages, plan.crops):
        for stage, values in batch.items():
            writer.rows(stage, reduced(values, plan))


def reduced(values: NDArray[np.float32], plan: Plan) -> NDArray[np.float32]:
    """Rows of one view or the mean of ten, and of positions where they are pooled."""
    values = values if plan.crops == 1 else values.mean(1)
    return values.mean((2, 3)) if plan.pool == "mean" and values.ndim == 4 else values


class _Writer:
    """The files of an unfinished folder, open at the end of the last whole batch."""

    def __init__(
        self,
        path: Path,
        shapes: dict[str, tuple[int, ...]],
        dtype: np.dtype[Any],
        count: int,
        plan: dict[str, Any],
    ) -> None:
        self.path, self._shapes, self._dtype = path, shapes, dtype
        told = json.dumps({**plan, "of": count}, indent=1, sort_keys=True).encode()
        if not (path / PLAN).is_file():
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
            begun = path / f"{PLAN}.tmp"
            begun.write_bytes(told)
            os.replace(begun, path / PLAN)  # whole or not there, whenever a kill comes
        elif (path / PLAN).read_bytes() != told:
            raise DataError(
                f"{path} is the unfinished work of another model, other photographs or other options; finish that with "
                "its own command, or delete the folder."
            )
        state = last(path / JOURNAL, {"done": 0, "rows": 0, "bytes": {}})
        self.done, self._rows = state["done"], state["rows"]
        ends = {name: state["bytes"].get(name, 0) for name in (IMAGES, REFUSED)}
        for stage, shape in shapes.items():
            ends[stage_file(stage)] = HEADER + self._rows * prod(shape) * dtype.itemsize
            ends[norms_file(stage)] = HEADER + self._rows * 8
        with ExitStack() as files:
            self._files = {name: files.enter_context(_opened(path / name, end)) for name, end in ends.items()}
            self._journal = files.enter_context(BufferedWriter(FileIO(path / JOURNAL, "a")))
            self._open_files = files.pop_all()

    def refuse(self, facts: dict[str, Any]) -> None:
        self._line(REFUSED, facts)

    def name(self, facts: dict[str, Any]) -> None:
        self._line(IMAGES, {"row": self._rows, **facts})
        self._rows += 1

    def _line(self, name: str, facts: dict[str, Any]) -> None:
        self._files[name].write((json.dumps(facts) + "\n").encode())

    def rows(self, stage: str, values: NDArray[np.float32]) -> None:
        with np.errstate(over="ignore"):
            stored = np.ascontiguousarray(values, self._dtype)
        if not np.isfinite(stored).all():
            raise DataError(f"{stage} has numbers that {self._dtype.name} cannot hold; take --store fp32.")
        self._files[stage_file(stage)].write(stored.data)
        lengths = np.sqrt((stored.reshape(len(stored), -1).astype(np.float64) ** 2).sum(1))
        self._files[norms_file(stage)].write(lengths.data)

    def commit(self, done: int) -> None:
        """All up to photograph `done` is written, and stays so if the process dies."""
        for file in self._files.values():
            file.flush()
        self.done = done
        sizes = {name: self._files[name].tell() for name in (IMAGES, REFUSED)}
        self._journal.write(sealed({"done": done, "rows": self._rows, "bytes": sizes}))
        self._journal.flush()

    def close(self) -> None:
        self._open_files.close()

    def describe(self, description: dict[str, Any]) -> None:
        """Headers with the number of rows that there are, and the description."""
        for stage, shape in self._shapes.items():
            for name, header in (
                (stage_file(stage), npy_header((self._rows, *shape), self._dtype)),
                (norms_file(stage), npy_header((self._rows,), np.dtype("<f8"))),
            ):
                with open(self.path / name, "r+b") as file:
                    file.write(header)
                    file.flush()
                    os.fsync(file.fileno())
        text = json.dumps({**description, "images": self._rows, "complete": True}, indent=1, ensure_ascii=False)
        write_text(self.path / DESCRIPTION, text + "\n")

    def finish(self) -> None:
        """The journal goes; all else is there."""
        (self.path / JOURNAL).unlink()
        (self.path / PLAN).unlink()


def _opened(place: Path, end: int) -> BufferedRandom:
    """The file, made if need be, ready to go on at byte `end`."""
    file = BufferedRandom(FileIO(place, "r+" if place.exists() else "w+"))
    try:
        file.truncate(end)  # what a killed process wrote of a batch, or room for the header
        file.seek(end)
    except BaseException:
        file.close()
        raise
    return file


def _check_space(partial: Path, needed: int) -> None:
    existing = next(place for place in (partial.absolute(), *partial.absolute().parents) if place.exists())
    present = sum(file.stat().st_size for file in partial.iterdir()) if partial.is_dir() else 0
    if (free := shutil.disk_usage(existing).free) < needed - present:
        raise AlexNetError(
            f"The features take {size(needed - present)} more, and {existing} has {size(free)} free, "
            f"{size(needed - present - free)} too little; give another folder, fewer stages, "
            "--pool mean or --store fp16."
        )
