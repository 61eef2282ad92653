"""Looks at networks that runs on record have trained: nothing is learned, and no setting is chosen by what is seen.

What is seen goes into a record of its own. `alexnet.experiments.looks` says what it means.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alexnet.data.store import Store
from alexnet.errors import DataError, WeightsError
from alexnet.evaluation.evaluate import evaluate
from alexnet.evaluation.features import model_digest
from alexnet.evaluation.metrics import ranks
from alexnet.evaluation.predictor import Predictor
from alexnet.evaluation.search import nearest
from alexnet.experiments.conduct import Places, commit, open_store, recorded, without_places
from alexnet.experiments.design import ALIKE, APART, TOGETHER
from alexnet.experiments.looks import NEAREST
from alexnet.experiments.records import RecordJson, Task, digest, identity, read_record, write_record
from alexnet.model.device import Placement, undisturbed
from alexnet.training.run import environment
from alexnet.training.train import Runtime, placement_for
from alexnet.weights.model_dir import load_model

QUERIES = 2000  # test photographs at most that are asked for their neighbours
HIDDEN = "relu7"  # the last hidden layer as the paper means it
CROPS = 10
PLACES = 5  # decimal places of a share


@dataclass(frozen=True)
class Seen:
    """What a look found, by name: numbers, and texts of a digit of base 36 for each photograph."""

    numbers: Mapping[str, list[float]] = field(default_factory=dict)
    counts: Mapping[str, str] = field(default_factory=dict)


def colours(task: Task, models: Sequence[Path], store: Store, placement: Placement) -> Seen:
    """The share of colour in each kernel of conv1, the last model's: what is left when its grey part is taken away."""
    kernels = load_model(models[-1]).net.get_parameter("conv1.weight").detach().double().numpy()  # (K, 3, H, W)
    return Seen({"colour": [round(share, PLACES) for share in colour_shares(kernels).tolist()]})


