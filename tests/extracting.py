"""A process that extracts features of a store and is killed, or not; arguments: model, store, folder, batches.

After so many batches it kills itself at once, as a power cut would: in the middle of writing the next one. With 0 it
goes on to the end.
"""

import os
import signal
import sys
from pathlib import Path

import torch

from alexnet.data.store import Store
from alexnet.evaluation import extraction
from alexnet.evaluation.photographs import of_split
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import place


def main(model: str, store: str, out: str, batches: str) -> None:
    torch.set_num_threads(1)
    extraction.VIEWS_PER_STAGES = 4  # type: ignore[attr-defined]
    predictor = Predictor(Path(model), placement=place("cpu", "fp32"))
    left = int(batches)
    append = extraction._append

    def killed(writer, *rest) -> None:  # type: ignore[no-untyped-def]
        nonlocal left
        append(writer, *rest)
        left -= 1
        if left == 0:
            for file in writer._files.values():
                file.flush()  # part of a batch is on the disk, and the journal does not know it
            os.kill(os.getpid(), signal.SIGKILL)

    extraction._append = killed
    plan = extraction.Plan(("conv1", "relu2"))
    extraction.write_features(Path(model), predictor, of_split(Store.open(store), "all"), Path(out), plan)


if __name__ == "__main__":
    main(*sys.argv[1:])
