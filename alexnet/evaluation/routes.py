"""The routes of fully connected layers on this machine: measured once, alike ever after. N rows at a time."""

import time
from collections.abc import Iterable, Mapping
from json import dumps
from pathlib import Path

import torch
from torch import nn

from alexnet.errors import AlexNetError
from alexnet.hardware import processor
from alexnet.home import home
from alexnet.kernels.linear import is_route
from alexnet.kernels.routes import Product, choose, products
from alexnet.locking import BusyError
from alexnet.model.device import Placement
from alexnet.model.modules import FullConnection, full_connections
from alexnet.reading import UnfitFileError, read_file
from alexnet.schema import SchemaError, decode
from alexnet.weights.files import write_text

FILE = "routes.json"  # in ALEXNET_HOME: the routes that were measured, by machine
MAX_FILE = 1_000_000  # bytes
MOMENT, TRIES = 0.05, 40  # seconds between tries to write beside other processes, and their number


def take_fastest(net: nn.Module, rows: Iterable[int], placement: Placement, folder: Path | None = None) -> None:
    """Gives the fully connected layers of `net`, which is only to answer, the fastest routes for N of `rows`.

    They are kept in `folder`, ALEXNET_HOME unless given, where that can be written. On other devices than a CPU nothing
    happens.
    """
    if placement.device.type != "cpu":
        return
    wanted = products(full_connections(net).values(), rows, placement.dtype)
    routes, _ = measured([product for product in wanted if product.kind == "forward"], folder or home())
    for module in net.modules():
        if isinstance(module, FullConnection):
            module.routes = routes


def machine() -> str:
    """What the time of a product depends on besides its sizes: the processor, PyTorch, the number of threads."""
    return f"{processor()}, PyTorch {torch.__version__}, {torch.get_num_threads()} threads"


def measured(wanted: Iterable[Product], folder: Path) -> tuple[dict[str, str], str]:
    """The routes of the products that are worth it, by name, and what the user should know, if anything.

    What was measured on this machine before is taken as it was then; what is new is kept in `folder`.
    """
    path = folder / FILE
    known = _kept(path).get(machine(), {})
    names = {product.name: product for product in wanted}
    new = choose(product for name, product in names.items() if name not in known)
    remark = ""
    if new:
        try:
            known = _added(path, new)
        except (OSError, AlexNetError) as error:
            known |= new
            remark = (
                f"{path} cannot be written ({_reason(error)}), so the next run measures anew which library is the "
                "fastest for the fully connected layers, and may find another; set ALEXNET_HOME to a folder of yours."
            )
    return {name: known[name] for name in names if name in known}, remark


def _added(path: Path, new: Mapping[str, str]) -> dict[str, str]:
    """The routes of this machine, `new` ones kept with them; one that another process has kept meanwhile stays.

    Raises OSError or AlexNetError when they cannot be written, or another process holds the file for long.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in reversed(range(TRIES)):
        kept = _kept(path)
        known = {**new, **kept.get(machine(), {})}
        try:
            write_text(path, dumps({**kept, machine(): known}, indent=1, ensure_ascii=False) + "\n")
            break
        except BusyError:
            if not left:
                raise
            time.sleep(MOMENT)
    return known


def _reason(error: Exception) -> str:
    if isinstance(error, BusyError):
        return "another process holds it"
    cause = error.__cause__ or error
    return str(getattr(cause, "strerror", None) or cause)


def _kept(path: Path) -> dict[str, dict[str, str]]:
    """The routes by machine; none where the file is not there or not whole: it is written anew."""
    try:
        kept: dict[str, dict[str, str]] = decode(read_file(path, MAX_FILE), dict[str, dict[str, str]])
    except (OSError, SchemaError, UnfitFileError):
        return {}
    return {
        where: {name: route for name, route in routes.items() if is_route(name, route)}
        for where, routes in kept.items()
    }
