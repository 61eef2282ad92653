"""Training by several processes: rates and bytes, on one machine and on two that are network namespaces (root).

Run it while nothing else runs. The cases take turns; medians are over all rounds. `--json FILE` adds what was measured
to the runs in that file, so that a long measurement can be made in pieces, each a comparison of its own (`--only`).
`--timeline` prints instead in which order a step of two processes computes, sends and fetches.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import machines
import torch
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel

from alexnet.data.loader import Batch
from alexnet.data.parts import shared_parts
from alexnet.evaluation.evaluate import input_layout
from alexnet.experiments.bench.machine import machine
from alexnet.kernels import space_to_depth
from alexnet.model.crossings import crossings
from alexnet.model.device import place, working_copy
from alexnet.model.net import AlexNet
from alexnet.model.towers import Towers
from alexnet.model.variants import variant
from alexnet.process import seat
from alexnet.training.exchange import SharedSGD
from alexnet.training.link import Processes
from alexnet.training.optimiser import MomentumSGD
from alexnet.training.recipe import Recipe
from alexnet.training.schedule import Rate
from alexnet.training.step import TrainingStep
from alexnet.training.team import Team, open_team

RATE = Rate(1e-4, 1e-4)
ALONE: Final[dict[str, tuple[str, list[str], int]]] = {
    "one": ("one process, 1 thread", [], 1),
    "one-2": ("one process, 2 threads", ["--threads", "2"], 1),
    "parts": ("one process, 2 threads, 4 parts", ["--threads", "2", "--accumulate", "4"], 1),
    "two": ("two processes", [], 2),
    "two-ddp": ("two processes, DDP", ["--ddp"], 2),
    "towers": ("two towers", ["--towers", "2"], 2),
}
"""Cases on one machine: title, options of a worker, processes."""
WIRED: Final[dict[str, tuple[str, list[str]]]] = {
    "": ("two machines", []),
    "-ddp": ("two machines, DDP", ["--ddp"]),
    "-towers": ("two towers on two machines", ["--towers", "2"]),
}
"""Cases on two machines, by what follows the rate of the wire in their names."""


class Steps:
    """Steps of the paper's network on noise in memory, as one process of a team."""

    def __init__(self, team: Team, options: argparse.Namespace) -> None:
        spec = replace(variant("paper"), input_size=options.input_size)
        batch = options.batch
        self.team = team
        placement = place("cpu", options.dtype)
        net = AlexNet(spec, generator=torch.Generator().manual_seed(0))
        if team.pair:
            net = Towers(net, Processes(team.pair))
        self.parts = team.parts(shared_parts(options.accumulate, team.replicas.size))
        self.working = working_copy(net, placement).train()
        layout = input_layout(net, placement)
        rows = self.parts.rows(batch)
        images = 60 * torch.randn(rows.stop - rows.start, 3, spec.input_size, spec.input_size)
        images = space_to_depth(images, layout.block, layout.padding).to(layout.dtype)
        self.batch = Batch(images, torch.arange(batch) % spec.classes)
        if options.ddp:
            self.take = self._of_pytorch()
            weights = sum(each.numel() * each.element_size() for each in self.working.parameters())
            self.formula = 2 * weights * (team.size - 1) // team.size
            return
        how: Any = {"momentum": 0.9, "weight_decay": 5e-4, "bias_decay": True}
        if self.parts.count == 1:
            self.optimiser: Any = MomentumSGD(net, self.working, **how)
            self.formula = 0
        else:
            self.optimiser = SharedSGD(net, self.working, **how, circle=team.replicas)
            self.formula = self.optimiser.bytes_a_step
        if team.pair:
            exchanged = sum(crossing.both for crossing in crossings(spec).values())  # in bf16
            self.formula += 2 * exchanged * batch * placement.dtype.itemsize // 2
        recipe = Recipe(batch_size=batch, accumulate=self.parts.count)
        self.step = TrainingStep(recipe, self.working, self.optimiser, placement, self.parts)
        self.take = lambda: self.step.take(self.batch, lambda layer: RATE, epoch=0, step=0)

    def _of_pytorch(self) -> Callable[[], Any]:
        """A step of PyTorch's own: DistributedDataParallel, and all weights updated in each process."""
        shared = DistributedDataParallel(self.working, gradient_as_bucket_view=True)
        optimiser = torch.optim.SGD(self.working.parameters(), lr=RATE.weight, momentum=0.9, weight_decay=5e-4)
        targets = self.batch.labels[self.parts.rows(len(self.batch.labels))]

        def take() -> None:
            optimiser.zero_grad()
            F.cross_entropy(shared(self.batch.images).float(), targets).backward()  # type: ignore[no-untyped-call]
            optimiser.step()

        return take

    def run(self) -> float:
        """The seconds of one step."""
        self.team.everyone.add([0.0])
        began = time.perf_counter()
        self.take()
        self.team.everyone.add([0.0])
        return time.perf_counter() - began

    @property
    def sent(self) -> int:
        """Bytes given to others so far; those of DistributedDataParallel are not counted."""
        return self.team.replicas.sent + (self.team.pair.sent if self.team.pair else 0)


