"""Who takes part, and which of them are compared: tables. Standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

OURS, THEIRS = "project", "bench"  # the environments: .venv and bench/.venv


@dataclass(frozen=True)
class Entrant:
    """A contender: its line in the table, the script and settings that make it, the environment that it runs in."""

    title: str
    script: str
    settings: Mapping[str, Any]
    environment: str = THEIRS
    unit: str = "images/s"

    @property
    def dtype(self) -> str:
        """The type of its numbers."""
        return str(self.settings.get("dtype", "fp32"))


@dataclass(frozen=True)
class Section:
    """Contenders that take turns in one run, by the names that `RATIOS` know them by.

    With `by_dtype` those in fp32 take their turns first, then those in bf16, where all at once need too much memory.
    """

    title: str
    entrants: Mapping[str, Entrant]
    by_dtype: bool = False

    def turns(self) -> list[dict[str, Entrant]]:
        """The contenders whose processes are there together."""
        if not self.by_dtype:
            return [dict(self.entrants)]
        dtypes = dict.fromkeys(each.dtype for each in self.entrants.values())
        return [{name: each for name, each in self.entrants.items() if each.dtype == dtype} for dtype in dtypes]


@dataclass(frozen=True)
class Ratio:
    """`ours` over the fastest of `others`, in one section."""

    title: str
    section: str
    ours: str
    others: tuple[str, ...]


def _both(name: str, title: str, script: str, where: str = THEIRS, **settings: Any) -> dict[str, Entrant]:
    """A contender in fp32 and in bf16."""
    return {
        f"{name} {dtype}": Entrant(f"{title}, {dtype}", script, {**settings, "dtype": dtype}, where)
        for dtype in ("fp32", "bf16")
    }


def _pytorch(task: str, network: str, *, tuned: bool) -> dict[str, Entrant]:
    title = {"2012": "PyTorch, this network with nn.LocalResponseNorm", "torchvision": "torchvision's alexnet"}[network]
    if tuned:
        title += ", channels-last, fused SGD" if task == "step" else ", channels-last"
    name = {"2012": "stock", "torchvision": "torchvision"}[network] + (" tuned" if tuned else "")
    return _both(name, title, "pytorch.py", task=task, network=network, tuned=tuned)


def _ceiling(dtype: str) -> dict[str, Entrant]:
    titles = {"ceiling": "the fastest of some square matrix products", "loop": "multiply-adds in registers"}
    tasks = {"ceiling": "product", "loop": "loop"}
    return {
        f"{name} {dtype}": Entrant(
            f"{title}, {dtype}", "ours.py", {"task": tasks[name], "dtype": dtype}, OURS, "FLOP/s"
        )
        for name, title in titles.items()
    }


def _load(encoding: str) -> dict[str, Entrant]:
    title = f"this project, {encoding} store"
    return {f"ours {encoding}": Entrant(title, "ours.py", {"task": "load", "encoding": encoding}, OURS)}


def _search(queries: int) -> dict[str, Entrant]:
    titles = {"ours": "this project", "faiss": "faiss.knn", "usearch": "usearch, exact"}
    many = "one query" if queries == 1 else f"{queries} queries together"
    return {
        f"{engine} {queries}": Entrant(
            f"{title}, {many}",
            "searching.py",
            {"engine": engine, "batch_size": queries},
            OURS if engine == "ours" else THEIRS,
            "queries/s",
        )
        for engine, title in titles.items()
    }


SECTIONS: Final[dict[str, Section]] = {
    "step": Section(
        "Training step: forward, loss, backward and update on a batch of noise",
        {
            **_both("ours", "this project", "ours.py", OURS, task="step"),
            **_pytorch("step", "2012", tuned=True),
            **_pytorch("step", "torchvision", tuned=False),
            **_pytorch("step", "torchvision", tuned=True),
            **_both("keras", "Keras, tf.nn.lrn, ungrouped, XLA if faster", "tensorflow_keras.py", task="step"),
            **_ceiling("fp32"),
            **_ceiling("bf16"),
        },
        by_dtype=True,
    ),
    "forward": Section(
        "Inference on a batch of noise",
        {
            **_both("ours", "this project", "ours.py", OURS, task="forward"),
            **_pytorch("forward", "2012", tuned=True),
            **_pytorch("forward", "torchvision", tuned=True),
            "onnxruntime fp32": Entrant(
                "ONNX Runtime, this network exported, fp32",
                "runtimes.py",
                {"task": "forward", "runtime": "onnxruntime", "dtype": "fp32"},
            ),
            **_both("openvino", "OpenVINO, this network exported", "runtimes.py", task="forward", runtime="openvino"),
        },
    ),
    "load": Section(
        "Loading training batches, augmented; nothing else runs",
        {
            **_load("raw"),
            **_load("jpeg"),
            "imagefolder": Entrant("torchvision's ImageFolder, usual transforms", "imagefolder.py", {"task": "load"}),
        },
    ),
    "search": Section(
        "Exact search: the ten nearest of 100,000 rows of 4,096 numbers in a mapped file", {**_search(1), **_search(64)}
    ),
}

_OTHERS = tuple(name for name in SECTIONS["forward"].entrants if not name.startswith("ours"))

RATIOS: Final = (
    Ratio("training step, bf16, against stock PyTorch", "step", "ours bf16", ("stock tuned bf16",)),
    Ratio("training step, bf16, against Keras", "step", "ours bf16", ("keras bf16",)),
    Ratio("training step, bf16, against tuned torchvision", "step", "ours bf16", ("torchvision tuned bf16",)),
    Ratio("training step, fp32, against stock PyTorch", "step", "ours fp32", ("stock tuned fp32",)),
    Ratio("training step, fp32, against Keras", "step", "ours fp32", ("keras fp32",)),
    Ratio("training step, fp32, against tuned torchvision", "step", "ours fp32", ("torchvision tuned fp32",)),
    Ratio("inference, bf16, against the fastest other", "forward", "ours bf16", _OTHERS),
    Ratio(
        "inference, fp32, against the fastest other",
        "forward",
        "ours fp32",
        tuple(name for name in _OTHERS if name.endswith("fp32")),
    ),
    Ratio("loader, raw store, against ImageFolder", "load", "ours raw", ("imagefolder",)),
    Ratio("loader, jpeg store, against ImageFolder", "load", "ours jpeg", ("imagefolder",)),
    *(
        Ratio(f"exact search, {words}, against {other}", "search", f"ours {queries}", (f"{other} {queries}",))
        for queries, words in ((1, "one query"), (64, "64 queries"))
        for other in ("faiss", "usearch")
    ),
)
