"""Whether runs in bf16 end where runs in fp32 end: validation errors of several seeds of one recipe, by dtype.

    for seed in 0 1 2; do for dtype in fp32 bf16; do
        alexnet train flowers.store --recipe small --set holdout=0.25 --seed $seed --dtype $dtype -o runs/$dtype-$seed
    done; done
    python results/dtypes.py runs/fp32-* runs/bf16-* > results/dtypes/flowers17.json

The exit status is 1 when the two means are further apart than the seeds of either dtype are.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

from alexnet.model.spec import Spec
from alexnet.training.recipe import Recipe


def compare(runs: list[Path]) -> dict[str, Any]:
    """Lowest errors by dtype and seed, their means, the larger spread of seeds, and whether the means lie within it.

    Beside them stand recipe and machine, as the first run has them.

    Raises ValueError for runs that differ in more than dtype and seed, or that lack a dtype.
    """
    errors: dict[str, dict[int, float]] = {"fp32": {}, "bf16": {}}
    settings = set()
    for run in runs:
        told, recipe, summary = (
            json.loads((run / f"{name}.json").read_text()) for name in ("run", "recipe", "summary")
        )
        errors[told["dtype"]][recipe["seed"]] = summary["val_top1_error"]
        # as this version reads them, so that runs from before a setting came compare with runs after it
        alike = replace(Recipe.from_json(recipe), seed=0)
        settings.add((told["fingerprint"], Spec.from_json(told["spec"]), alike))
    if len(settings) != 1 or min(map(len, errors.values())) < 2:
        raise ValueError("give two or more finished runs in each dtype, of one recipe, network and store")
    means = {dtype: mean(found.values()) for dtype, found in errors.items()}
    spread = max(max(found.values()) - min(found.values()) for found in errors.values())
    within = abs(means["bf16"] - means["fp32"]) <= spread
    told, recipe, environment = (
        json.loads((runs[0] / f"{name}.json").read_text()) for name in ("run", "recipe", "environment")
    )
    for varies in ("command", "dtype"):
        environment.pop(varies)
    return {
        "question": "Do runs in bf16 end where runs in fp32 end?",
        "commit": subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "fingerprint": told["fingerprint"],
        "recipe": {name: value for name, value in recipe.items() if name != "seed"},
        "environment": environment,
        "val_top1_error": errors,
        "means": means,
        "spread_of_seeds": spread,
        "within": within,
    }


if __name__ == "__main__":
    found = compare([Path(word) for word in sys.argv[1:]])
    print(json.dumps(found, indent=1))
    sys.exit(not found["within"])