def on_the_wire() -> int | None:
    """Bytes that this machine has put on the wire so far; None where there is no wire."""
    if (wire := os.environ.get(machines.WIRE)) is None:
        return None
    return int(Path(f"/sys/class/net/{wire}/statistics/tx_bytes").read_text(encoding="ascii"))


def measure(options: argparse.Namespace) -> None:
    """One process of a team: prints, if it leads, the times of its steps and the bytes beside the formula."""
    torch.set_num_threads(options.threads)
    with open_team(seat(os.environ), wait=300, towers=options.towers) as team:
        steps = Steps(team, options)
        steps.run()
        if options.timeline:
            timeline(steps)
            return
        before, wire_before = steps.sent, on_the_wire()
        seconds = [steps.run() for _ in range(options.steps)]
        found: dict[str, Any] = {"seconds": seconds, "formula": steps.formula}
        if not options.ddp:
            found["sent"] = (steps.sent - before) // options.steps
        if (wire_after := on_the_wire()) is not None and wire_before is not None:
            found["on the wire"] = (wire_after - wire_before) // options.steps
        if team.leads:
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()
    os._exit(0)  # as the command does: threads of PyTorch's transfers may abort a process that ends in the usual way


def timeline(steps: Steps) -> None:
    """Prints what the leader does in a step, in order: layers, transfers begun and waited for, updates."""
    circle, told = steps.team.replicas, []
    names = {
        id(bucket.working): f"{bucket.slots[0].name} … {bucket.slots[-1].name}" for bucket in steps.optimiser.buckets
    }
    began = time.perf_counter()

    def tell(what: str) -> None:
        told.append(f"{1e3 * (time.perf_counter() - began):8.0f} ms  {what}")

    scatter, gather, update = circle.scatter, circle.gather, steps.optimiser._update

    def scattered(pieces: torch.Tensor) -> Any:
        tell(f"gradients set off, {len(pieces):,} numbers")
        return scatter(pieces)

    def gathered(whole: torch.Tensor, piece: torch.Tensor) -> Any:
        tell(f"weights set off: {names[id(whole)]}")
        return gather(whole, piece)

    def updated(bucket: Any, *rest: Any) -> None:
        tell(f"gradients are here: {names[id(bucket.working)]}")
        update(bucket, *rest)

    for name, module in steps.step.working.named_children():
        if any(True for _ in module.parameters()):
            module.register_forward_hook(lambda *_, name=name: tell(f"forward  {name}"))
            module.register_full_backward_hook(lambda *_, name=name: tell(f"backward {name}"))
    circle.scatter, circle.gather, steps.optimiser._update = scattered, gathered, updated  # type: ignore[method-assign]
    for _ in range(2):
        tell("a step begins")
        steps.step.take(steps.batch, lambda layer: RATE, epoch=0, step=0)
    if steps.team.leads:
        sys.stdout.write("\n".join(told) + "\n")


