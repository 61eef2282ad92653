"""A training run in a process of its own, for tests that kill it: stops at a step, says so, and waits for a line.

Arguments: the store, the run directory, the epoch and the step to stop at.
"""

import sys
from pathlib import Path

from making import tiny_recipe, tiny_spec

from alexnet.data.store import Store
from alexnet.errors import AlexNetError
from alexnet.train.events import Event, Saved
from alexnet.train.train import Runtime, train

# Every step is saved.
RUNTIME = Runtime(device="cpu", dtype="fp32", threads=1, save_every=0.0)
RECIPE = tiny_recipe(schedule="cosine", warmup=0.5)


def main(store: str, out: str, epoch: str, step: str) -> int:
    """The exit status of the command line."""

    def listen(event: Event) -> None:
        if isinstance(event, Saved) and (event.epoch, event.step) == (int(epoch), int(step)):
            sys.stdout.write("here\n")
            sys.stdout.flush()
            sys.stdin.readline()

    try:
        train(Store.open(store), tiny_spec(), RECIPE, Path(out), runtime=RUNTIME, listener=listen)
    except AlexNetError as error:
        sys.stdout.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
