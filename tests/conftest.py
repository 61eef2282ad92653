"""What all tests share: the optional folder of real photographs, and strict numerics."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from asking import Service, serving
from making import CLASSES, Bytes, Colours, tiny_model, tiny_store

from alexnet.data.store import Store
from alexnet.kernels import routes
from alexnet.weights.model_dir import save_model

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported, which PyTorch's compiler does too

os.environ["ALEXNET_ALLOCATOR"] = "system"  # commands called in this process must not set up its heap for good

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background jobs; commands inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

routes.WORTH = 1 << 60  # no test measures time, and none leaves in ALEXNET_HOME what it found


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photographs beside the repository; tests that need it are skipped where it is absent."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the real photographs of {folder}, which are not part of the repository")
    return folder


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A small store of six classes that are easy to tell apart: 42 train, 12 val and 11 test photographs."""
    return tiny_store(tmp_path_factory.mktemp("colours") / "store")


@pytest.fixture(scope="session")
def three_colours(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of three of the six classes and nothing to validate on: 24 train photographs."""
    source = Colours({"train": 24}, classes=CLASSES[:3])
    return tiny_store(tmp_path_factory.mktemp("three_colours") / "store", source)


@pytest.fixture(scope="session")
def in_bytes(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store `colours` with names of photographs and classes that are no Unicode."""
    return tiny_store(tmp_path_factory.mktemp("in_bytes") / "store", Bytes())


@pytest.fixture
def one_thread() -> Iterator[None]:
    """PyTorch works in one thread, which is fastest for tiny networks; whatever a test sets is undone."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def served(colours: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of an untrained tiny network with low limits, in a process of its own."""
    pytest.importorskip("uvicorn", reason="needs the extra serve")
    folder = tmp_path_factory.mktemp("served")
    save_model(tiny_model(colours), folder / "model")
    low = {"max_bytes": 300_000, "max_pixels": 1_000_000, "head_seconds": 2.0, "body_seconds": 2.0, "connections": 80}
    with serving(folder / "model", folder / "log", **low) as service:
        yield service
