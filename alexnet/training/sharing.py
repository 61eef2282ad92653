"""A run before it is shared out: what several processes cannot do, and that all of them mean the same run."""

import hashlib
from dataclasses import replace

import torch
from torch import nn

from alexnet.data.parts import shared_parts
from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.model.crossings import TOWERS
from alexnet.model.device import Placement, place
from alexnet.model.net import AlexNet
from alexnet.model.spec import BatchNorm
from alexnet.model.towers import Devices, Towers
from alexnet.training.link import Processes
from alexnet.training.plan import TrainingPlan
from alexnet.training.team import Team


def shared_plan(plan: TrainingPlan, team: Team) -> TrainingPlan:
    """The plan with as many parts a batch as the team can share out; batch size and rates are never changed.

    Raises ConfigError for more processes than photographs in a batch, and for batch normalisation.
    """
    sharers, recipe = team.replicas.size, plan.recipe
    if sharers == 1:
        return plan
    named = [layer.name for layer in plan.spec.layers if isinstance(layer, BatchNorm)]
    if named:
        raise ConfigError(
            f"Batch normalisation ({named[0]}) needs the whole batch in one process; train it without torchrun."
        )
    parts = shared_parts(recipe.accumulate, sharers)
    if parts > recipe.batch_size:
        raise ConfigError(
            f"A batch of {recipe.batch_size} photographs does not make {parts} parts for {sharers} processes; start "
            "fewer, or set a larger batch_size."
        )
    return replace(plan, recipe=replace(recipe, accumulate=parts))


def in_towers(net: AlexNet, device: str, team: Team) -> AlexNet:
    """`net`, or its towers: the one that this process of a pair holds, or both on the two devices named.

    `device` is one, or two with a comma between them. Raises ConfigError for other numbers, for both ways at once, and
    for a network that is not in two groups.
    """
    names = device.split(",")
    if len(names) == 1:
        return Towers(net, Processes(team.pair)) if team.pair else net
    if len(names) != TOWERS or team.size > 1:
        raise ConfigError(
            f"--device {device} puts two towers into one process: name two devices, and start it without torchrun; "
            "under torchrun, each process takes one device, and --towers 2 makes two of them hold a network."
        )
    return Towers(net, Devices([place(name).device for name in names]))


def check_same(
    plan: TrainingPlan, store: Store, placement: Placement, team: Team, net: nn.Module | None = None
) -> None:
    """Raises ConfigError, with both values, where the processes do not mean the same run or other weights."""
    if team.size == 1:
        return
    facts = {
        "store (fingerprint)": store.fingerprint[:12],
        "network": plan.spec.name,
        "dtype": placement.dtype_name,
    }
    facts |= {f"setting {name}": str(value) for name, value in plan.recipe.to_json().items()}
    if net is not None:
        facts["weights (SHA-256)"] = _digest(net)
    team.agree(facts)


def _digest(net: nn.Module) -> str:
    digest = hashlib.sha256()
    for tensor in net.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:12]