def colour_shares(kernels: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shares (K,), 0 to 1, of the squares of kernels (K, C, H, W) that are not of their mean over colours.

    0 for a grey kernel, 1 - 1/C in the mean for noise, 1 for one whose colours add up to 0 and for one of zeros.
    """
    squares = (kernels**2).sum((1, 2, 3))
    grey = kernels.shape[1] * (kernels.mean(1) ** 2).sum((1, 2))
    return np.asarray(1 - np.divide(grey, squares, out=np.zeros_like(grey), where=squares > 0))


def neighbours(task: Task, models: Sequence[Path], store: Store, placement: Placement) -> Seen:
    """How many of the nearest training photographs are of a test photograph's class, by the last model and by pixels.

    Distances are Euclidean: of the last hidden layer (figure 4), and of the pixels of the centre crop that the network
    sees. "chance" is the share of the queries' classes among the training photographs.
    """
    predictor = Predictor(models[-1], placement=placement)
    side = predictor.description.spec.input_size

    def hidden(positions: NDArray[np.int64]) -> NDArray[np.float32]:
        squares = (store.read(position) for position in positions.tolist())
        found = np.concatenate([stages[HIDDEN] for stages in predictor.stages_of(squares, [HIDDEN])])
        return found.reshape(len(found), -1)

    def pixels(positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        return centres(store, positions, side)

    known, asked = store.split("train"), spread(store.split("test"), QUERIES)
    own = store.labels[asked]
    counts = {}
    for name, numbers in (("fc7", hidden), ("pixels", pixels)):
        rows, _ = nearest(numbers(known), numbers(asked), NEAREST)
        counts[name] = digits_36((store.labels[known][rows] == own[:, None]).sum(1))
    shares = np.bincount(store.labels[known], minlength=len(store.classes)) / len(known)
    return Seen({"chance": [round(float(shares[own].mean()), PLACES)]}, counts)


def centres(store: Store, positions: NDArray[np.int64], side: int) -> NDArray[np.uint8]:
    """The pixels (N, side · side · 3) of the middle of photographs."""
    first = (store.preparation.side - side) // 2
    within = slice(first, first + side)
    return np.stack([store.read(position)[within, within].ravel() for position in positions.tolist()])


def spread(positions: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many positions, evenly spread over all."""
    return positions[:: max(1, -(-len(positions) // most))]


def ensembles(task: Task, models: Sequence[Path], store: Store, placement: Placement) -> Seen:
    """How many ensembles are wrong about each test photograph, by ten crops: those of the last model and some before.

    A count of a size is over all sets of so many models that the last is in, so that the counts of all seeds together
    are over all sets of the seeds' models.
    """
    (*others, last), (labels, *_) = zip(*(_answers(path, store, placement) for path in models), strict=True)
    counts = {}
    for size in sorted({1, *(pair.networks for pair in task.experiment.pairs)}):
        sets = list(combinations(others, size - 1))
        wrong = [ranks(torch.stack([*some, last]).mean(0), labels) > 0 for some in sets]
        if wrong:
            counts[str(size)] = digits_36(torch.stack(wrong).sum(0).numpy())
    return Seen({}, counts)


def _answers(model: Path, store: Store, placement: Placement) -> tuple[Tensor, Tensor]:
    """A model's probabilities (N, K) of the test photographs by ten crops, and the true classes (N,)."""
    heard: list[tuple[Tensor, Tensor]] = []

    def hear(paths: Sequence[str], probabilities: Tensor, labels: Tensor) -> None:
        heard.append((probabilities, labels))

    evaluate(model, store, split="test", crops=CROPS, placement=placement, answers=hear)
    return torch.cat([each for each, _ in heard]), torch.cat([each for _, each in heard])


def digits_36(counts: NDArray[np.int64]) -> str:
    """Counts from 0 to 35 as digits. Raises DataError for larger ones."""
    if counts.max(initial=0) > 35:
        raise DataError(f"A count of {counts.max()} has no digit; the largest that a record keeps is 35.")
    return "".join(np.base_repr(count, 36) for count in counts.tolist())


Look = Callable[[Task, Sequence[Path], Store, Placement], Seen]
LOOKS: dict[str, Look] = {APART: colours, ALIKE: neighbours, TOGETHER: ensembles}


@undisturbed()
def look_at(task: Task, places: Places, runtime: Runtime) -> RecordJson:
    """The record of a look at the networks of the runs that `task` needs, which are on record.

    A network that diverged is not looked at, and its record says so. Raises DataError where a network is not where it
    was trained, or is another than the record says.
    """
    store, placement = open_store(places, task), placement_for(runtime)
    if (there := recorded(task, places, store, placement)) is not None:
        return there
    began, processor = time.monotonic(), time.process_time()
    runs = [(need, recorded(need, places, store, placement)) for need in task.needs]
    models = [_network(need, run, places) for need, run in runs if run is not None and run["ended"] == "finished"]
    own = runs[-1][1]
    assert own is not None
    seen = LOOKS[task.experiment.outcome](task, models, store, placement) if own["ended"] == "finished" else Seen()
    named = identity(task, store, placement.dtype_name)
    here = environment(device=str(placement.device), dtype=placement.dtype_name, threads=torch.get_num_threads())
    record: RecordJson = {
        **own,
        "experiment": task.experiment.name,
        "identity": named,
        "fingerprint": digest(named),
        "windows": [],
        "ranks": "",
        "ten_crop_ranks": "",
        "numbers": dict(seen.numbers),
        "counts": dict(seen.counts),
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(time.process_time() - processor, 1),
        "pieces": 1,
        "environment": here | {"command": without_places(here["command"])},
        "commit": commit(),
    }
    write_record(places.record(task), record)
    found = read_record(places.record(task))
    assert found is not None
    return found


def _network(task: Task, run: RecordJson, places: Places) -> Path:
    """Where a run's network lies. Raises DataError unless it is the one of the record."""
    path, record = places.run(task) / "model", places.record(task)
    what = "give the folder in which it was trained with --work, or take the record away, and it is trained again."
    try:
        found = model_digest(path)
    except WeightsError as error:
        raise DataError(f"{record} is on record, but its network is not at {path}; {what}") from error
    if found != run.get("model"):
        raise DataError(f"The network at {path} is another one than {record} is of; {what}")
    return path
