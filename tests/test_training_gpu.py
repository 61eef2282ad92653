"""What training does on a GPU alone, shown on the CPU: the code is the same, only the placement says otherwise."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from commanding import alexnet
from making import tiny_recipe, tiny_spec
from running import RUNTIME, begin, difference
from torch._dynamo.utils import counters

from alexnet import kernels
from alexnet.data.augment import Augmentation
from alexnet.data.loader import InputLayout, TrainingLoader
from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.evaluation.evaluate import input_layout
from alexnet.model.device import Placement
from alexnet.model.net import AlexNet
from alexnet.training.train import Runtime, placement_for

pytestmark = pytest.mark.usefixtures("one_thread")


def test_compiling_is_refused_on_a_cpu_before_anything_is_done(colours: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Compiling is for GPUs"):
        placement_for(Runtime(device="cpu", compile=True))
    result = alexnet("train", colours.path, "--device", "cpu", "--compile", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "leave --compile out" in result.stderr
    assert not (tmp_path / "run").exists()


# torch.compile looks at the gradient of every input, and PyTorch warns of that for those that are not leaves
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_a_run_with_compiled_twins_is_the_run_with_plain_ones(
    colours: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Placement, "runs_ahead", True)
    monkeypatch.setattr(kernels, "compile_twins", partial(kernels.compile_twins, "aot_eager"))
    recipe = tiny_recipe(epochs=1)
    with kernels.use_twin():
        plain = begin(recipe, store=colours, out=tmp_path / "plain")
        counters.clear()
        compiled = begin(
            recipe,
            store=colours,
            out=tmp_path / "compiled",
            runtime=Runtime(device="cpu", dtype="fp32", threads=1, compile=True),
        )
    assert counters["stats"]["unique_graphs"] >= 2  # a stage and a dropout
    assert not difference(plain, compiled)
    assert RUNTIME.compile is False


def test_images_for_cuda_are_not_folded_and_lie_in_pinned_memory() -> None:
    net = AlexNet(tiny_spec())
    layout = input_layout(net, Placement(torch.device("cuda"), torch.bfloat16))
    assert layout == InputLayout(torch.bfloat16, block=1, padding=0, pinned=True)
    assert not input_layout(net, Placement(torch.device("cpu"), torch.bfloat16)).pinned


def test_the_loader_pins_what_is_to_be_pinned(colours: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[tuple[int, ...]] = []

    def pin(self: torch.Tensor) -> torch.Tensor:
        pinned.append(tuple(self.shape))
        return self

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    for layout, expected in ((InputLayout(), []), (InputLayout(pinned=True), [(8, 3, 32, 32), (4, 3, 32, 32)])):
        loader = TrainingLoader(
            colours,
            np.arange(12),
            statistics=colours.statistics,
            batch_size=8,
            augmentation=Augmentation(crop=32),
            seed=0,
            layout=layout,
        )
        assert len(list(loader.epoch(0))) == 2
        assert pinned == expected
