"""The routes of fully connected layers in a run: measured once on a machine, alike in all its runs, kept on resume."""

from collections.abc import Iterable
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any

import torch
from torch import nn

from alexnet.data.parts import Parts
from alexnet.hardware import processor
from alexnet.home import home
from alexnet.kernels.linear import is_route
from alexnet.kernels.routes import Product, choose, products
from alexnet.model.device import Placement
from alexnet.model.modules import full_connections
from alexnet.reading import UnfitFileError, read_file
from alexnet.schema import SchemaError, decode
from alexnet.training.plan import TrainingPlan
from alexnet.weights.files import write_text

FILE = "routes.json"  # in ALEXNET_HOME: the routes that were measured, by machine
MAX_FILE = 1_000_000  # bytes


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


def machine() -> str:
    """What the time of a product depends on besides its sizes: the processor, PyTorch, the number of threads."""
    return f"{processor()}, PyTorch {torch.__version__}, {torch.get_num_threads()} threads"


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
    return _measured(products(full_connections(net).values(), rows, placement.dtype), folder or home())


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


def _measured(wanted: Iterable[Product], folder: Path) -> RunRoutes:
    here, path = machine(), folder / FILE
    kept = _kept(path)
    known = {name: route for name, route in kept.get(here, {}).items() if is_route(name, route)}
    names = {product.name: product for product in wanted}
    new = choose(product for name, product in names.items() if name not in known)
    remark = ""
    if new:
        known |= new
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(path, dumps({**kept, here: known}, indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            remark = (
                f"{path} cannot be written ({error.strerror}), so the next run measures anew which library is the "
                "fastest for the fully connected layers, and may find another; set ALEXNET_HOME to a folder of yours."
            )
    return RunRoutes({name: known[name] for name in names if name in known}, here, remark)


def _kept(path: Path) -> dict[str, dict[str, str]]:
    """The routes by machine; none where the file is not there or not whole: it is written anew."""
    try:
        kept: dict[str, dict[str, str]] = decode(read_file(path, MAX_FILE), dict[str, dict[str, str]])
    except (OSError, SchemaError, UnfitFileError):
        return {}
    return kept
