"""The description of the interface, written by hand, is held to the routes by schemathesis."""

import json
import os
import subprocess
import sys
from importlib.resources import as_file
from importlib.util import find_spec
from pathlib import Path

import pytest
from asking import Service
from starlette.routing import Route

from alexnet.serve.routes import OPENAPI, Routes

DOCUMENT = json.loads(OPENAPI.read_text(encoding="utf-8"))


def test_every_route_is_described_and_none_besides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Routes, "__init__", lambda self: None)
    routes = [route for route in Routes().table() if isinstance(route, Route)]  # type: ignore[call-arg]
    found = {(route.path, method.lower()) for route in routes for method in (route.methods or ()) if method != "HEAD"}
    described = {(path, method) for path, item in DOCUMENT["paths"].items() for method in item}
    assert {each for each in found if each[0].startswith("/v1/")} == {
        each for each in described if each[0].startswith("/v1/")
    }
    assert described <= found


@pytest.mark.skipif(find_spec("schemathesis") is None, reason="needs schemathesis")
def test_what_schemathesis_thinks_up_gets_what_is_described(served: Service, tmp_path: Path) -> None:
    """All its checks, over valid and invalid requests of every path; a process of its own, with its own warnings."""
    words = ["--checks", "all", "--max-examples", "8", "--seed", "1", "--phases", "examples,coverage,fuzzing"]
    with as_file(OPENAPI) as document:
        command = [sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", served.address, *words]
        hooks = {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(Path(__file__).parent)}
        done = subprocess.run(
            command, cwd=tmp_path, env=os.environ | hooks, capture_output=True, text=True, timeout=240
        )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
