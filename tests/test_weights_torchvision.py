import argparse
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from alexnet.data.preparation import Preparation
from alexnet.errors import WeightsError
from alexnet.evaluation.evaluate import mean_probabilities
from alexnet.model.device import place
from alexnet.model.net import AlexNet
from alexnet.model.spec import Conv, Linear
from alexnet.model.variants import variant
from alexnet.weights.pytorch.torchvision import NAMES, import_torchvision

pytestmark = pytest.mark.usefixtures("one_thread")

FULL = (64, 192, 384, 256, 256, 4096, 4096, 1000)
FEW = (8, 12, 10, 9, 7, 24, 20, 5)
State = dict[str, Tensor]


class Reference(nn.Module):
    """torchvision's alexnet, written down from its documentation: features, a pooling to 6 × 6, classifier."""

    def __init__(self, widths: tuple[int, ...] = FEW, *, moved: bool = False) -> None:
        super().__init__()
        a, b, c, d, e, f, g, classes = widths
        self.features = nn.Sequential(
            nn.Conv2d(3, a, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(a, b, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(b, c, 3, padding=1), nn.ReLU(),
            nn.Conv2d(c, d, 3, padding=1), nn.ReLU(),
            nn.Conv2d(d, e, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        layers = [nn.Linear(36 * e, f), nn.ReLU(), nn.Linear(f, g), nn.ReLU(), nn.Linear(g, classes)]
        for position in (2, 5) if moved else (0, 3):
            layers.insert(position, nn.Dropout())
        self.classifier = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return out


def reference(widths: tuple[int, ...] = FEW, *, moved: bool = False) -> Reference:
    torch.manual_seed(0)
    return Reference(widths, moved=moved).eval()


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def save(content: Any, **options: Any) -> Path:
        torch.save(content, tmp_path / "net.pth", **options)
        return tmp_path / "net.pth"

    return save


def test_names_and_shapes_are_those_of_torchvisions_files() -> None:
    """Golden: the keys of alexnet-owt-7be5be79.pth."""
    with torch.device("meta"):
        ours = {name: tuple(tensor.shape) for name, tensor in AlexNet(variant("owt")).state_dict().items()}
    assert {NAMES[name]: shape for name, shape in ours.items()} == {
        "features.0.weight": (64, 3, 11, 11),
        "features.0.bias": (64,),
        "features.3.weight": (192, 64, 5, 5),
        "features.3.bias": (192,),
        "features.6.weight": (384, 192, 3, 3),
        "features.6.bias": (384,),
        "features.8.weight": (256, 384, 3, 3),
        "features.8.bias": (256,),
        "features.10.weight": (256, 256, 3, 3),
        "features.10.bias": (256,),
        "classifier.1.weight": (4096, 9216),
        "classifier.1.bias": (4096,),
        "classifier.4.weight": (4096, 4096),
        "classifier.4.bias": (4096,),
        "classifier.6.weight": (1000, 4096),
        "classifier.6.bias": (1000,),
    }


def test_every_stage_is_the_references(save: Callable[..., Path]) -> None:
    net = reference()
    model = import_torchvision(save(net.state_dict()))
    images = torch.randn(2, 3, 224, 224)
    names = [name for name in model.net.names if not name.startswith("drop")]
    modules = [*net.features, *(module for module in net.classifier if not isinstance(module, nn.Dropout))]
    with torch.inference_mode():
        found = model.net.stages(images, names)
        x = images
        for name, module in zip(names, modules, strict=True):
            x = module(x.flatten(1) if isinstance(module, nn.Linear) else x)
            # the same sums, but the kernels of neighbouring layers may add them up in another order
            torch.testing.assert_close(found[name], x, rtol=1e-5, atol=1e-6, msg=name)
        torch.testing.assert_close(model.net(images), net(images), rtol=1e-5, atol=1e-6)


def test_weights_are_kept_bit_for_bit(save: Callable[..., Path]) -> None:
    state = reference().state_dict()
    model = import_torchvision(save(state))
    for name, tensor in model.net.state_dict().items():
        assert torch.equal(tensor, state[NAMES[name]]), name
    assert model.provenance["format"] == "torchvision"
    assert model.provenance["conversions"] == ["weights bit for bit"]

    def widths(layer):  # type: ignore[no-untyped-def]
        few = dict(zip(("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"), FEW, strict=False))
        if isinstance(layer, Conv):
            return replace(layer, channels=few[layer.name])
        return replace(layer, units=few[layer.name]) if isinstance(layer, Linear) and layer.units else layer

    assert model.net.spec == variant("owt", classes=5).mapped(widths)


def test_photographs_are_prepared_as_torchvision_does(save: Callable[..., Path]) -> None:
    model = import_torchvision(save(reference().state_dict()))
    assert model.preparation == Preparation("torchvision", "bilinear", "RGB", model.preparation.std)
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3))
    centred = pixels - model.statistics.mean_image[:224, :224]
    normalised = (pixels / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    assert np.allclose(centred / model.preparation.std, normalised, atol=1e-5)  # fp32 means of up to 124


def wrapped(state: State) -> State:
    return {f"module.{name}": tensor for name, tensor in state.items()}


def features_wrapped(state: State) -> State:
    return {name.replace("features.", "features.module."): tensor for name, tensor in state.items()}


def compiled(state: State) -> State:
    return {f"_orig_mod.module.{name}": tensor for name, tensor in state.items()}


@pytest.mark.parametrize("wrap", [dict, wrapped, features_wrapped, compiled])
@pytest.mark.parametrize("holder", [None, "state_dict", "model"])
def test_wrappers_and_training_checkpoints_are_understood(
    save: Callable[..., Path], wrap: Callable[[State], State], holder: str | None
) -> None:
    state = wrap(reference().state_dict())
    content = (
        state if holder is None else {"epoch": 3, "arch": "alexnet", holder: state, "best_acc1": torch.tensor(0.5)}
    )
    model = import_torchvision(save(content))
    assert torch.equal(model.net.get_parameter("conv1.weight"), reference().features[0].weight)


def test_of_a_model_and_its_average_one_is_taken_and_the_other_named(save: Callable[..., Path]) -> None:
    """What torchvision's training script saves with --model-ema."""
    net = reference()
    averaged = AveragedModel(net)
    averaged.module.features[0].weight.data += 1
    content = {
        "model": net.state_dict(),
        "model_ema": averaged.state_dict(),
        "args": argparse.Namespace(lr=0.1, output_dir=Path("runs")),
    }
    taken = import_torchvision(save(content))
    assert taken.provenance["conversions"][1] == (
        "of 2 sets of weights in the file model was taken; --weights takes model_ema"
    )
    assert torch.equal(taken.net.conv1.weight, net.features[0].weight)
    other = import_torchvision(save(content), weights="model_ema")
    assert torch.equal(other.net.conv1.weight, net.features[0].weight + 1)


def test_names_in_errors_are_those_of_the_file(save: Callable[..., Path]) -> None:
    state = {f"_fsdp_wrapped_module.{name}": tensor for name, tensor in reference().state_dict().items()}
    state["_fsdp_wrapped_module.features.3.weight"] = torch.zeros(12, 4, 5, 5)
    with pytest.raises(WeightsError, match=r"pth: _fsdp_wrapped_module\.features\.3\.weight has shape"):
        import_torchvision(save(state))


def test_forks_that_moved_dropout_are_understood(save: Callable[..., Path]) -> None:
    net = reference(moved=True)
    assert "classifier.0.weight" in net.state_dict()
    model = import_torchvision(save(net.state_dict()))
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(model.net(images), net(images), rtol=1e-5, atol=1e-6)
    assert "renumbered by a fork" in model.provenance["conversions"][1]


def test_files_of_old_pytorch_and_safetensors_are_read(save: Callable[..., Path], tmp_path: Path) -> None:
    state = reference().state_dict()
    save_file(state, tmp_path / "net.safetensors")
    for path in (save(state, _use_new_zipfile_serialization=False), tmp_path / "net.safetensors"):
        net = import_torchvision(path).net
        assert torch.equal(net.get_parameter("fc8.weight"), state["classifier.6.weight"])


def test_other_numbers_are_turned_and_it_is_said(save: Callable[..., Path]) -> None:
    net = reference().half()
    model = import_torchvision(save(net.state_dict()))
    assert torch.equal(model.net.get_parameter("fc8.weight"), net.classifier[6].weight.float())
    assert model.provenance["conversions"] == ["weights turned from float16 to float32"]


def test_a_whole_model_is_no_state_dict(save: Callable[..., Path]) -> None:
    with pytest.raises(WeightsError, match=r"holds more than tensors and plain values \(.*torch\.nn.*\); .* save the"):
        import_torchvision(save(reference()))


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("new", [True, False])
def test_nothing_from_the_file_is_executed(save: Callable[..., Path], tmp_path: Path, new: bool) -> None:
    path = save({**reference().state_dict(), "x": Evil(tmp_path / "done")}, _use_new_zipfile_serialization=new)
    with pytest.raises(WeightsError, match="holds more than tensors and plain values"):
        import_torchvision(path)
    assert not (tmp_path / "done").exists()
    torch.load(path, weights_only=False)
    assert (tmp_path / "done").exists(), "the file is harmless, so the test shows nothing"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"features.0.weight": 5}, "holds 'features.0.weight' of type int among the weights"),
        ({5: torch.zeros(1)}, "holds 5 of type Tensor among the weights"),
        ({"a": torch.zeros(1, dtype=torch.int64)}, r"holds 'a' as torch\.int64, expected floating-point"),
        ({"a": torch.eye(2).to_sparse()}, "holds 'a' of type Tensor among the weights"),
        ({"a": torch.zeros(1), "module.a": torch.zeros(1)}, r"holds 'a' twice, once as 'module\.a'"),
        (torch.zeros(3), "holds no state dict, but Tensor; save model.state_dict"),
        ({}, "holds no state dict, but dict"),
        ({"args": argparse.Namespace(a=1), "model": {}}, "holds 'args' of type Namespace among the weights"),
        ({"model": Fraction(1, 3)}, r"more than tensors and plain values \(fractions\.Fraction\)"),
        ({"features.0.weight": torch.zeros(1)}, "missing: features.0.bias, features.3.weight, "),
    ],
)
def test_what_is_no_state_dict_of_alexnet_is_refused(save: Callable[..., Path], content: Any, sentence: str) -> None:
    with pytest.raises(WeightsError, match=sentence):
        import_torchvision(save(content))


