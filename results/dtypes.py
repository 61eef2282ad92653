"""Whether runs in bf16 end where runs in fp32 end: validation errors of several seeds of one recipe, by dtype.

    for seed in 0 1 2; do for dtype in fp32 bf16; do
        alexnet train flowers17 --recipe small --seed $seed --dtype $dtype -o runs/$dtype-$seed
    done; done
    python results/dtypes.py runs/fp32-* runs/bf16-*

The exit status is 1 when the two means are further apart than the seeds of either dtype are.
"""

import json
import sys
from pathlib import Path
from statistics import mean
from typing import Any


def compare(runs: list[Path]) -> dict[str, Any]:
    """Errors by dtype and seed, their means, the larger spread, and whether the means lie within it.

    Raises ValueError for runs that differ in more than dtype and seed, or that lack a dtype.
    """
    errors: dict[str, dict[int, float]] = {"fp32": {}, "bf16": {}}
    settings = set()
    for run in runs:
        told, recipe, summary = (
            json.loads((run / f"{name}.json").read_text()) for name in ("run", "recipe", "summary")
        )
        errors[told["dtype"]][recipe["seed"]] = summary["val_top1_error"]
        settings.add(json.dumps([told["fingerprint"], told["spec"], {**recipe, "seed": None}]))
    if len(settings) != 1 or min(map(len, errors.values())) < 2:
        raise ValueError("give two or more finished runs in each dtype, of one recipe, network and store")
    means = {dtype: mean(found.values()) for dtype, found in errors.items()}
    spread = max(max(found.values()) - min(found.values()) for found in errors.values())
    within = abs(means["bf16"] - means["fp32"]) <= spread
    return {"val_top1_error": errors, "means": means, "spread_of_seeds": spread, "within": within}


if __name__ == "__main__":
    found = compare([Path(word) for word in sys.argv[1:]])
    print(json.dumps(found, indent=1))
    sys.exit(not found["within"])
