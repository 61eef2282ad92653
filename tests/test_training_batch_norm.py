"""Batch normalisation learns, in fp32 whatever the rest is in, and is part of all that is saved."""

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from making import tiny_recipe, tiny_spec
from running import RUNTIME, begin, difference, stop_at

from alexnet.data.store import Store
from alexnet.evaluation.evaluate import evaluate
from alexnet.model.device import place, working_copy
from alexnet.model.net import AlexNet
from alexnet.model.options import with_options
from alexnet.training.interrupt import Interrupted
from alexnet.training.run import Run
from alexnet.training.train import Runtime, resume
from alexnet.weights.model_dir import load_model

pytestmark = pytest.mark.usefixtures("one_thread")
RECIPE = tiny_recipe(batch_norm=True)
Train = Callable[..., Run]


@pytest.fixture
def go(colours: Store, tmp_path: Path) -> Train:
    return partial(begin, RECIPE, store=colours, out=tmp_path / "run")


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_finished_model_knows_what_training_saw(go: Train, colours: Store, dtype: str) -> None:
    run = go(runtime=Runtime(device="cpu", dtype=dtype, threads=1))
    model = load_model(run.model)
    assert model.net.spec == with_options(tiny_spec(), batch_norm=True)
    bn1 = model.net.bn1
    assert all(tensor.dtype == torch.float32 and tensor.isfinite().all() for tensor in bn1.state_dict().values())
    assert (bn1.running_mean != 0).all() and (bn1.running_var != 1).all()
    assert (bn1.weight != 1).any() and (bn1.bias != 0).any()
    # what the run said of its best epoch is what the model that was saved does
    told = model.provenance["errors"]["val_top1_error"]
    assert evaluate([model], colours, split="val", placement=place("cpu", dtype)).top1_error == told


def test_a_run_that_was_stopped_goes_on_bit_for_bit(go: Train, colours: Store, tmp_path: Path) -> None:
    whole = begin(RECIPE, store=colours, out=tmp_path / "whole")
    with pytest.raises(Interrupted):
        go(listener=stop_at(signal.SIGTERM, epoch=2, step=3))
    run = Run(tmp_path / "run")
    resume(run.path, runtime=RUNTIME)
    assert difference(whole, run) == set()


def test_a_frozen_layer_takes_nothing_from_the_batches(go: Train) -> None:
    net = load_model(go(freeze="bn1").model).net
    assert (net.bn1.running_mean == 0).all() and (net.bn1.running_var == 1).all()
    assert (net.bn1.weight == 1).all()


def test_a_working_copy_shares_batch_normalisation_with_its_masters() -> None:
    net = AlexNet(with_options(tiny_spec(), batch_norm=True))
    copied = working_copy(net, place("cpu", "bf16"))
    assert copied.bn1 is net.bn1
    assert copied.conv1 is not net.conv1
    assert (copied.conv1.weight.dtype, net.conv1.weight.dtype) == (torch.bfloat16, torch.float32)
    assert copied(torch.randn(4, 3, 32, 32).bfloat16()).dtype == torch.bfloat16
    assert (net.bn1.running_mean != 0).all()
    assert working_copy(copied, place("cpu", "bf16")) is copied
    assert working_copy(net, place("cpu", "fp32")) is net