def one_machine(words: Sequence[str], count: int) -> dict[str, Any]:
    """What `count` processes on this machine find."""
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"] if count > 1 else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launch, __file__, "--worker", *words]
    ended = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def two_machines(words: Sequence[str], rate: str) -> dict[str, Any]:
    """What a process on each of two machines find, joined by a wire of `rate`."""
    with machines.machines(rate) as made:
        processes = made.start([__file__, "--worker", *words], {})
        said = [process.communicate() for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("\n".join(text for both in said for text in both))
    found: dict[str, Any] = json.loads(said[0][0].splitlines()[-1])
    return found


def chosen_cases(options: argparse.Namespace, words: Sequence[str]) -> dict[str, tuple[str, Callable[[], Any]]]:
    """The cases asked for, by name: title and what runs it once."""
    cases: dict[str, tuple[str, Callable[[], Any]]] = {
        name: (title, lambda own=own, count=count: one_machine([*words, *own], count))
        for name, (title, own, count) in ALONE.items()
    }
    for wire in options.wires.split(","):
        for end, (title, own) in WIRED.items():
            cases[wire + end] = f"{title}, {wire}", lambda own=own, wire=wire: two_machines([*words, *own], wire)
    asked = options.only.split(",") if options.only else list(cases)
    if unknown := set(asked) - set(cases):
        raise SystemExit(f"Unknown cases: {', '.join(sorted(unknown))}; there are: {', '.join(cases)}.")
    if (why_not := machines.missing()) and any(name not in ALONE for name in asked):
        sys.stdout.write(f"Two machines are left out: {why_not}.\n")
        asked = [name for name in asked if name in ALONE]
    return {name: cases[name] for name in asked}


def in_turns(cases: dict[str, tuple[str, Callable[[], Any]]], rounds: int, minutes: float) -> dict[str, Any]:
    """What every case finds: the seconds of all its steps, and bytes a step; no round that might end too late."""
    found: dict[str, Any] = {name: {"title": title, "seconds": []} for name, (title, _) in cases.items()}
    began = time.monotonic()
    for number in range(1, rounds + 1):
        for name, (_, run) in cases.items():
            once = run()
            found[name] |= {"seconds": [*found[name]["seconds"], *once.pop("seconds")], **once}
        if (time.monotonic() - began) * (number + 1) / number > 60 * minutes:
            break
    return found


def add_to_record(path: Path, options: argparse.Namespace, cases: dict[str, Any]) -> None:
    """Adds a run to the file; makes it where it is not there."""
    record = {"question": "What do several processes gain, and what do they send?", "runs": []}
    if path.is_file():
        record = json.loads(path.read_text(encoding="utf-8"))
    words = ["python", "bench/wire.py", *sys.argv[1:]]
    at = words.index("--json")
    here = machine(place("cpu", options.dtype))
    del here["threads"]
    settings = {name: getattr(options, name) for name in ("batch", "input_size", "steps")}
    runs: Any = record["runs"]
    runs.append({"command": " ".join(words[:at] + words[at + 2 :]), "machine": here, **settings, "cases": cases})
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """All cases in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=128, help="photographs a step, of all processes")
    parser.add_argument("--input-size", type=int, default=224, help="pixels of a photograph's side")
    parser.add_argument("--dtype", default="auto", help="of the arithmetic and of what is sent: auto, fp32, bf16")
    parser.add_argument("--steps", type=int, default=5, help="measured in a round, after one that is not")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=1e9, help="fewer rounds where they would take longer")
    parser.add_argument("--only", default="", help="cases, with commas: one,parts,two-ddp,1gbit,1gbit-towers …")
    parser.add_argument("--wires", default="100mbit,1gbit", help="rates of the wire between two machines, for tc")
    parser.add_argument("--json", type=Path, help="the record that the run is added to")
    parser.add_argument("--timeline", action="store_true")
    for name, usual in (("accumulate", 1), ("threads", 1), ("towers", 1)):
        parser.add_argument(f"--{name}", type=int, default=usual, help=argparse.SUPPRESS)
    parser.add_argument("--ddp", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        measure(options)
        return
    words = ["--batch", f"{options.batch}", "--input-size", f"{options.input_size}", "--dtype", options.dtype]
    words += ["--steps", f"{options.steps}"]
    if options.timeline:
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        subprocess.run([sys.executable, *launch, __file__, "--worker", "--timeline", *words], check=True)
        return
    found = in_turns(chosen_cases(options, words), options.rounds, options.minutes)
    sys.stdout.write(
        f"{'case':36} {'steps':>5} {'s/step':>8} {'images/s':>9} {'MB sent':>9} {'formula':>9} {'wire':>9}\n"
    )
    for case in found.values():
        median = statistics.median(case["seconds"])
        row = f"{case['title']:36} {len(case['seconds']):5} {median:8.3f} {options.batch / median:9.1f}"
        bytes_ = [
            f"{case[name] / 1e6:9.2f}" if name in case else f"{'':9}" for name in ("sent", "formula", "on the wire")
        ]
        sys.stdout.write(f"{row} {' '.join(bytes_)}\n")
    if options.json:
        add_to_record(options.json, options, found)


if __name__ == "__main__":
    main()
