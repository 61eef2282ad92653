"""State dicts as tools leave them: those at hand make their own, the others' are written down from their code."""

import argparse
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from alexnet.errors import ConfigError, WeightsError
from alexnet.weights.pytorch.state_dicts import StateDict, read_state_dict

ROOTS = ("features", "classifier")
State = dict[str, Tensor]


class Net(nn.Module):
    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.features = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        self.classifier = nn.Sequential(nn.Linear(3, 2))


OWN = Net().state_dict()
NAMES = ["features.0.weight", "features.0.bias", "classifier.0.weight", "classifier.0.bias"]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., tuple[StateDict, str | None]]:
    def read(content: Any, wanted: str | None = None) -> tuple[StateDict, str | None]:
        torch.save(content, tmp_path / "net.pth")
        return read_state_dict(tmp_path / "net.pth", ROOTS, wanted)

    return read


def under(prefix: str, state: State = OWN) -> State:
    return {f"{prefix}.{name}": tensor for name, tensor in state.items()}


def parts_wrapped() -> nn.Module:
    net = Net()
    net.features = nn.DataParallel(net.features)  # type: ignore[assignment]
    return net


@pytest.mark.parametrize(
    "state",
    [
        OWN,
        nn.DataParallel(Net()).state_dict(),
        AveragedModel(Net()).state_dict(),
        under("_orig_mod"),  # torch.compile
        under("_orig_mod.module"),
        parts_wrapped().state_dict(),
        under("_fsdp_wrapped_module"),
        {name.replace(".", "._fsdp_wrapped_module.", 1): tensor for name, tensor in OWN.items()},
        under("model"),  # Lightning, where the module keeps the network so
        under("net._orig_mod"),
        {**under("ema_model"), "initted": torch.tensor(True), "step": torch.tensor(7)},  # ema-pytorch, without online
    ],
)
@pytest.mark.parametrize("keys", [(), ("state_dict",), ("model",), ("state", "model")])
def test_the_networks_names_are_found_behind_those_of_tools(
    read: Callable[..., Any], state: State, keys: tuple[str, ...]
) -> None:
    content: Any = state
    for key in reversed(keys):
        content = {"epoch": 3, key: content, "loss": torch.tensor(0.5), "optimizer": {"state": {0: torch.zeros(2)}}}
    found, taken = read(content)
    assert taken is None
    assert list(found.names) == NAMES
    for name, theirs in found.names.items():
        assert theirs in state, "the file's own name"
        assert torch.equal(found.tensors[theirs], OWN[name])


TWO = {
    "torchvision with --model-ema": ({"model": OWN, "model_ema": AveragedModel(Net(1)).state_dict()}, "model_ema"),
    "timm": ({"arch": "alexnet", "state_dict": OWN, "state_dict_ema": Net(1).state_dict()}, "state_dict_ema"),
    "Lightning": ({"state_dict": {**under("ema", Net(1).state_dict()), **under("net")}}, "state_dict/ema"),
    "ema-pytorch": (
        {**under("online_model"), **under("ema_model", Net(1).state_dict()), "initted": torch.tensor(True)},
        "ema_model",
    ),
}


@pytest.mark.parametrize("tool", TWO)
def test_of_two_sets_the_one_that_is_no_average_is_taken_and_it_is_said(read: Callable[..., Any], tool: str) -> None:
    content, other = TWO[tool]
    found, taken = read(content)
    assert taken == f"of 2 sets of weights in the file {found.label} was taken; --weights takes {other}"
    assert torch.equal(found.tensors[found.names["features.0.weight"]], OWN["features.0.weight"])
    averaged, _ = read(content, other)
    expected = Net(1).state_dict()["features.0.weight"]
    assert torch.equal(averaged.tensors[averaged.names["features.0.weight"]], expected)
    with pytest.raises(ConfigError, match=rf"Unknown set of weights in .*net.pth '{other}x'; did you mean '{other}'"):
        read(content, f"{other}x")


def test_what_belongs_to_no_network_is_left_for_the_import_to_name(read: Callable[..., Any]) -> None:
    found, _ = read({"state_dict": {**under("model"), "criterion.weight": torch.ones(2)}})
    assert found.names["criterion.weight"] == "criterion.weight"


def test_plain_things_beside_the_weights_are_passed_over(read: Callable[..., Any]) -> None:
    beside = {
        "args": argparse.Namespace(lr=0.1, output_dir=PurePosixPath("runs")),
        "best": np.float64(0.5),
        "when": np.array([1, 2]),
    }
    found, _ = read({"model": OWN, **beside})
    assert list(found.names) == NAMES


def test_a_number_that_only_looks_like_a_counter_is_kept(read: Callable[..., Any]) -> None:
    found, _ = read({**OWN, "features.1.step": torch.zeros(2)})
    assert "features.1.step" in found.names


def test_a_name_that_comes_twice_is_refused(read: Callable[..., Any]) -> None:
    with pytest.raises(WeightsError, match=r"holds 'features\.0\.weight' twice, once as 'module\.features\.0\.weight'"):
        read({**OWN, **under("module")})


def test_safetensors_are_unwrapped_too(tmp_path: Path) -> None:
    save_file(under("module"), tmp_path / "net.safetensors")
    found, _ = read_state_dict(tmp_path / "net.safetensors", ROOTS)
    assert found.names["classifier.0.bias"] == "module.classifier.0.bias"


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_disk_that_cannot_be_read_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    file = tmp_path / f"net.{suffix}"
    save_file(OWN, file) if suffix == "safetensors" else torch.save(OWN, file)
    errors = [OSError(24, "Too many open files"), MemoryError()]

    def fail(*_: object, **__: object) -> None:
        raise errors[0]

    monkeypatch.setattr(torch, "load", fail)
    monkeypatch.setattr("alexnet.weights.pytorch.state_dicts.load_file", fail)
    with pytest.raises(WeightsError, match=r"net\.\w+ cannot be read \(.*Too many open files\); mend that"):
        read_state_dict(file, ROOTS, None)
    errors.pop(0)
    with pytest.raises(MemoryError):
        read_state_dict(file, ROOTS, None)
