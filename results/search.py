"""What was tried before a recipe was chosen: runs on one store that differ in their settings, and how each validated.

    python results/search.py --question "…" runs/* > results/search/NAME.json

Runs need not be finished: epochs say how far each went. Only validation photographs take part.
"""

import argparse
import csv
import json
import subprocess
from pathlib import Path
from typing import Any

from alexnet.training.recipe import Recipe
from alexnet.training.recipes import recipe

MEASURED = ("train_loss", "train_error", "val_top1_error", "val_top5_error")


def main() -> None:
    """Prints the record as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--question", required=True)
    parser.add_argument("--note", default="", help="what a reader should know besides")
    arguments = parser.parse_args()
    print(json.dumps(record(arguments.runs, arguments.question, arguments.note), indent=1))


def record(runs: list[Path], question: str, note: str = "") -> dict[str, Any]:
    """The network of each run, its settings that are not its recipe's, and its last and best epochs.

    Raises ValueError for runs on different stores.
    """
    stores = {json.loads((run / "run.json").read_text())["fingerprint"] for run in runs}
    if len(stores) != 1:
        raise ValueError("the runs are on different stores, so their errors do not compare")
    environment = json.loads((runs[0] / "environment.json").read_text())
    del environment["command"]
    git = ["git", "rev-parse", "HEAD"]
    return {
        "question": question,
        "note": note,
        "commit": subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip(),
        "fingerprint": stores.pop(),
        "environment": environment,
        "runs": [_row(run) for run in runs],
    }


def _row(run: Path) -> dict[str, Any]:
    settings = Recipe.from_json(json.loads((run / "recipe.json").read_text())).to_json()
    usual = recipe(settings["name"]).to_json()
    with (run / "metrics.csv").open(newline="") as file:
        epochs = [{name: float(row[name]) for name in MEASURED} for row in csv.DictReader(file)]
    return {
        "recipe": settings["name"],
        "settings": {name: value for name, value in settings.items() if name == "model" or value != usual[name]},
        "epochs": [len(epochs), settings["epochs"]],
        "last": epochs[-1],
        "lowest_val_top1_error": min(epoch["val_top1_error"] for epoch in epochs),
    }


if __name__ == "__main__":
    main()
