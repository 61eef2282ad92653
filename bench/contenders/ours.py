"""This project, in its own environment, set up as its command line sets itself up.

Settings: task ("step", "forward", "load", "product": the fastest of some products of square matrices, or "loop":
multiply-adds in registers), dtype ("fp32" or "bf16"), batch_size, threads; stores for "load": their paths by encoding,
of which `encoding` is the one to use.
"""

import os
from typing import Any

from protocol import Made, Unable, Work, contend, one_round

from alexnet.process import describe_memory, describe_waiting, set_up

SIZE = 227


def make(settings: dict[str, Any]) -> Made:
    """The contender of these settings."""
    set_up(os.environ)  # before torch is imported

    import torch

    import alexnet
    from alexnet.data.store import Store
    from alexnet.evaluation.evaluate import input_layout
    from alexnet.experiments.bench.counting import training_flops
    from alexnet.experiments.bench.loading import load_all, loader_of
    from alexnet.experiments.bench.predicting import forward_pass
    from alexnet.experiments.bench.step import BareStep, loop, squares
    from alexnet.model.account import account
    from alexnet.model.net import AlexNet
    from alexnet.model.variants import variant

    torch.set_num_threads(settings["threads"])
    placement = alexnet.place("cpu", settings.get("dtype", "fp32"))
    spec = variant("paper", input_size=SIZE)
    versions = {"alexnet": alexnet.VERSION, "torch": torch.__version__}
    facts: dict[str, Any] = {"versions": versions, "memory": describe_memory(), "waiting": describe_waiting()}
    work: Work
    match settings["task"]:
        case "step":
            work = BareStep(spec, settings["batch_size"], placement)
            facts["multiplied_flops"] = work.multiplied()
        case "forward":
            work = forward_pass(AlexNet(spec), settings["batch_size"], placement)
        case "load":
            layout = input_layout(AlexNet(spec), placement)
            store = Store.open(settings["stores"][settings["encoding"]])
            loader = loader_of(store, SIZE, settings["batch_size"], layout, settings["threads"])
            return Made(lambda: load_all(loader), facts)
        case "product":
            side, work = fastest(squares(placement.dtype, placement.device))
            return Made(work, {**facts, "side": int(side)})
        case "loop":
            looped = loop(placement.dtype_name, placement.device)
            if looped is None:
                raise Unable("no compiled kernels, or no instruction for it in their loop")
            return Made(looped, facts)
    total = account(spec)
    facts |= {name: total.total(name) for name in ("parameters", "macs")}
    return Made(work, facts | {"training_flops": training_flops(spec)})


def fastest(works: dict[str, Work]) -> tuple[str, Work]:
    """The work of the highest rate, tried twice, with its name."""

    def rate(name: str) -> float:
        works[name]()
        amount, seconds = one_round(works[name], 0.0)
        return amount / seconds

    best = max(works, key=rate)
    return best, works[best]


if __name__ == "__main__":
    contend(make)
