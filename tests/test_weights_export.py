import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import torch
from making import tiny_model
from onnx_making import lively, model_of, narrow, some_views
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from alexnet.data.store import Store
from alexnet.errors import AlexNetError, ConfigError, WeightsError
from alexnet.model.net import AlexNet
from alexnet.model.spec import Spec
from alexnet.model.variants import VARIANTS, variant
from alexnet.weights import agreement
from alexnet.weights import export as writing
from alexnet.weights.description import from_texts
from alexnet.weights.export import SUFFIXES, export, torchvision_state
from alexnet.weights.model_dir import Model
from alexnet.weights.onnx.graph import GraphOptions
from alexnet.weights.pytorch.torchvision import NAMES, import_torchvision

pytestmark = pytest.mark.usefixtures("one_thread")

# What somebody does who has PyTorch and not this package.
ALONE = """
import sys
sys.modules["alexnet"] = None  # whoever imports it fails
import torch
extra = {"classes": ""}
program = torch.export.load(sys.argv[1], extra_files=extra).module()
views, expected = torch.load(sys.argv[2])
rounding = 1e-5 * float(expected.abs().max())
for count in (1, 3):
    torch.testing.assert_close(program(views[:count]), expected[:count], rtol=0, atol=rounding)
print(extra["classes"])
"""


def small(name: str, **options: Any) -> Spec:
    spec = narrow(variant(name, **options))
    return replace(spec, input_size=min(115, spec.input_size))


