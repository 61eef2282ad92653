"""Numbers in files beside an ONNX file: taken when they lie beside it, and from nowhere else."""

from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx.external_data_helper import convert_model_to_external_data, set_external_data
from onnx_making import zoo_model

from alexnet.errors import WeightsError
from alexnet.weights.foreign import importing
from alexnet.weights.onnx import read
from alexnet.weights.onnx.importing import import_onnx

pytestmark = pytest.mark.usefixtures("one_thread")


def tensor(content: Any, name: str = "fc6_w_0") -> Any:
    return next(tensor for tensor in content.graph.initializer if tensor.name == name)


def refusal(content: Any, folder: Path) -> str:
    (folder / "net.onnx").write_bytes(content.SerializeToString())
    with pytest.raises(WeightsError) as caught:
        import_onnx(folder / "net.onnx")
    return str(caught.value)


@pytest.fixture
def beside(tmp_path: Path) -> Any:
    """A model whose weights of fc6 lie in fc6.bin, as its own content says."""
    content = zoo_model()
    found = tensor(content)
    (tmp_path / "fc6.bin").write_bytes(b"before" + found.raw_data + b"after")
    set_external_data(found, "fc6.bin", offset=6, length=len(found.raw_data))
    found.ClearField("raw_data")
    return content


@pytest.mark.parametrize("one_file", [True, False], ids=["one file", "a file for each"])
def test_files_beside_it_are_read_bit_for_bit(one_file: bool, tmp_path: Path) -> None:
    onnx.save(zoo_model(), tmp_path / "whole.onnx")
    content = zoo_model()
    convert_model_to_external_data(content, one_file, "numbers.bin" if one_file else None, size_threshold=0)
    (tmp_path / "parts").mkdir()
    onnx.save(content, tmp_path / "parts" / "net.onnx")
    assert len(list((tmp_path / "parts").iterdir())) == (2 if one_file else 1 + 17)
    expected, found = (import_onnx(tmp_path / name).net for name in ("whole.onnx", "parts/net.onnx"))
    for name, weights in expected.state_dict().items():
        assert torch.equal(found.state_dict()[name], weights), name


def test_a_part_of_a_file_and_a_folder_below_are_read(beside: Any, tmp_path: Path) -> None:
    onnx.save(zoo_model(), tmp_path / "whole.onnx")
    (tmp_path / "data").mkdir()
    (tmp_path / "fc6.bin").rename(tmp_path / "data" / "fc6.bin")
    tensor(beside).external_data[0].value = "data/fc6.bin"
    (tmp_path / "net.onnx").write_bytes(beside.SerializeToString())
    expected, found = (import_onnx(tmp_path / name).net for name in ("whole.onnx", "net.onnx"))
    assert torch.equal(found.fc6.weight, expected.fc6.weight)


@pytest.mark.parametrize(
    "place", ["../fc6.bin", "a/../../fc6.bin", "{folder}/../fc6.bin", "..\\fc6.bin", "", ".", "link"]
)
def test_files_elsewhere_are_refused(place: str, beside: Any, tmp_path: Path) -> None:
    """All of these are there, and hold the right numbers."""
    folder = tmp_path / "model"
    (folder / "a").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path / "fc6.bin")
    tensor(beside).external_data[0].value = place.format(folder=folder)
    said = refusal(beside, folder)
    assert " keeps 'fc6_w_0' in " in said and "which is not a file beside it; such files are not read." in said


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("location", "gone.bin", "there is no such file beside it; put both into one folder."),
        ("offset", "100", "but that file has 110,603 bytes and ends before them; fetch it again."),
        ("offset", "-1", "which does not fit together"),
        ("offset", "here", "what it says of that is damaged"),
        ("length", "110588", "110588 bytes for shape (24, 1152), which does not fit together"),
    ],
)
def test_what_does_not_fit_is_told(key: str, value: str, sentence: str, beside: Any, tmp_path: Path) -> None:
    next(entry for entry in tensor(beside).external_data if entry.key == key).value = value
    assert sentence in refusal(beside, tmp_path)


def test_one_file_for_many_large_numbers_is_no_way_around_the_limit(
    beside: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert importing.MAX_BYTES == read.MAX_BYTES
    monkeypatch.setattr(read, "MAX_BYTES", 110_591)
    assert "keeps more than 110,591 bytes in files beside it" in refusal(beside, tmp_path)
