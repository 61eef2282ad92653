"""The block of docs/serve.md in a real nginx, in front of a real service."""

import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path

import pytest
from asking import Answer, picture, serving
from browsing import IN_CI
from making import tiny_model

from alexnet.data.store import Store
from alexnet.weights.model_dir import save_model

DOCUMENT = Path(__file__).parents[1] / "docs" / "serve.md"
NAME = "look.example.org"


@pytest.fixture(scope="module")
def port(colours: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of nginx before a service that answers to the name."""
    if shutil.which("nginx") is None or shutil.which("openssl") is None:
        assert not IN_CI, "CI installs nginx and openssl."
        pytest.skip("needs the programs nginx and openssl: apt-get install nginx-light openssl")
    pytest.importorskip("uvicorn", reason="needs the extra serve")
    folder = tmp_path_factory.mktemp("nginx")
    save_model(tiny_model(colours), folder / "model")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}",
         "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", "key.pem", "-out", "certificate.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        chosen: int = free.getsockname()[1]
    with serving(folder / "model", folder / "log", hosts=(NAME,)) as service:
        block = re.search(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
        assert block is not None
        server = block[1].replace("127.0.0.1:8000", f"127.0.0.1:{service.port}")
        server = server.replace("listen 443 ssl;", f"listen 127.0.0.1:{chosen} ssl; ssl_certificate certificate.pem;")
        server = server.replace("server_name", "ssl_certificate_key key.pem; server_name")
        places = "".join(f"{name}_temp_path {folder};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(
            f"daemon off; pid {folder}/pid; events {{}} http {{ access_log off; {places} {server} }}"
        )
        words = ["nginx", "-p", str(folder), "-c", "nginx.conf", "-e", str(folder / "errors")]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
            for _ in range(100):
                assert process.poll() is None, process.stderr and process.stderr.read()
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", chosen)) == 0:
                        break
                time.sleep(0.05)
            yield chosen
            process.terminate()


def ask(port: int, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
    """What nginx answers over TLS, asked by the name."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
    try:
        connection.request("GET" if body is None else "POST", path, body, {"Host": NAME, **(headers or {})})
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def test_the_page_and_answers_come_through(port: int) -> None:
    assert b"<html" in ask(port, "/").body
    found = ask(port, "/v1/predict", picture(), {"Origin": f"https://{NAME}", "Sec-Fetch-Site": "same-origin"})
    assert found.status == 200
    assert len(found.json["predictions"]) == 5


def test_the_service_still_refuses_what_is_hostile(port: int) -> None:
    assert ask(port, "/", headers={"Host": "evil.example.org"}).json["code"] == "bad_host"
    assert ask(port, "/v1/predict", picture(), {"Origin": "https://evil.example.org"}).json["code"] == "cross_site"
    assert ask(port, "/v1/predict", b"%PDF-1.7").json["code"] == "not_an_image"


def test_a_body_above_the_limit_is_refused_by_nginx(port: int) -> None:
    assert ask(port, "/v1/predict", bytes(21_000_000)).status == 413
