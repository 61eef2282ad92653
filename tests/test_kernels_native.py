import shutil
import subprocess
import sys
from collections.abc import Iterator
from ctypes import byref
from pathlib import Path

import pytest
import torch

from alexnet.errors import ConfigError
from alexnet.kernels import native, pooled_stage

ROOT = Path(__file__).parents[1]


@pytest.fixture
def fresh_load() -> Iterator[None]:
    native.load.cache_clear()
    yield
    native.load.cache_clear()


@pytest.mark.skipif(not native.available(), reason=native.describe())
def test_the_library_shares_pytorchs_thread_runtime() -> None:
    library = native.load()
    assert isinstance(library, native.Library)
    runtimes = [p for p in (Path(torch.__file__).parent / "lib").glob("libgomp*") if "gomp.so" in p.name]
    if not runtimes:
        pytest.skip("this PyTorch does not bring libgomp under its plain name")
    assert library.thread_runtime is not None
    assert Path(library.thread_runtime).samefile(runtimes[0])


@pytest.mark.skipif(not native.available(), reason=native.describe())
def test_the_description_names_instructions_library_and_threads() -> None:
    library = native.load()
    assert isinstance(library, native.Library)
    assert native.instruction_sets()[0] in native.describe()
    assert str(library.path) not in native.describe(), "logs and records do without the paths of a machine"
    for part in (str(library.path), str(library.thread_runtime)):
        assert part in native.where()
    with native.instructions("generic"):
        assert "generic" in native.describe()


@pytest.mark.usefixtures("fresh_load")
def test_a_missing_library_is_explained_and_the_twin_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "__file__", str(tmp_path / "native.py"))
    assert not native.available()
    assert str(tmp_path) in native.describe()
    assert "install a C++ compiler" in native.describe()
    assert native.where() == ""
    assert pooled_stage(torch.ones(1, 4, 3, 3), "relu-norm-pool", 3, 2, 2, 2, 1.0, 1.0).shape == (1, 4, 1, 1)


@pytest.mark.usefixtures("fresh_load")
def test_a_broken_library_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "_native.so").write_bytes(b"not a library")
    monkeypatch.setattr(native, "__file__", str(tmp_path / "native.py"))
    assert "cannot be loaded" in native.describe()


@pytest.mark.skipif(not native.available(), reason=native.describe())
@pytest.mark.usefixtures("fresh_load")
def test_a_library_of_older_sources_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "ABI", native.ABI + 1)
    assert not native.available()
    assert "was built from other sources" in native.describe()


def test_installation_succeeds_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("setuptools")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "alexnet", tmp_path / "alexnet", ignore=shutil.ignore_patterns("_native*", "__pycache__"))
    for name in ("CC", "CXX"):
        monkeypatch.setenv(name, str(tmp_path / "no-compiler"))
    done = subprocess.run(
        [sys.executable, "setup.py", "build", "--build-base", "built"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "no-compiler" in done.stderr
    assert list(tmp_path.glob("built/*/alexnet/kernels/pool.py"))
    assert not list(tmp_path.rglob("_native*"))


HUGE = (-1, 2**63 - 1, 2**62, -(2**63))


@pytest.mark.skipif(not native.available(), reason="no compiled kernels")
@pytest.mark.parametrize("name", native.instruction_sets())
def test_kernels_refuse_sizes_that_cannot_be_and_touch_nothing(name: str) -> None:
    norm = {"channels": 8, "towers": 1, "lo": 2, "hi": 2, "k": 1.0, "alpha": 1.0, "beta": 0.75}
    with native.instructions(name):
        for field in ("channels", "towers", "lo", "hi"):
            for value in HUGE:
                wrong = native.Norm(**{**norm, field: value})
                with pytest.raises(ConfigError, match="norm_forward was given sizes that cannot be"):
                    native.run("norm_forward", byref(wrong), 1, 0, 1, None, None)
                with pytest.raises(ConfigError, match="norm_backward"):
                    native.run("norm_backward", byref(wrong), 1, 0, 1, None, None, None)
        sizes = {"images": 1, "height": 9, "width": 9, "kernel": 3, "stride": 2}
        for field in (*sizes, "top", "bottom", "left", "right"):
            for value in (v for v in HUGE if (field, v) != ("images", 2**62)):
                stage = native.Stage(norm=native.Norm(**norm), **{**sizes, field: value})
                with pytest.raises(ConfigError, match="stage_forward"):
                    native.run("stage_forward", byref(stage), 0, 1, None, None, None)
                with pytest.raises(ConfigError, match="stage_backward"):
                    native.run("stage_backward", byref(stage), 0, 1, None, None, None, None)
        for value in HUGE:
            with pytest.raises(ConfigError, match="dropout_forward"):
                native.run("dropout_forward", value, 0, 1, 0, 0, 1.0, 0, None, None)
            with pytest.raises(ConfigError, match="augment"):
                native.run("augment", byref(native.Augment(1, 9, value, 1, 9)), 0, 1, None)
