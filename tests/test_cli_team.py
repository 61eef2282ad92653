import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commanding import refusal
from making import tiny_model

from alexnet.cli import main
from alexnet.cli.session import Session
from alexnet.data.store import Store
from alexnet.training.run import Run
from alexnet.weights.checkpoint import load_checkpoint
from alexnet.weights.model_dir import save_model

SMALL = ["-b", "8", "--threads", "1", "--dtype", "fp32", "--device", "cpu", "--recipe", "demo", "--init-from", "tiny"]


def torchrun(folder: Path, *words: object, restarts: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ALEXNET_HOME": str(folder / "home")}
    return subprocess.Popen(
        [*command, f"--max-restarts={restarts}", "-m", "alexnet", *map(str, words)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def workers(launcher: subprocess.Popen[str]) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(launcher.pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


def until_saved(path: Path, epoch: int) -> None:
    """Waits for the run's checkpoint of an epoch."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if path.is_file() and load_checkpoint(path)["progress"]["epoch"] >= epoch:
            return
        time.sleep(0.2)
    raise AssertionError(f"there is no {path} of epoch {epoch}")


def test_torchrun_starts_again_after_a_kill_in_the_same_run(colours: Store, tmp_path: Path) -> None:
    # four starts of Python and PyTorch
    save_model(tiny_model(colours), tmp_path / "tiny")
    words = "train", colours.path, "--epochs", 40, *SMALL, "--out", "run", "--wait", 10, "--save-every", 0.5
    launcher = torchrun(tmp_path, *words, restarts=1)
    try:
        until_saved(tmp_path / "run" / "checkpoints" / "last.pt", 1)
        os.kill(workers(launcher)[1], signal.SIGKILL)
        said = launcher.communicate(timeout=90)[0]
    finally:
        launcher.kill()
    assert launcher.returncode == 0, said
    assert [path.name for path in tmp_path.iterdir() if path.is_dir() and path.name.startswith("run")] == ["run"]
    assert len(re.findall(r"^Team     2 processes on one machine \(gloo\), 2 parts of 4, 1 each", said, re.M)) == 2
    assert re.search(r"^Plan     40 epochs of 6 steps from epoch \d+", said, re.M)
    assert Run(tmp_path / "run").model.is_dir()


def test_ctrl_c_at_torchrun_leaves_one_checkpoint_and_one_sentence(colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "tiny")
    words = "train", colours.path, "--epochs", 4000, *SMALL, "--out", "run", "--wait", 10, "--save-every", 0.5
    launcher = torchrun(tmp_path, *words)
    try:
        until_saved(tmp_path / "run" / "checkpoints" / "last.pt", 1)
        launcher.send_signal(signal.SIGINT)
        said = launcher.communicate(timeout=60)[0]
    finally:
        launcher.kill()
    (stopped,) = re.findall(
        r"^alexnet: Stopped after epoch (\d+), step (\d+); go on with: .* --resume run$", said, re.M
    )
    progress = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.pt")["progress"]
    assert (str(progress["epoch"]), str(progress["step"])) == stopped
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("run")] == ["run"]


@pytest.mark.parametrize(("words", "status"), [(["recipes"], 0), (["recipes", "smal"], 2)])
def test_a_process_of_several_ends_without_the_interpreters_clean_up(
    monkeypatch: pytest.MonkeyPatch, words: list[str], status: int
) -> None:
    class Left(BaseException):
        pass

    def leave(status: int) -> None:
        raise Left(status)

    monkeypatch.setattr(main, "Session", lambda: Session(shared=True))
    monkeypatch.setattr(os, "_exit", leave)
    with pytest.raises(Left) as left:
        main.cli(words)
    assert left.value.args == (status,)


def test_verbs_for_one_process_are_refused_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "WORLD_SIZE": "2",
        "RANK": "0",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "a",
        "MASTER_PORT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    code, sentence = refusal("layers", "paper")
    assert code == 2 and "alexnet layers does not share out its work, and here are 2 processes" in sentence
    monkeypatch.delenv("RANK")
    assert "WORLD_SIZE is 2, but RANK is not set" in refusal("layers", "paper")[1]
