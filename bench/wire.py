"""Training by several processes: rates and bytes, on one machine and on two that are network namespaces (root).

Run it while nothing else runs. One process, data parallel and towers take turns; medians are over all rounds.
`--timeline` prints instead in which order a step of two processes computes, sends and fetches.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import machines
import torch

from alexnet.data.loader import Batch
from alexnet.data.parts import shared_parts
from alexnet.evaluation.evaluate import input_layout
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


class Steps:
    """Steps of the paper's network on noise in memory, as one process of a team."""

    def __init__(self, team: Team, batch: int, accumulate: int) -> None:
        spec = variant("paper")
        self.team = team
        placement = place("cpu", "bf16")
        net = AlexNet(spec, generator=torch.Generator().manual_seed(0))
        if team.pair:
            net = Towers(net, Processes(team.pair))
        self.parts = team.parts(shared_parts(accumulate, team.replicas.size))
        working = working_copy(net, placement).train()
        how: Any = {"momentum": 0.9, "weight_decay": 5e-4, "bias_decay": True}
        if self.parts.count == 1:
            self.optimiser: Any = MomentumSGD(net, working, **how)
        else:
            self.optimiser = SharedSGD(net, working, **how, circle=team.replicas)
        recipe = Recipe(batch_size=batch, accumulate=self.parts.count)
        self.step = TrainingStep(recipe, working, self.optimiser, placement, self.parts)
        layout = input_layout(net, placement)
        rows = self.parts.rows(batch)
        images = 60 * torch.randn(rows.stop - rows.start, 3, spec.input_size, spec.input_size)
        images = space_to_depth(images, layout.block, layout.padding).to(layout.dtype)
        self.batch = Batch(images, torch.arange(batch) % spec.classes)
        self.crossed = 2 * sum(crossing.both for crossing in crossings(spec).values()) * batch if team.pair else 0

    def run(self) -> float:
        """The seconds of one step."""
        self.team.everyone.add([0.0])
        began = time.perf_counter()
        self.step.take(self.batch, lambda layer: RATE, epoch=0, step=0)
        self.team.everyone.add([0.0])
        return time.perf_counter() - began

    @property
    def sent(self) -> int:
        """Bytes given to others so far."""
        return self.team.replicas.sent + (self.team.pair.sent if self.team.pair else 0)


def measure(options: argparse.Namespace) -> None:
    """One process of a team: prints, if it leads, the times of its steps and the bytes beside the formula."""
    torch.set_num_threads(options.threads)
    with open_team(seat(os.environ), wait=300, towers=options.towers) as team:
        steps = Steps(team, options.batch, options.accumulate)
        steps.run()
        if options.timeline:
            timeline(steps)
            return
        before = steps.sent
        seconds = [steps.run() for _ in range(options.steps)]
        found = {
            "seconds": seconds,
            "sent": (steps.sent - before) // options.steps,
            "formula": steps.optimiser.bytes_a_step + steps.crossed,
        }
        if team.leads:
            sys.stdout.write(json.dumps(found) + "\n")


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


def one_machine(words: list[str], count: int) -> dict[str, Any]:
    """What `count` processes on this machine find."""
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"] if count > 1 else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    said = subprocess.run(
        [sys.executable, *launch, __file__, "--worker", *words],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def two_machines(words: list[str], rate: str) -> dict[str, Any]:
    """What a process on each of two machines find, joined by a wire of `rate`."""
    with machines.machines(rate) as made:
        processes = made.start([__file__, "--worker", *words], {})
        said = [process.communicate()[0] for process in processes]
    found: dict[str, Any] = json.loads(said[0].splitlines()[-1])
    return found


def main() -> None:
    """All cases in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=128, help="photographs a step, of all processes")
    parser.add_argument("--accumulate", type=int, default=1, help="parts a batch is worked through in")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--towers", type=int, default=1)
    parser.add_argument(
        "--wires", default="100mbit,1gbit", help="rates of the wire between two machines, as tc has them"
    )
    parser.add_argument("--json", type=Path, help="where the record goes")
    parser.add_argument("--timeline", action="store_true")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        measure(options)
        return
    words = ["--batch", str(options.batch), "--steps", str(options.steps)]
    if options.timeline:
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        subprocess.run([sys.executable, *launch, __file__, "--worker", "--timeline", *words], check=True)
        return
    why_not = machines.missing()
    if why_not:
        sys.stdout.write(f"Two machines are left out: {why_not}.\n")
    wires = [] if why_not else options.wires.split(",")
    cases: dict[str, Any] = {
        "one process, 1 thread": lambda: one_machine(words, 1),
        "one process, 2 threads": lambda: one_machine([*words, "--threads", "2"], 1),
        "one process, 2 threads, 4 parts": lambda: one_machine([*words, "--threads", "2", "--accumulate", "4"], 1),
        "two processes": lambda: one_machine(words, 2),
        "two towers": lambda: one_machine([*words, "--towers", "2"], 2),
    }
    for wire in wires:
        cases[f"two machines, {wire}"] = lambda wire=wire: two_machines(words, wire)
        cases[f"two towers, {wire}"] = lambda wire=wire: two_machines([*words, "--towers", "2"], wire)
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    bytes_: dict[str, tuple[int, int]] = {}
    for _ in range(options.rounds):
        for name, case in cases.items():
            found = case()
            seconds[name] += found["seconds"]
            bytes_[name] = found["sent"], found["formula"]
    sys.stdout.write(f"{'case':34} {'s/step':>8} {'images/s':>9} {'MB sent':>9} {'formula':>9}\n")
    record = {}
    for name in cases:
        median, (sent, formula) = statistics.median(seconds[name]), bytes_[name]
        row = f"{median:8.3f} {options.batch / median:9.1f} {sent / 1e6:9.2f} {formula / 1e6:9.2f}"
        sys.stdout.write(f"{name:34} {row}\n")
        record[name] = {"seconds": seconds[name], "sent": sent, "formula": formula}
    if options.json:
        options.json.write_text(
            json.dumps({"batch": options.batch, "cases": record}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
