from pathlib import Path

import onnx
import pytest
import torch
from making import tiny_model

from alexnet.data.store import Store
from alexnet.errors import WeightsError
from alexnet.weights.loading import load
from alexnet.weights.model_dir import save_model
from alexnet.weights.onnx.export import build_model
from alexnet.weights.onnx.graph import GraphOptions


def test_a_model_comes_from_its_directory_its_run_or_its_exported_file(colours: Store, tmp_path: Path) -> None:
    model = tiny_model(colours)
    save_model(model, tmp_path / "run" / "model")
    onnx.save(build_model(model, GraphOptions()), tmp_path / "net.onnx")
    for path in (
        tmp_path / "run" / "model",
        str(tmp_path / "run" / "model"),
        str(tmp_path / "run"),
        tmp_path / "net.onnx",
    ):
        found = load(path)
        assert found.categories == model.categories and found.net.spec == model.net.spec
        for name, tensor in model.net.state_dict().items():
            assert torch.equal(found.net.state_dict()[name], tensor)


def test_where_there_is_no_model_the_path_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", str(tmp_path)):
        with pytest.raises(WeightsError, match=str(path)):
            load(path)
