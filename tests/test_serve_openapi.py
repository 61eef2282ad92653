"""The description of the interface, written by hand, is held to the routes by schemathesis."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from asking import Service
from starlette.routing import Route

from alexnet.serve.routes import OPENAPI, Routes

DOCUMENT = json.loads(OPENAPI.read_text(encoding="utf-8"))


def test_every_route_is_described_and_none_besides() -> None:
    routes = Routes.__new__(Routes)
    routes.service = routes.bodies = None  # type: ignore[assignment]
    table = [route for route in routes.table() if isinstance(route, Route)]
    found = {(route.path, method.lower()) for route in table for method in (route.methods or ()) if method != "HEAD"}
    of_the_page = {("/", "get"), ("/static/{name}", "get"), ("/examples/{number}.png", "get")}
    described = {(path, method) for path, item in DOCUMENT["paths"].items() for method in item}
    assert found - of_the_page == described


def test_it_names_the_layers_of_the_model(served: Service) -> None:
    paths = served.ask("/openapi.json").json["paths"]
    stage, _ = paths["/v1/maps"]["post"]["parameters"]
    assert stage["schema"]["enum"][:2] == ["conv1", "relu1"]
    assert paths["/v1/saliency"]["post"]["parameters"][1]["schema"]["maximum"] == 5


@pytest.mark.skipif(find_spec("schemathesis") is None, reason="needs schemathesis")
def test_what_schemathesis_thinks_up_gets_what_is_described(served: Service, tmp_path: Path) -> None:
    """All its checks, over valid and invalid requests of every path; a process of its own, with its own warnings."""
    words = ["--checks", "all", "--max-examples", "8", "--seed", "1", "--phases", "examples,coverage,fuzzing"]
    document = f"{served.address}/openapi.json"
    command = [sys.executable, "-m", "schemathesis.cli", "run", document, *words]
    hooks = {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | hooks, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
