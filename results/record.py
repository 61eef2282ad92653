"""Writes the record of a finished training run: what was asked, done and measured. See README.md in this folder."""

import argparse
import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import alexnet
from alexnet.data.check import check
from alexnet.data.store import Store
from alexnet.evaluation.evaluate import evaluate
from alexnet.evaluation.linear import linear_error
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import Placement
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
    command = environment.pop("command")
    return {
        "question": question,
        # a folder's absolute path says where this machine keeps it, its name says what it is
        "command": " ".join(["alexnet", *(Path(word).name if word.startswith("/") else word for word in command[1:])]),
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
