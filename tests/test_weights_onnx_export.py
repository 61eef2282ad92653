import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx_making import lively, model_of, narrow

from alexnet.errors import AlexNetError, ConfigError, WeightsError
from alexnet.model.variants import variant
from alexnet.version import VERSION
from alexnet.weights.description import from_texts
from alexnet.weights.model_dir import Model
from alexnet.weights.onnx import export as onnx_export
from alexnet.weights.onnx.export import export_onnx
from alexnet.weights.onnx.graph import GraphOptions, build_graph

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model() -> Model:
    return model_of(lively(replace(narrow(variant("paper")), input_size=99)))


@pytest.mark.parametrize("taken", ["images", "views"])
@pytest.mark.parametrize("decompose", [False, True])
def test_a_file_is_written_that_answers_as_the_network(
    model: Model, tmp_path: Path, taken: str, decompose: bool
) -> None:
    path = tmp_path / "net.onnx"
    found = export_onnx(model, path, GraphOptions(taken, decompose))
    assert found.inputs == 5
    assert 0 < found.difference <= 1e-5 * found.largest  # sums in another order
    content = onnx.load(path)
    assert [value.name for value in content.graph.input] == [taken]
    assert ("LRN" in {node.op_type for node in content.graph.node}) != decompose
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.onnx"]


def test_the_file_says_what_it_is(model: Model, tmp_path: Path) -> None:
    export_onnx(model, tmp_path / "net.onnx", GraphOptions())
    content = onnx.load(tmp_path / "net.onnx")
    texts = {entry.key: entry.value for entry in content.metadata_props}
    assert json.loads(texts["classes"]) == [f"Class №{i}" for i in range(10)]
    assert from_texts(texts, "net").spec == model.net.spec
    assert (content.producer_name, content.producer_version) == ("alexnet", VERSION)
    assert content.graph.doc_string == model.net.spec.summary
    names = {tensor.name for tensor in content.graph.initializer}
    assert set(model.net.state_dict()) <= names


def test_a_file_that_answers_otherwise_is_not_left(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def misunderstood(spec: Any, *rest: Any) -> Any:
        return build_graph(spec.with_norm(convention="printed"), *rest)

    path = tmp_path / "net.onnx"
    path.write_text("what was there")
    monkeypatch.setattr(onnx_export, "build_graph", misunderstood)
    with pytest.raises(WeightsError, match="ONNX Runtime does not answer as the network does"):
        export_onnx(model, path, GraphOptions())
    assert path.read_text() == "what was there"
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.onnx"]


def test_what_an_onnx_file_cannot_hold_is_refused_first(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "LARGEST", 1000)
    with pytest.raises(ConfigError, match=r"holds 2 GB at most, and this network has 0\.0 GB"):
        export_onnx(model, tmp_path / "net.onnx", GraphOptions())
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_told(model: Model, tmp_path: Path) -> None:
    with pytest.raises(AlexNetError, match=r"Cannot write .*net\.onnx: No such file or directory"):
        export_onnx(model, tmp_path / "none" / "net.onnx", GraphOptions())


def test_a_file_that_cannot_be_read_again_is_told_and_not_left(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(file: str, full_check: bool) -> None:
        Path(file).unlink()
        check(file, full_check=full_check)

    check = onnx.checker.check_model
    monkeypatch.setattr(onnx.checker, "check_model", vanish)
    with pytest.raises(AlexNetError, match=r"net\.onnx was written but cannot be read again: .*; try again"):
        export_onnx(model, tmp_path / "net.onnx", GraphOptions())
    assert not list(tmp_path.iterdir())
