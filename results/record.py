"""Writes the record of a finished training run: what was asked, done and measured. See README.md in this folder."""

import argparse
import csv
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import alexnet
from alexnet.data.check import check
from alexnet.data.store import Store
from alexnet.evaluation.evaluate import evaluate
from alexnet.evaluation.linear import linear_error
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import Placement
from alexnet.model.net import AlexNet
from alexnet.model.spec import Conv
from alexnet.show.filters import MOVED, smoothness
from alexnet.weights.model_dir import Model

RIGHT, WRONG = 3, 2  # examples of each
POINTS = 50  # of the curve, at most, besides first and last
CURVE = ("train_loss", "train_error", "val_top1_error")


def main() -> None:
    """Prints the record as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--question", required=True)
    arguments = parser.parse_args()
    if not (arguments.run / "summary.json").is_file():
        parser.error(
            f"{arguments.run} has no summary.json, so it is not a finished run; go on with alexnet train --resume"
        )
    print(json.dumps(record(arguments.run, arguments.store, arguments.split, arguments.question), indent=1))


def record(run: Path, store_path: Path, split: str, question: str) -> dict[str, Any]:
    """The record of `run`, its model measured on a split of the store."""
    told = {
        name: json.loads((run / f"{name}.json").read_text()) for name in ("recipe", "environment", "run", "summary")
    }
    store = Store.open(store_path)
    model = alexnet.load_model(run / "model")
    placement = alexnet.place(told["run"]["device"], told["run"]["dtype"])
    tallies = {crops: evaluate([model], store, split=split, crops=crops, placement=placement) for crops in (1, 10)}
    environment = told["environment"]
    return {
        "question": question,
        "command": command(environment.pop("command"), told["run"].get("processes", 1)),
        **shared(run, told["run"], told["recipe"]["seed"]),
        "commit": subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "seed": told["recipe"]["seed"],
        "recipe": told["recipe"],
        "data": {"source": store.manifest["source"], "fingerprint": store.fingerprint, "splits": store.splits},
        "environment": environment,
        "epochs": told["summary"]["epochs"],
        "photographs": model.provenance["photographs"],
        "weights_of_epoch": told["summary"]["weights_of"],
        "training_seconds": round(told["summary"]["seconds"], 1),
        "images_per_second": round(told["summary"]["rate"], 1),
        "peak_memory_bytes": told["summary"]["peak_memory"],
        "curve": curve(run / "metrics.csv"),
        "split": split,
        "centre_crop": _errors(tallies[1]),
        "ten_crop": _errors(tallies[10]),
        "linear_top1_error": linear_error(store, split),
        "lookalikes_across_splits": sum(group.leaks for group in check(store).lookalikes),
        "examples": _examples(model, store, split, placement),
    }


def command(words: list[str], processes: int) -> str:
    """What was typed; of several processes, what starts them on one machine."""
    start = f"torchrun --standalone --nproc-per-node={processes} -m " if processes > 1 else ""
    # a folder's absolute path says where this machine keeps it, its name says what it is
    return f"{start}alexnet " + " ".join(Path(word).name if word.startswith("/") else word for word in words[1:])


def shared(run: Path, told: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Who worked on a run and what that cost on the wire; of two towers, also what became of their first kernels."""
    if told.get("processes", 1) == 1:
        return {}
    with (run / "log.jsonl").open(encoding="utf-8") as file:
        started = next(event for event in map(json.loads, file) if event["event"] == "Started")
    found = {"processes": started["processes"]}
    if told["towers"] == 1:
        return found
    return {**found, "colours": colours(alexnet.load_model(run / "model").net, seed)}


def colours(net: AlexNet, seed: int) -> dict[str, Any]:
    """Whether one tower's first kernels are more coloured than the other's, as in the paper's figure 3.

    The share of a kernel's squares that is left when its grey part is taken away: 0 for a grey one, 2/3 in the mean for
    noise. `p` is the share of random divisions of the kernels into two halves whose mean shares differ by as much.
    "change" is said of what was added to the weights that a run with this seed starts with.
    """
    start = AlexNet(net.spec, generator=torch.Generator().manual_seed(seed))
    first = next(layer.name for layer in net.spec.layers if isinstance(layer, Conv))
    now, then = (each.get_parameter(f"{first}.weight").detach().float().numpy() for each in (net, start))
    found: dict[str, Any] = {"moved": [int(half.sum()) for half in np.split(smoothness(now) > MOVED, 2)]}
    for what, kernels in (("kernels", now), ("change", now - then)):
        squares, grey = (kernels**2).sum((1, 2, 3)), 3 * (kernels.mean(1) ** 2).sum((1, 2))
        shares = 1 - np.divide(grey, squares, out=np.ones_like(grey), where=squares > 0)
        found[what] = {
            "shares": [round(float(half.mean()), 3) for half in np.split(shares, 2)],
            "p": round(by_chance(shares), 4),
        }
    return found


def by_chance(values: NDArray[np.float32], tries: int = 5000) -> float:
    """The share of random divisions into halves that differ in their means by as much as the two halves do."""
    generator = np.random.default_rng(0)

    def difference(order: NDArray[np.float32]) -> float:
        first, second = np.split(order, 2)
        return abs(float(first.mean() - second.mean()))

    found = difference(values)
    return float(np.mean([difference(generator.permutation(values)) >= found for _ in range(tries)]))


def curve(metrics: Path) -> list[dict[str, float]]:
    """Losses and errors of the first epoch, the last, and evenly spaced ones between, without those never measured."""
    with metrics.open(newline="") as file:
        rows = list(csv.DictReader(file))
    every = -(-len(rows) // POINTS)
    chosen = [row for number, row in enumerate(rows, 1) if number in (1, len(rows)) or number % every == 0]
    return [
        {"epoch": int(row["epoch"]), **{name: round(float(row[name]), 4) for name in CURVE if row[name]}}
        for row in chosen
    ]


def _errors(tally: Any) -> dict[str, Any]:
    plain = tally.to_json()
    return {name: plain[name] for name in ("images", "top1_error", "top5_error", "loss")}


def _examples(model: Model, store: Store, split: str, placement: Placement) -> list[dict[str, Any]]:
    """The first photographs with a right first answer and with a wrong one, with their first three answers.

    The split is walked through in strides, so that its classes come in turn; which ones are first depends on their
    places and on right or wrong, and on nothing else.
    """
    rows = store.split(split)
    stride = len(rows) // len(store.classes) + 1
    order = [row for start in range(stride) for row in rows[start::stride].tolist()]
    images = ((store.paths[row], store.read(row)) for row in order)
    wanted = {True: RIGHT, False: WRONG}
    chosen = []
    for row, answer in zip(order, Predictor(model, placement=placement).stream(images, top=3), strict=True):
        true = store.classes[store.labels[row]].name
        right = answer.answers[0].name == true
        if wanted[right]:
            wanted[right] -= 1
            answers = [[each.name, round(each.probability, 4)] for each in answer.answers]
            chosen.append({"photograph": answer.image, "true": true, "answers": answers})
    return chosen


if __name__ == "__main__":
    main()
