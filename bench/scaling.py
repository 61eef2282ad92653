"""What several machines gain: computed from a model of a step, and measured; the tables of docs/parallel.md.

`python bench/scaling.py docs/parallel.md` renews what stands there between `<!-- scaling: TABLE -->` and
`<!-- end -->`: `computed`, or the name of a record of results/wire that `bench/wire.py --json` wrote.
"""

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2
from pathlib import Path
from statistics import median
from typing import Any, Final

from report import table

from alexnet.model.account import account
from alexnet.model.crossings import crossings
from alexnet.model.spec import Conv, Linear
from alexnet.model.variants import PAPER

RESULTS: Final = Path(__file__).parents[1] / "results" / "wire"
BLOCK: Final = re.compile(r"(<!-- scaling: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
BATCHES: Final = 128, 1024, 8192
MANY: Final = 8, 64  # machines
EFFECTIVE: Final = 0.936  # of a wire's rate, what is left beside the headers of TCP and IP

_ROWS = list(zip(PAPER.layers, account(PAPER).rows, strict=True))
CONVOLUTIONS: Final = sum(row.parameters for layer, row in _ROWS if isinstance(layer, Conv))
CONNECTED: Final = sum(row.parameters for layer, row in _ROWS if isinstance(layer, Linear))
MACS: Final = {kind: sum(row.macs for layer, row in _ROWS if isinstance(layer, kind)) for kind in (Conv, Linear)}
EXCHANGED: Final = sum(crossing.both for crossing in crossings(PAPER).values())  # numbers an image, one direction
INTO_CONNECTED: Final = 9216 + 4096 + 4096  # numbers an image that enter fc6, fc7 and fc8


@dataclass(frozen=True)
class Kind:
    """A kind of machine and of wire between such: what the model of a step is made of."""

    rate: float  # images a second of one, forward and backward
    bandwidth: float  # bytes a second, in each direction at once
    latency: float  # seconds a message
    update: float = 0.0  # seconds for all weights; one process alone needs batch / rate + update
    size: int = 2  # bytes of a number that is sent
    name: str = ""
    wire: str = ""


KINDS: Final = (
    Kind(190, 117e6, 1e-4, 0.05, name="2-core processor, 190/s", wire="1 Gbit/s"),
    Kind(190, 1.17e9, 5e-5, 0.05, name="2-core processor, 190/s", wire="10 Gbit/s"),
    Kind(4000, 1.17e9, 5e-5, 0.02, name="64 cores, 4,000/s assumed", wire="10 Gbit/s"),
    Kind(15000, 200e9, 1e-5, 0.0004, name="GPU, 15,000/s assumed", wire="200 GB/s"),
)


def alone(batch: int, kind: Kind) -> float:
    """Seconds of a step in one process."""
    return batch / kind.rate + kind.update


def ring(numbers: float, machines: int, kind: Kind) -> float:
    """Seconds until a sum over all machines is on all of them."""
    if machines == 1:
        return 0.0
    sent = 2 * (machines - 1) / machines * numbers * kind.size
    return sent / kind.bandwidth + 8 * ceil(log2(machines)) * kind.latency


def data_parallel(batch: int, machines: int, kind: Kind, *, overlap: bool) -> float:
    """Seconds of a step; with `overlap`, the gradients of fc6 to fc8 travel during the convolutions' backward pass.

    That pass is two thirds of the convolutions' time. The update is shared out.
    """
    arithmetic = batch / machines / kind.rate
    hidden = arithmetic * MACS[Conv] / sum(MACS.values()) * 2 / 3 if overlap else 0.0
    connected = max(0.0, ring(CONNECTED, machines, kind) - hidden)
    return arithmetic + connected + ring(CONVOLUTIONS, machines, kind) + kind.update / machines


def two_towers(batch: int, kind: Kind, replicas: int = 1) -> float:
    """Seconds of a step in `replicas` of two towers, which share out the batch; nothing overlaps."""
    each = batch / replicas
    exchange = each * EXCHANGED * kind.size / kind.bandwidth + 12 * kind.latency
    halves = ring((CONVOLUTIONS + CONNECTED) / 2, replicas, kind)
    return each / 2 / kind.rate + exchange + halves + kind.update / 2 / replicas


def hybrid(batch: int, machines: int, kind: Kind) -> float:
    """Seconds of a step with data parallel convolutions and split fully connected layers (Krizhevsky 2014)."""
    gathered = 2 * batch * INTO_CONNECTED * kind.size * (machines - 1) / machines / kind.bandwidth
    messages = 12 * kind.latency * ceil(log2(machines))
    shared = ring(CONVOLUTIONS, machines, kind)
    return batch / machines / kind.rate + gathered + messages + shared + kind.update / machines


def computed_table() -> str:
    """Speed-ups over one machine, none of them measured."""
    rows = []
    for kind in KINDS:
        for batch in BATCHES:
            one = alone(batch, kind)
            cells = []
            for count in MANY:
                each = [data_parallel(batch, count, kind, overlap=overlap) for overlap in (False, True)]
                cells.append(" / ".join(f"{one / seconds:.1f}" for seconds in [*each, hybrid(batch, count, kind)]))
            mesh = [two_towers(batch, kind, count // 2) for count in MANY]
            cells += [f"{one / two_towers(batch, kind):.2f}", " / ".join(f"{one / seconds:.1f}" for seconds in mesh)]
            rows.append([kind.name, kind.wire, f"{batch:,}", *cells])
    return table(["machine", "wire", ">batch", "8 machines", "64 machines", ">two towers", "towers × 4 / × 32"], rows)


def speed_ups(run: Mapping[str, Any]) -> dict[str, float]:
    """How many times the rate of one process of one thread each case of a run reaches: ratios of medians."""
    seconds = {name: median(case["seconds"]) for name, case in run["cases"].items()}
    return {name: seconds["one"] / each for name, each in seconds.items()} if "one" in seconds else {}


def expected(name: str, batch: int, one: float, size: int) -> list[float]:
    """What the model gives for a case on two machines, where one process takes `one` seconds a step."""
    wire, _, how = name.partition("-")
    bandwidth = {"1gbit": 1e9, "100mbit": 1e8}[wire] / 8 * EFFECTIVE
    kind = Kind(batch / one, bandwidth, 1e-4, size=size)
    if how == "towers":
        return [one / two_towers(batch, kind)]
    return [one / data_parallel(batch, 2, kind, overlap=overlap) for overlap in (False, True)]


def measured_table(record: Mapping[str, Any]) -> str:
    """Speed-ups over one process of one thread, measured in turns with it, beside what the model gives."""
    rows = []
    for run in record["runs"]:
        size = {"fp32": 4, "bf16": 2}[run["machine"]["dtype"]]
        for name, found in speed_ups(run).items():
            case = run["cases"][name]
            one = median(run["cases"]["one"]["seconds"])
            model = ""
            if name[0].isdigit() and not name.endswith("ddp"):
                model = " / ".join(f"{each:.2f}" for each in expected(name, run["batch"], one, size))
            seconds = sorted(case["seconds"])
            spread = f"{seconds[0]:.2f} … {seconds[-1]:.2f}"
            sent = f"{case['formula'] / 1e6:.0f} MB" if case["formula"] else ""
            rows.append(
                [f"{run['batch']}", case["title"], f"{median(seconds):.2f}", spread, f"{found:.2f}", model, sent]
            )
    return table([">batch", "case", ">s a step", "from … to", ">measured", ">computed", ">sent"], rows)


def filled(text: str) -> str:
    """A document with every table as the model and the records have it."""

    def renew(block: re.Match[str]) -> str:
        if block[2] == "computed":
            shown = computed_table()
        else:
            shown = measured_table(json.loads((RESULTS / f"{block[2]}.json").read_text(encoding="utf-8")))
        return f"{block[1]}\n{shown}\n\n{block[3]}"

    return BLOCK.sub(renew, text)


def main() -> None:
    """Renews the tables of a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("document", type=Path)
    document = parser.parse_args().document
    document.write_text(filled(document.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
