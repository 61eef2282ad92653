"""The routes of fully connected layers in a run: measured once on a machine, alike in all its runs, kept on resume."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from alexnet.data.parts import Parts
from alexnet.evaluation.routes import machine, measured
from alexnet.home import home
from alexnet.kernels.routes import products
from alexnet.model.device import Placement
from alexnet.model.modules import full_connections
from alexnet.training.plan import TrainingPlan


@dataclass(frozen=True)
class RunRoutes:
    """The route of every product that was measured, by name; where that was; and what the user should know of it."""

    routes: dict[str, str]
    machine: str
    remark: str = ""

    def to_json(self) -> dict[str, Any]:
        """What run.json says of them."""
        return {"routes": self.routes, "machine": self.machine}

    def describe(self) -> str:
        """A few words for a log."""
        others = sorted(name for name, route in self.routes.items() if route != "torch")
        return f"; {len(others)} of {len(self.routes)} products of full layers not by PyTorch's own" if others else ""


def new_routes(net: nn.Module, plan: TrainingPlan, placement: Placement, folder: Path | None = None) -> RunRoutes:
    """The routes for training `net`: those that runs on this machine have had before, others measured now.

    They are kept in `folder`, ALEXNET_HOME unless given, so that the next run computes the same bits. Only large
    products on a CPU are measured; the others have no route but PyTorch's.
    """
    if placement.device.type != "cpu":
        return RunRoutes({}, machine())
    whole = min(plan.recipe.batch_size, len(plan.train))
    count = plan.recipe.accumulate
    rows = sorted(set(Parts(count, range(count)).sizes(whole)))
    wanted = products(full_connections(net).values(), rows, placement.dtype)
    routes, remark = measured(wanted, folder or home())
    return RunRoutes(routes, machine(), remark)


def resumed_routes(
    told: dict[str, Any], net: nn.Module, plan: TrainingPlan, placement: Placement, folder: Path | None = None
) -> RunRoutes:
    """The routes that a run.json has, whatever would be measured now; measured anew on another machine, which is said.

    A run from before there were routes goes on without.
    """
    if "routes" not in told:
        return RunRoutes({}, machine())
    if told["machine"] == machine():
        return RunRoutes(told["routes"], told["machine"])
    found = new_routes(net, plan, placement, folder)
    changed = [name for name, route in found.routes.items() if told["routes"].get(name, "torch") != route]
    remark = (
        f"This run began on another machine ({told['machine']}) and goes on here ({found.machine}): it does not end "
    )
    remark += "with the bits that it would have had there"
    if changed:
        remark += "; other libraries are the fastest here for " + ", ".join(changed)
    return RunRoutes(found.routes, found.machine, f"{remark}. {found.remark}".strip())