def test_keys_that_are_missing_or_of_no_use_are_named(save: Callable[..., Path]) -> None:
    state = reference().state_dict()
    del state["classifier.4.bias"]
    state["norm.weight"] = torch.zeros(1)
    with pytest.raises(WeightsError, match=r"missing: classifier\.4\.bias; of no use there: norm\.weight\.$"):
        import_torchvision(save(state))


def test_the_weights_of_another_network_are_refused(save: Callable[..., Path]) -> None:
    state = reference().state_dict()
    state["features.3.weight"] = torch.zeros(12, 4, 5, 5)  # two groups
    with pytest.raises(
        WeightsError,
        match=r"features\.3\.weight has shape \(12, 4, 5, 5\), expected \(12, 8, 5, 5\) for conv2\.weight of",
    ):
        import_torchvision(save(state))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("form", ["new", "old", "safetensors"])
def test_what_is_cut_off_is_refused(save: Callable[..., Path], tmp_path: Path, form: str, share: float) -> None:
    state = reference().state_dict()
    if form == "safetensors":
        path = tmp_path / "net.safetensors"
        save_file(state, path)
    else:
        path = save(state, _use_new_zipfile_serialization=form == "new")
    os.truncate(path, int(share * path.stat().st_size))
    with pytest.raises(WeightsError, match=r"net\.(pth|safetensors) is damaged"):
        import_torchvision(path)


def test_a_flipped_bit_is_found_by_the_archives_checksum(save: Callable[..., Path]) -> None:
    path = save(reference().state_dict())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="is damaged"):
        import_torchvision(path)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    """2 GiB of zeros pack into 2 MB: told from the archive's list, nothing is unpacked."""
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(2):
            archive.writestr(f"net/{number}", b"\0" * 1000)
    content = path.read_bytes()
    sizes = (1000).to_bytes(4, "little")
    assert content.count(sizes) == 4
    path.write_bytes(content.replace(sizes, (2**30).to_bytes(4, "little")))
    with pytest.raises(WeightsError, match="unpacks to 2,147,483,648 bytes, more than"):
        import_torchvision(path)


def test_an_imported_model_answers_with_probabilities(save: Callable[..., Path]) -> None:
    model = import_torchvision(save(reference().state_dict()))
    answers = mean_probabilities(model.net, torch.randn(3, 3, 224, 224), 1, place("cpu", "fp32"))
    assert torch.allclose(answers.sum(1), torch.ones(3))
