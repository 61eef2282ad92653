"""`alexnet features` in turns with `alexnet evaluate`, on one store: what naming and writing add to the network."""

import shutil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from alexnet.evaluation.evaluate import evaluate
from alexnet.evaluation.extraction import Plan, write_features
from alexnet.evaluation.photographs import of_split
from alexnet.evaluation.predictor import Predictor
from alexnet.experiments.bench.photographs import store_of
from alexnet.experiments.bench.predicting import untrained_model
from alexnet.experiments.bench.timing import Measurement, Rounds, in_turns
from alexnet.model.device import Placement
from alexnet.model.spec import Activation, Spec
from alexnet.weights.model_dir import save_model

PHOTOGRAPHS = 512


def last_hidden(spec: Spec) -> str:
    """The stage that search compares: the last activation, relu7 of the paper's network."""
    return next(layer.name for layer in reversed(spec.layers) if isinstance(layer, Activation))


def bench_features(spec: Spec, placement: Placement, rounds: Rounds, **_: Any) -> list[Measurement]:
    """Photographs of a store: measured by one centre crop, and the last hidden layer of them written to the disk."""
    model = untrained_model(spec)
    plan = Plan((last_hidden(spec),))
    with TemporaryDirectory(prefix="alexnet-bench-") as folder, store_of(None, PHOTOGRAPHS) as store:
        path, out = Path(folder) / "model", Path(folder) / "features"
        save_model(model, path)
        predictor = Predictor(model, placement=placement)
        photographs = of_split(store, "train")

        def measured() -> float:
            return evaluate(model, store, split="train", placement=placement).images

        def extracted() -> float:
            written = len(write_features(path, predictor, photographs, out, plan))
            shutil.rmtree(out)
            return written

        rates = in_turns({"evaluate": measured, "features": extracted}, rounds)
    share = median(one / other for one, other in zip(rates["features"], rates["evaluate"], strict=True))
    dtype = placement.dtype_name
    return [
        Measurement("evaluate, one crop", "images/s", rates["evaluate"], dtype=dtype),
        Measurement(
            f"features of {plan.stages[0]}", "images/s", rates["features"], dtype=dtype, facts={"of_evaluate": share}
        ),
    ]
