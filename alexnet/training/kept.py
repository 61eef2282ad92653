"""The model in a run directory: the best so far while the run is under way, in the end the finished one."""

from typing import Any

import torch
from torch import Tensor

from alexnet.model.net import AlexNet
from alexnet.training.loop import Trainer
from alexnet.version import VERSION
from alexnet.weights.model_dir import Model, save_model


def keep(trainer: Trainer, weights: dict[str, Tensor], epoch: int) -> None:
    """Writes the best network so far, of an epoch counted from 1, where the finished model will be."""
    with torch.device("meta"):
        net = AlexNet(trainer.plan.spec)
    net.load_state_dict(weights, assign=True)
    told = provenance(trainer, epoch)
    best = f", the best of {len(trainer.progress.history)} so far" if len(trainer.plan.val) else ""
    told["weights_of"] = f"{_weights_of(trainer, epoch)}, unfinished{best}"
    save(trainer, net, told)


def _weights_of(trainer: Trainer, epoch: int) -> str:
    """How long the weights have learned: to the end of `epoch`, or without validation up to this moment."""
    steps = 0 if len(trainer.plan.val) else trainer.progress.step
    more = f" and {steps} of {trainer.loader.steps} steps more" if steps else ""
    return f"epoch {epoch} of {trainer.recipe.epochs}{more}"


def save(trainer: Trainer, net: AlexNet, told: dict[str, Any]) -> None:
    """Writes the network as the run's model, with what is `told` of it."""
    store = trainer.store
    save_model(Model(net, store.classes, trainer.statistics, told, store.preparation), trainer.run.model)


def provenance(trainer: Trainer, epoch: int) -> dict[str, Any]:
    """What a finished model says of how its weights came to be; `epoch` counts from 1."""
    plan, row = trainer.plan, trainer.progress.history[epoch - 1]
    errors = ("train_error", "val_top1_error", "val_top5_error")
    measured = {name: row[name] for name in errors if row[name] is not None}
    return {
        "trained_with": f"alexnet {VERSION}, recipe {plan.recipe.name}, seed {plan.recipe.seed}",
        "photographs": {"train": len(plan.train), "val": len(plan.val)},
        "data": f"{trainer.store.manifest['source']['name']}, fingerprint {trainer.store.fingerprint[:16]}",
        "weights_of": _weights_of(trainer, epoch)
        + (", the one with the lowest validation error" if len(plan.val) else ", the last")
        + (f"; ended after epoch {len(trainer.progress.history)}" if trainer.ended_early else ""),
        "errors": measured,
    }
