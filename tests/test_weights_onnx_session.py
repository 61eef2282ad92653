import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx_making import lively, model_of, narrow, some_views, zoo_model

from alexnet.errors import ConfigError, WeightsError
from alexnet.model.variants import variant
from alexnet.weights.onnx import extra as onnx_extra
from alexnet.weights.onnx.export import build_model
from alexnet.weights.onnx.graph import GraphOptions
from alexnet.weights.onnx.session import OnnxModel

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    onnx.save(build_model(model_of(lively(narrow(variant("owt")))), GraphOptions("views")), path)
    return path


def test_a_file_tells_what_it_takes_and_answers(file: Path) -> None:
    model = OnnxModel(file)
    assert model.input == "views"
    assert model.description.spec == narrow(variant("owt"))
    views = some_views(model.description.spec, 3, torch.Generator().manual_seed(1))
    logits = model.logits(views.contiguous(memory_format=torch.channels_last))
    with torch.no_grad():
        expected = lively(narrow(variant("owt")))(views)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * expected.abs().max())


def test_what_cannot_be_run_is_told(file: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"There is no file .*none.onnx; write one with `alexnet export"):
        OnnxModel(tmp_path / "none.onnx")
    (tmp_path / "torn.onnx").write_bytes(file.read_bytes()[:5000])
    with pytest.raises(WeightsError, match=r"ONNX Runtime cannot read .*torn.onnx"):
        OnnxModel(tmp_path / "torn.onnx")
    onnx.save(zoo_model(), tmp_path / "foreign.onnx")
    with pytest.raises(WeightsError, match=r"foreign.onnx does not say what its classes are .* `alexnet export`"):
        OnnxModel(tmp_path / "foreign.onnx")
    content = onnx.load(file)
    content.graph.input[0].name = content.graph.node[0].input[0] = "pictures"
    onnx.save(content, tmp_path / "renamed.onnx")
    with pytest.raises(WeightsError, match="takes 'pictures', which is no input that this version knows"):
        OnnxModel(tmp_path / "renamed.onnx")


@pytest.mark.parametrize("name", ["onnx", "onnxruntime"])
def test_a_package_that_is_missing_is_named_with_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=f'take the package {name}, .*: pip install "alexnet\\[onnx\\]"'):
        onnx_extra.onnx_package(name)


def test_nothing_imports_the_packages_before_they_are_needed() -> None:
    code = "import sys, alexnet.weights.export, alexnet.weights.onnx.importing, alexnet.evaluation.predictor as _\n"
    code += "assert not {'onnx', 'onnxruntime'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
