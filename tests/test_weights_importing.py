from dataclasses import replace
from pathlib import Path

import pytest
import torch
from making import tiny_spec
from torch import Tensor

from alexnet.data.preparation import Preparation
from alexnet.data.statistics import InputStatistics
from alexnet.errors import AlexNetError, WeightsError
from alexnet.model.net import AlexNet
from alexnet.model.spec import Conv
from alexnet.weights.caffe.caffemodel import read_caffemodel
from alexnet.weights.caffe.importing import read_mean
from alexnet.weights.caffe.pickled import read_pickled
from alexnet.weights.files import sha256
from alexnet.weights.foreign.importing import Foreign, check_file, make_model, read_weights
from alexnet.weights.model_dir import Model
from alexnet.weights.onnx.read import read_onnx

STATISTICS = InputStatistics.of_mean((1.0, 2.0, 3.0))


def foreign(path: Path, **changes: Tensor | None) -> Foreign:
    """The weights of the tiny network under names of their own; `changes` by ours with _ for the dot, None to drop."""
    if not path.exists():
        path.write_bytes(b"weights")
    names, tensors = {}, {}
    for name, tensor in AlexNet(tiny_spec()).state_dict().items():
        names[name] = f"their/{name}"
        tensor = changes.get(name.replace(".", "_"), tensor)
        if tensor is not None:
            tensors[names[name]] = tensor
    return Foreign(path, "a format", names, tensors, ("turned round",))


def made(found: Foreign) -> Model:
    return make_model(tiny_spec(), found, statistics=STATISTICS, preparation=Preparation(resize="squash"), classes=None)


def test_a_model_holds_the_weights_and_says_where_they_came_from(tmp_path: Path) -> None:
    found = foreign(tmp_path / "file")
    model = made(found)
    for name, tensor in model.net.state_dict().items():
        assert torch.equal(tensor, found.tensors[f"their/{name}"])
        assert tensor.data_ptr() != found.tensors[f"their/{name}"].data_ptr()
    assert not model.net.training
    assert all(parameter.requires_grad for parameter in model.net.parameters())
    assert model.provenance == {
        "imported_from": "file",
        "format": "a format",
        "source_sha256": sha256(tmp_path / "file"),
        "conversions": ["turned round"],
    }
    assert (model.statistics, model.preparation) == (STATISTICS, Preparation(resize="squash"))
    assert [category.name for category in model.categories] == [f"class {index}" for index in range(6)]


def test_other_widths_and_numbers_of_classes_are_kept(tmp_path: Path) -> None:
    def wider(layer):  # type: ignore[no-untyped-def]
        return replace(layer, channels=10) if isinstance(layer, Conv) else layer

    spec = replace(tiny_spec().mapped(wider), classes=3)
    tensors = {name.replace(".", "_"): tensor for name, tensor in AlexNet(spec).state_dict().items()}
    assert made(foreign(tmp_path / "file", **tensors)).net.spec == spec


def test_all_numbers_become_fp32(tmp_path: Path) -> None:
    half = torch.full((16,), 0.1, dtype=torch.bfloat16)
    bias = made(foreign(tmp_path / "file", fc2_bias=half)).net.get_parameter("fc2.bias")
    assert bias.dtype is torch.float32
    assert torch.equal(bias, half.float())


@pytest.mark.parametrize(
    ("name", "tensor", "sentence"),
    [
        ("fc2_bias", None, r"'tiny' and nothing else; missing: their/fc2\.bias\."),
        ("fc2_bias", torch.zeros(17), r"their/fc2\.bias has shape \(17,\), expected \(16,\) for fc2\.bias of 'tiny'"),
        ("conv1_weight", torch.zeros(8, 4, 5, 5), r"shape \(8, 4, 5, 5\), expected \(8, 3, 5, 5\)"),
        ("conv1_weight", torch.zeros(8, 3, 5), r"shape \(8, 3, 5\), expected 4 sizes of at least 1"),
        ("conv1_weight", torch.zeros(0, 3, 5, 5), r"expected 4 sizes of at least 1"),
        ("fc2_weight", torch.zeros(()), r"shape \(\), expected 2 sizes of at least 1"),
        ("fc2_bias", torch.tensor([0.0] * 15 + [float("nan")]), r"their/fc2\.bias holds NaN or infinity"),
        ("fc2_bias", torch.tensor([0.0] * 15 + [float("inf")]), r"their/fc2\.bias holds NaN or infinity"),
        # a stranger's view of one number takes no room in the file
        ("fc3_weight", torch.zeros(1, 1).expand(10**8, 16), r"numbers, more than any network of this family has"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, name: str, tensor: Tensor | None, sentence: str) -> None:
    with pytest.raises(WeightsError, match=sentence):
        made(foreign(tmp_path / "file", **{name: tensor}))


def test_weights_of_no_use_are_named(tmp_path: Path) -> None:
    found = foreign(tmp_path / "file")
    surplus = {name: torch.zeros(1) for name in ("more", "\x1b[2J", "c", "d", "e", "f", "g")}
    with pytest.raises(WeightsError, match=r"of no use there: more, '\\x1b\[2J', c, d, e and 2 more\."):
        made(replace(found, tensors={**found.tensors, **surplus}))


def test_maps_that_groups_do_not_divide_are_a_sentence(tmp_path: Path) -> None:
    def grouped(layer):  # type: ignore[no-untyped-def]
        return replace(layer, groups=3) if isinstance(layer, Conv) else layer

    with pytest.raises(WeightsError, match=r"fit no network: .* 8 channels do not divide into 3 groups"):
        make_model(
            tiny_spec().mapped(grouped),
            foreign(tmp_path / "file"),
            statistics=STATISTICS,
            preparation=Preparation(),
            classes=None,
        )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\n<!DOCTYPE html><title>Not found</title>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    ],
)
def test_downloads_that_went_wrong_are_recognised(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(WeightsError, match=rf"file is {what}.*not a file of weights; download it again"):
        check_file(tmp_path / "file")


def test_a_disk_that_cannot_be_read_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").symlink_to("/proc/self/mem")  # at its begin there is nothing to read
    with pytest.raises(AlexNetError, match=r"Cannot read .*/file: Input/output error; mend that and try again"):
        check_file(tmp_path / "file")
    monkeypatch.setattr("alexnet.weights.foreign.importing.check_file", lambda path: None)
    for read in (read_weights, read_onnx, read_caffemodel, read_pickled, read_mean):
        with pytest.raises(AlexNetError, match=r"Cannot read .*/file: Input/output error; mend that and try again"):
            read(tmp_path / "file")


def test_files_that_are_missing_or_too_large_are_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"There is no file .*nowhere"):
        check_file(tmp_path / "nowhere")
    with pytest.raises(WeightsError, match="is no regular file; give the file of weights"):
        check_file(tmp_path)
    with open(tmp_path / "large", "wb") as file:
        file.truncate(2**31)
    with pytest.raises(WeightsError, match=r"has 2,147,483,648 bytes, more than the 2,147,483,647"):
        check_file(tmp_path / "large")
