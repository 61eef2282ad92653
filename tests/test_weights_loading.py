from pathlib import Path

import onnx
import pytest
import torch
from making import tiny_model
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file

from alexnet.data.store import Store
from alexnet.errors import ConfigError, WeightsError
from alexnet.weights.checkpoint import save_checkpoint
from alexnet.weights.export import export
from alexnet.weights.foreign.class_names import unnamed_classes
from alexnet.weights.formats import import_weights
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


@pytest.fixture
def exported(colours: Store, tmp_path: Path) -> Path:
    """The file that the tiny model was exported to."""
    export(tiny_model(colours), tmp_path / "net.safetensors", "safetensors")
    return tmp_path / "net.safetensors"


def test_a_safetensors_file_of_ours_gives_back_its_model(colours: Store, exported: Path) -> None:
    model, found = tiny_model(colours), load(exported)
    assert (found.categories, found.preparation) == (model.categories, model.preparation)
    assert found.net.spec == model.net.spec and not found.net.training
    assert (found.statistics.mean_image == model.statistics.mean_image).all()
    for name, tensor in model.net.state_dict().items():
        assert torch.equal(found.net.state_dict()[name], tensor)
    assert found.provenance.items() >= model.provenance.items()
    assert found.provenance["imported_from"] == "net.safetensors"


def test_a_safetensors_file_of_ours_brings_all_else_along(colours: Store, exported: Path) -> None:
    for surplus in ({"classes": colours.path}, {"classes": unnamed_classes}, {"weights": "ema"}):
        with pytest.raises(ConfigError, match="brings its classes along, and has one set of weights; leave"):
            import_weights(exported, "safetensors", **surplus)


def test_a_safetensors_file_of_ours_that_was_changed_is_refused(exported: Path) -> None:
    with safe_open(exported, "pt") as file:
        texts = file.metadata()
    tensors = load_file(exported)
    for changed, sentence in (
        ({**tensors, "more": torch.zeros(1)}, "of no use there: more"),
        ({name: tensor for name, tensor in tensors.items() if name != "fc3.bias"}, "missing: fc3.bias"),
        ({**tensors, "conv1.bias": tensors["conv1.bias"] * torch.nan}, "holds NaN or infinity"),
        ({**tensors, "fc3.weight": tensors["fc3.weight"][:2], "fc3.bias": tensors["fc3.bias"][:2]}, "of other widths"),
    ):
        save_file(changed, exported, texts)
        with pytest.raises(WeightsError, match=sentence):
            load(exported)
    save_file(tensors, exported, {**texts, "alexnet.model": "{}"})
    with pytest.raises(WeightsError, match="is of format None, this version reads format 1"):
        load(exported)
    exported.write_bytes(exported.read_bytes()[:99])
    with pytest.raises(WeightsError, match="is damaged, or no safetensors file"):
        load(exported)


def test_parts_of_runs_and_models_are_called_what_they_are(colours: Store, tmp_path: Path) -> None:
    model = tiny_model(colours)
    weights = model.net.state_dict()
    save_checkpoint(tmp_path / "best.pt", {"weights": weights, "epoch": 1, "val_top1_error": 0.5})
    save_checkpoint(tmp_path / "last.pt", {"weights": weights, "velocity": weights, "progress": {}})
    for name in ("best.pt", "last.pt"):
        with pytest.raises(WeightsError, match=f"{name} is a checkpoint of this program; give its run directory"):
            load(tmp_path / name)
    save_model(model, tmp_path / "model")
    with pytest.raises(WeightsError, match=f"is part of the model {tmp_path}/model; give that directory"):
        load(tmp_path / "model" / "model.safetensors")


def test_a_name_that_is_no_unicode_is_said_to_be_that(colours: Store, exported: Path, tmp_path: Path) -> None:
    said = r"The name of .*m\udce9.* is not valid UTF-8, so the library of safetensors does not open it; rename it"
    save_model(tiny_model(colours), tmp_path / "m\udce9")
    named = exported.rename(tmp_path / "m\udce9.safetensors")
    foreign = tmp_path / "torchvision-m\udce9.safetensors"
    foreign.write_bytes(save({"a": torch.zeros(1)}))
    for path in (tmp_path / "m\udce9", named, foreign):
        with pytest.raises(WeightsError, match=said):
            load(path)
    with pytest.raises(WeightsError, match=said):
        import_weights(foreign, "torchvision")
    with pytest.raises(WeightsError, match=said):
        export(tiny_model(colours), tmp_path / "new-m\udce9.safetensors", "safetensors")
    assert not list(tmp_path.glob("new*"))
