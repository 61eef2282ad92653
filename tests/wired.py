"""A process of a team of two on two machines: sends a step's worth of gradients and weights, or goes on for ever."""

import json
import os
import sys
from dataclasses import replace

import torch

from alexnet.errors import AlexNetError
from alexnet.model.device import place, working_copy
from alexnet.model.net import AlexNet
from alexnet.model.variants import variant
from alexnet.process import seat
from alexnet.training.exchange import SharedSGD
from alexnet.training.schedule import Rate
from alexnet.training.team import Team, open_team


def send(team: Team) -> dict[str, int]:
    """One step without a network's arithmetic; what was sent and promised, in bytes."""
    spec = replace(variant("paper"), input_size=67)
    net = AlexNet(spec, generator=torch.Generator().manual_seed(0))
    working = working_copy(net, place("cpu", "bf16"))
    optimiser = SharedSGD(net, working, momentum=0.9, weight_decay=0.0, bias_decay=True, circle=team.everyone)
    optimiser.zero_grad()
    optimiser.begin_part(last=True)
    optimiser.end_part()
    optimiser.step(lambda layer: Rate(0.1, 0.1))
    for bucket in optimiser.buckets:
        bucket.ready()
    return {"sent": team.everyone.sent, "promised": optimiser.bytes_a_step}


def main(what: str, wait: str) -> int:
    """The exit status of the command line."""
    torch.set_num_threads(1)
    try:
        with open_team(seat(os.environ), wait=float(wait)) as team:
            if what == "send":
                sys.stdout.write(json.dumps(send(team)) + "\n")
                return 0
            team.everyone.add([1.0])
            sys.stdout.write("here\n")
            sys.stdout.flush()
            while True:
                team.everyone.add([1.0])
    except AlexNetError as error:
        sys.stdout.write(f"{error}\n")
        sys.stdout.flush()
        os._exit(error.exit_code)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
