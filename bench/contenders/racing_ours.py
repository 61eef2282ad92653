"""This project in a race, from a folder of photographs: prepare, then train by a recipe. Runs in .venv.

Settings: as racing_torchvision.py has them. The recipe is `small` with its warm-up cut to the epochs there are; in the
race nothing is held out. The clock runs while photographs are prepared.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from alexnet.process import set_up

if __name__ == "__main__":
    set_up(os.environ)  # before torch is imported, as the command line does

import alexnet
from alexnet.training.events import Event, Saved, WindowEnd
from alexnet.training.recipes import recipe
from alexnet.training.train import Runtime

SHARE = recipe("small").warmup / recipe("small").epochs  # of the epochs, while the rate rises


def train(settings: dict[str, Any]) -> None:
    """Trains until the epochs or the minutes are over; tells its pace every `save_every` seconds.

    From the end of epoch 1 on it keeps a model then, too.
    """
    kept = Path(settings["kept"])
    store = alexnet.prepare(Path(settings["photographs"]), kept / "photographs.store")
    chosen = recipe("small").updated(
        {
            "lr": f"{settings['lr']}",
            "epochs": f"{settings['epochs']}",
            "warmup": f"{SHARE * settings['epochs']:.1f}",
            "seed": f"{settings['seed']}",
        }
    )
    steps, loss = -(-len(store.split("train")) // chosen.batch_size), list[float]()

    def hear(event: Event) -> None:
        if isinstance(event, WindowEnd):
            loss[:] = [event.loss]
        if isinstance(event, Saved):
            minutes = (time.time() - settings["began"]) / 60
            if event.epoch:  # there is a model from the first epoch's end on
                shutil.copytree(kept / "run" / "model", kept / f"{minutes:07.3f}", copy_function=os.link)
            known = {"epochs": event.epoch + event.step / steps, "train_loss": loss[0] if loss else None}
            print(json.dumps({"minutes": minutes, **known}), flush=True)

    left = settings["minutes"] - (time.time() - settings["began"]) / 60
    runtime = Runtime(threads=settings["threads"], minutes=left, save_every=settings["save_every"])
    alexnet.train(store, None, chosen, kept / "run", runtime=runtime, listener=hear)


def measure(settings: dict[str, Any]) -> None:
    """Tells the top-1 error of each of the models kept, by the centre crop."""
    store = alexnet.Store.open(Path(settings["kept"]) / "photographs.store")
    for path in sorted(Path(settings["kept"]).glob("*.*")):
        if (path / "model.json").exists():
            tally = alexnet.evaluate(path, store, split=settings["measure"])
            wrong = round(tally.top1_error * tally.images)
            print(json.dumps({"minutes": float(path.name), "wrong": wrong, "images": tally.images}), flush=True)


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    measure(told) if told.get("measure") else train(told)