def whole_owt() -> Model:
    """torchvision's very widths; weights that differ but cost no random numbers."""
    with torch.device("meta"):
        net = AlexNet(variant("owt", classes=10))
    state = {
        name: (torch.arange(tensor.numel()).reshape(tensor.shape) % 97.0 - 48) / 4800
        for name, tensor in net.state_dict().items()
    }
    net.load_state_dict(state, assign=True)
    return model_of(net.eval())


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported network of 2012, which has every kind of layer."""
    path = tmp_path_factory.mktemp("program") / f"net{SUFFIXES['torch-export']}"
    found = export(model_of(lively(small("original2012")).train()), path, "torch-export")
    assert found and found.difference <= 1e-5 * found.largest  # the twins multiply and add in another order
    return path


@pytest.mark.parametrize("kind", SUFFIXES)
def test_a_model_that_would_not_come_back_is_not_written(tmp_path: Path, kind: str) -> None:
    model = model_of(AlexNet(narrow(variant("owt", input_size=67))))
    with pytest.raises(WeightsError, match="has 10 outputs but names 1 classes"):
        export(replace(model, categories=model.categories[:1]), tmp_path / "x", kind)
    assert not [*tmp_path.iterdir()]


def test_the_exported_program_runs_without_this_package(program: Path, tmp_path: Path) -> None:
    net = lively(small("original2012"))
    views = some_views(net.spec, 3, torch.Generator().manual_seed(1))
    torch.save((views, net(views).detach()), tmp_path / "expected.pt")
    words = [sys.executable, "-c", ALONE, str(program), str(tmp_path / "expected.pt")]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [f"Class №{i}" for i in range(10)]


def test_the_exported_program_does_not_tell_where_it_was_made(program: Path) -> None:
    with ZipFile(program) as archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    assert str(Path(__file__).parents[1]).encode() not in content
    assert b"stack_trace" not in content


def test_a_program_that_answers_otherwise_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "TOLERANCE", 0.0)
    with pytest.raises(WeightsError, match="The exported program does not answer as the network does"):
        export(model_of(lively(small("paper"))), tmp_path / "net.pt2", "torch-export")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", VARIANTS)
def test_safetensors_hold_the_parameters_under_our_names_and_the_rest_as_text(name: str, tmp_path: Path) -> None:
    model = model_of(lively(small(name)))
    path = tmp_path / "net.safetensors"
    agreed = export(model, path, "safetensors")
    assert agreed.inputs == 5
    assert agreed.difference <= 1e-5 * agreed.largest
    found = load_file(path)
    assert set(found) == set(model.net.state_dict())
    for key, tensor in model.net.state_dict().items():
        assert torch.equal(found[key], tensor), key
    with safe_open(path, "pt") as file:
        known = from_texts(file.metadata(), path)
    assert (known.spec, known.categories, known.preparation) == (model.net.spec, model.categories, model.preparation)


def test_one_model_makes_the_same_safetensors_file_each_time(tmp_path: Path, colours: Store) -> None:
    model = tiny_model(colours)
    for name in "abcdefgh":
        export(model, tmp_path / name, "safetensors")
    assert len({file.read_bytes() for file in tmp_path.iterdir()}) == 1
    assert load_file(tmp_path / "a").keys() == model.net.state_dict().keys()


@pytest.mark.parametrize("error", [RuntimeError("Error: Too many open files (24)"), OSError(24, "Too many open files")])
def test_a_file_that_cannot_be_read_again_is_a_sentence_and_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(path: Path) -> nn.Module:
        raise error

    monkeypatch.setattr(writing, "_read_safetensors", failing)
    with pytest.raises(AlexNetError, match=r"net was written but cannot be read again: .*Too many open files"):
        export(model_of(lively(small("paper"))), tmp_path / "net", "safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["safetensors", "torchvision"])
def test_a_file_of_weights_that_answers_otherwise_is_not_left(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = whole_owt()

    def one_weight_off(net: AlexNet) -> dict[str, Tensor]:
        state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        state["fc8.bias"][3] += 1.0
        return state

    monkeypatch.setattr(writing, "_parameters", one_weight_off)
    with pytest.raises(WeightsError, match="The network made of the file does not answer as the network does"):
        export(model, tmp_path / "net", kind)
    assert not list(tmp_path.iterdir())


def test_torchvisions_names_are_its_own() -> None:
    model = whole_owt()
    state = torchvision_state(model.net)
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items() if name.endswith("weight")}
    assert shapes == {  # torchvision 0.29, models.alexnet(num_classes=10).state_dict()
        "features.0.weight": (64, 3, 11, 11),
        "features.3.weight": (192, 64, 5, 5),
        "features.6.weight": (384, 192, 3, 3),
        "features.8.weight": (256, 384, 3, 3),
        "features.10.weight": (256, 256, 3, 3),
        "classifier.1.weight": (4096, 9216),
        "classifier.4.weight": (4096, 4096),
        "classifier.6.weight": (10, 4096),
    }
    assert list(state) == list(NAMES.values())


def test_a_file_for_torchvision_comes_back_bit_for_bit(tmp_path: Path) -> None:
    model = whole_owt()
    agreed = export(model, tmp_path / "net.pth", "torchvision")
    assert agreed.inputs == 5
    assert agreed.difference <= 1e-5 * agreed.largest
    state = torch.load(tmp_path / "net.pth", weights_only=True)
    assert not any(tensor.requires_grad for tensor in state.values())
    found = import_torchvision(tmp_path / "net.pth").net.state_dict()
    for key, tensor in model.net.state_dict().items():
        assert torch.equal(found[key], tensor), key


@pytest.mark.parametrize(
    "spec", [small("paper"), variant("owt", activation="tanh"), small("owt")], ids=lambda s: s.name
)
def test_what_is_not_torchvisions_network_is_refused(spec: Spec) -> None:
    with torch.device("meta"):
        net = AlexNet(spec)
    with pytest.raises(ConfigError, match="torchvision's alexnet is the network 'owt' and no other"):
        torchvision_state(net)


@pytest.mark.parametrize("option", [{"input_size": 160}, {"channels": 1}], ids=lambda option: "".join(option))
def test_another_input_is_refused_by_torchvisions(option: dict[str, int]) -> None:
    with torch.device("meta"):
        net = AlexNet(variant("owt", **option))
    with pytest.raises(ConfigError, match=r"takes three channels and 6 × 6 positions into fc6, .* build it for 224"):
        torchvision_state(net)


def test_an_unknown_format_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Unknown format 'onx'; did you mean 'onnx'"):
        export(model_of(lively(small("owt"))), tmp_path / "net", "onx")


def test_onnx_is_one_of_the_formats(tmp_path: Path) -> None:
    found = export(model_of(lively(small("paper"))), tmp_path / "net.onnx", "onnx", GraphOptions("views"))
    assert found and found.inputs == 5
    assert (tmp_path / "net.onnx").stat().st_size > 100_000


@pytest.mark.parametrize("kind", ["safetensors", "torch-export", "onnx"])
def test_names_that_are_no_unicode_come_back(in_bytes: Store, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"net{SUFFIXES[kind]}"
    export(tiny_model(in_bytes), path, kind)
    match kind:
        case "safetensors":
            with safe_open(path, "pt") as file:
                texts = file.metadata()
        case "torch-export":
            texts = {"alexnet.model": "", "alexnet.statistics": ""}
            torch.export.load(path, extra_files=texts)
        case _:
            texts = {each.key: each.value for each in pytest.importorskip("onnx").load(path).metadata_props}
    assert from_texts(texts, path).categories == in_bytes.classes
